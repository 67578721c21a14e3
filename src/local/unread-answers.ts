import type { ServerResponse } from "node:http";
import { sourceOfAddress } from "../lib/gates/source.ts";

/**
 * Answers that callers have not read yet, in bytes. Where there are too many, the oldest goes of the address that has most: whoever
 * reads slowly, but reads, does not lose its answer to somebody who reads nothing.
 */
export class UnreadAnswers {
  readonly #maxBytes: number;
  /** The oldest first. */
  readonly #answers = new Map<ServerResponse, { bytes: number; address: string }>();
  readonly #byAddress = new Map<string, number>();
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** An answer that is being sent at this moment. */
  add(response: ServerResponse, bytes: number): void {
    if (response.destroyed) return;
    const address = sourceOfAddress(response.req.socket.remoteAddress);
    this.#answers.set(response, { bytes, address });
    this.#change(address, bytes);
    while (this.#bytes > this.#maxBytes) {
      const oldest = this.#oldestBut(response);
      if (oldest === undefined) return;
      this.forget(oldest);
      oldest.socket?.destroy();
      oldest.destroy();
    }
  }

  /** It has been read, or nobody is there any more to read it. */
  forget(response: ServerResponse): void {
    const unread = this.#answers.get(response);
    if (unread === undefined) return;
    this.#answers.delete(response);
    this.#change(unread.address, -unread.bytes);
  }

  /** @param sent stays: its caller has had no time to read it */
  #oldestBut(sent: ServerResponse): ServerResponse | undefined {
    const most = Math.max(...this.#byAddress.values());
    let first: ServerResponse | undefined;
    for (const [response, { address }] of this.#answers) {
      if (response === sent) continue;
      if (this.#byAddress.get(address) === most) return response;
      first ??= response;
    }
    return first;
  }

  #change(address: string, bytes: number): void {
    this.#bytes += bytes;
    const left = (this.#byAddress.get(address) ?? 0) + bytes;
    if (left > 0) this.#byAddress.set(address, left);
    else this.#byAddress.delete(address);
  }
}
