/** Requests from here on are done in pieces: each takes a millisecond or more. */
export const LONG_REQUEST_BYTES = 64 * 1024;

/** Lets whatever else has arrived have its turn of the event loop. Without anything else it costs a few microseconds. */
export function nextRound(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
