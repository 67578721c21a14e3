import { AgentCommunicationError } from "../lib/errors.ts";

/** Bytes of bodies that are arriving or being handled: a thousand callers with 4 MB each must not fill the memory. */
const MAX_BYTES = 64 * 1024 * 1024;

/** What all bodies together may take. */
export class BodyMemory {
  readonly #maxBytes: number;
  #bytes = 0;

  constructor(maxBytes = MAX_BYTES) {
    this.#maxBytes = maxBytes;
  }

  /** @throws RATE_LIMITED when there is no room for so many more bytes */
  take(bytes: number): void {
    if (this.#bytes + bytes > this.#maxBytes) {
      throw new AgentCommunicationError("RATE_LIMITED", "Too many bodies arrive at once; try again.", {
        retryAfterSeconds: 1,
      });
    }
    this.#bytes += bytes;
  }

  release(bytes: number): void {
    this.#bytes -= bytes;
  }
}
