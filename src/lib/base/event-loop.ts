/** Requests from here on are done in pieces: each takes a millisecond or more. */
export const LONG_REQUEST_BYTES = 64 * 1024;

/** Lets everything else that has arrived take its turn of the event loop. With nothing else it costs a few microseconds. */
export function nextRound(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
