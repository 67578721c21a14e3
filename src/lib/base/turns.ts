import { AgentCommunicationError } from "../model/errors.ts";
import { LONG_REQUEST_BYTES, nextRound } from "./event-loop.ts";

/**
 * Long work is done one by one, with some rounds of the event loop between: everything else that has arrived is served meanwhile, and
 * of 64 callers with 4 MB each, a heartbeat waits for one and not for all. Long bodies take turns, and so do all requests of callers
 * whose last ones were dear (request-cost.ts); apart from them, routes whose replies may be long (route.ts). The first goes at once.
 * Callers take turns, so that one with many requests waits for itself.
 */

/** A request needs as many: four to be read in steps, and then to be carried out, committed and answered. */
const ROUNDS_BETWEEN = 7;
/** Bytes of bodies that wait for their turn at most. */
const WAITING_MAX_BYTES = 64 * 1024 * 1024;

interface Waiting {
  bytes: number;
  go: () => void;
}

export class Turns {
  readonly #maxBytes: number;
  /** What waits, by caller, in the order of the callers' turns. */
  readonly #waiting = new Map<string, Waiting[]>();
  #bytes = 0;
  #running = false;

  constructor(maxBytes = WAITING_MAX_BYTES) {
    this.#maxBytes = maxBytes;
  }

  /**
   * Resolves when it is the turn of a request; undefined when it need not wait.
   *
   * @param bytes of its body
   * @param dear whether it has to take turns in any case
   * @param caller its credential; left out: all are one
   * @throws RATE_LIMITED when too much waits already
   */
  next(bytes: number, dear = false, caller = ""): Promise<void> | undefined {
    if (bytes < LONG_REQUEST_BYTES && !dear) return undefined;
    if (!this.#running) {
      void this.#run();
      return undefined;
    }
    if (this.#bytes + bytes > this.#maxBytes) {
      throw new AgentCommunicationError(
        "RATE_LIMITED",
        "Too many large request bodies are waiting to be read; try again.",
        {
          retryAfterSeconds: 1,
        },
      );
    }
    this.#bytes += bytes;
    return new Promise((resolve) => {
      const waiting = this.#waiting.get(caller) ?? [];
      waiting.push({ bytes, go: resolve });
      this.#waiting.set(caller, waiting);
    });
  }

  async #run(): Promise<void> {
    this.#running = true;
    for (;;) {
      for (let round = 0; round < ROUNDS_BETWEEN; round += 1) await nextRound();
      const first = this.#take();
      if (first === undefined) break;
      this.#bytes -= first.bytes;
      first.go();
    }
    this.#running = false;
  }

  /** The first of the caller whose turn it is: that one goes to the end of the order. */
  #take(): Waiting | undefined {
    for (const [caller, waiting] of this.#waiting) {
      const first = waiting.shift();
      this.#waiting.delete(caller);
      if (waiting.length > 0) this.#waiting.set(caller, waiting);
      return first;
    }
    return undefined;
  }
}
