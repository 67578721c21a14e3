import { AgentCommunicationError } from "../lib/model/errors.ts";

/** Bytes of bodies that are arriving or being handled: a thousand callers with 4 MB each must not fill the memory. */
const MAX_BYTES = 64 * 1024 * 1024;
/** A body that is no longer than this finds room in a quarter that longer ones cannot take: heartbeats, settlements, most sends. */
const SHORT_BYTES = 16 * 1024;

/** What one body takes of the memory. */
export interface BodyRoom {
  /** @throws RATE_LIMITED when there is no room for so many more bytes */
  take(bytes: number): void;
  /** Gives back all that was taken. Again and again, it changes nothing. */
  release(): void;
}

/**
 * The memory of all bodies together. A caller that sends slowly, or stops halfway, keeps its room until it is timed out. So when more
 * than half is taken, a credential gets an eighth at most, and no caller can lock out all others.
 */
export class BodyMemory {
  readonly #maxBytes: number;
  #bytes = 0;
  readonly #byOwner = new Map<string, number>();

  constructor(maxBytes = MAX_BYTES) {
    this.#maxBytes = maxBytes;
  }

  /** @param owner the credential of the request; undefined in authentication mode `none`, which has no shares */
  roomFor(owner: string | undefined): BodyRoom {
    let held = 0;
    return {
      take: (bytes) => {
        if (!this.#hasRoom(owner, held, bytes)) {
          throw new AgentCommunicationError(
            "RATE_LIMITED",
            "Too many request bodies are arriving at once; try again.",
            {
              retryAfterSeconds: 1,
            },
          );
        }
        held += bytes;
        this.#change(owner, bytes);
      },
      release: () => {
        this.#change(owner, -held);
        held = 0;
      },
    };
  }

  #hasRoom(owner: string | undefined, held: number, bytes: number): boolean {
    const max = this.#maxBytes;
    const after = this.#bytes + bytes;
    if (after > (held + bytes <= SHORT_BYTES ? max : (max * 3) / 4)) return false;
    if (owner === undefined || after <= max / 2) return true;
    return (this.#byOwner.get(owner) ?? 0) + bytes <= max / 8;
  }

  #change(owner: string | undefined, bytes: number): void {
    this.#bytes += bytes;
    if (owner === undefined || bytes === 0) return;
    const left = (this.#byOwner.get(owner) ?? 0) + bytes;
    if (left > 0) this.#byOwner.set(owner, left);
    else this.#byOwner.delete(owner);
  }
}
