import { AgentCommunicationError } from "../errors.ts";

/**
 * Bodies that take long to read are read one in each turn of the event loop, so that whatever else has arrived is served in between:
 * of 64 callers with 4 MB each, a heartbeat waits for one and not for all.
 */

/** From here on reading a body takes about 1 ms. */
export const LONG_BODY_BYTES = 64 * 1024;
/** Bytes of bodies that wait for their turn at most. */
const WAITING_MAX_BYTES = 64 * 1024 * 1024;

export class Turns {
  readonly #maxBytes: number;
  #waiting: { bytes: number; go: () => void }[] = [];
  #bytes = 0;
  #running = false;

  constructor(maxBytes = WAITING_MAX_BYTES) {
    this.#maxBytes = maxBytes;
  }

  /**
   * Resolves when it is the turn of a body of so many bytes; undefined when it needs none.
   *
   * @throws RATE_LIMITED when too much waits already
   */
  next(bytes: number): Promise<void> | undefined {
    if (bytes < LONG_BODY_BYTES) return undefined;
    if (this.#bytes + bytes > this.#maxBytes) {
      throw new AgentCommunicationError("RATE_LIMITED", "Too many long bodies wait to be read; try again.", {
        retryAfterSeconds: 1,
      });
    }
    this.#bytes += bytes;
    return new Promise((resolve) => {
      this.#waiting.push({ bytes, go: resolve });
      this.#run();
    });
  }

  #run(): void {
    if (this.#running) return;
    this.#running = true;
    setImmediate(() => {
      this.#running = false;
      const [first, ...rest] = this.#waiting;
      if (first === undefined) return;
      this.#waiting = rest;
      this.#bytes -= first.bytes;
      first.go();
      if (rest.length > 0) this.#run();
    });
  }
}
