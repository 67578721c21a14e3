import { AgentCommunicationError } from "../model/errors.ts";

/**
 * Work that strangers ask for before anything of them is believed: a bounded number at a time in all and for each source. What
 * finds no slot waits; sources take turns, so that a source that asks for thousands of things waits for itself.
 */

/** Work that waits for a slot. */
interface Waiting {
  start(): void;
}

interface Source {
  running: number;
  readonly waiting: Waiting[];
}

export interface FairSlotsOptions {
  /** At a time, in all. */
  slots: number;
  /** At a time, for each source. */
  slotsPerSource: number;
  /** What waits for a slot at most, for each source: past it the newest is refused. */
  waitingPerSource: number;
  /** What waits for a slot at most, in all. */
  waiting: number;
}

export class FairSlots {
  readonly #options: FairSlotsOptions;
  /** Those with something running or waiting, in the order of their turns. */
  readonly #sources = new Map<string, Source>();
  #running = 0;
  #waiting = 0;

  constructor(options: FairSlotsOptions) {
    this.#options = options;
  }

  /**
   * Runs `work` as soon as its source has a slot.
   *
   * @throws RATE_LIMITED when too much waits already; and what `work` throws
   * @example
   * await slots.run("203.0.113.7", () => store.findCredential({ credentialId }));
   */
  run<Result>(source: string, work: () => Promise<Result>): Promise<Result> {
    const state = this.#sources.get(source) ?? { running: 0, waiting: [] };
    this.#sources.set(source, state);
    if (this.#isFree(state)) return this.#start(source, state, work);
    if (state.waiting.length >= this.#options.waitingPerSource || this.#waiting >= this.#options.waiting) {
      this.#forgetIdle(source, state);
      const detail = "Too many unknown credentials are waiting to be looked up; try again in a second.";
      throw new AgentCommunicationError("RATE_LIMITED", detail, { retryAfterSeconds: 1 });
    }
    return new Promise((resolve, reject) => {
      this.#waiting += 1;
      state.waiting.push({ start: () => void this.#start(source, state, work).then(resolve, reject) });
    });
  }

  #isFree(state: Source): boolean {
    return this.#running < this.#options.slots && state.running < this.#options.slotsPerSource;
  }

  async #start<Result>(source: string, state: Source, work: () => Promise<Result>): Promise<Result> {
    this.#running += 1;
    state.running += 1;
    try {
      return await work();
    } finally {
      this.#running -= 1;
      state.running -= 1;
      this.#forgetIdle(source, state);
      this.#startNext();
    }
  }

  #forgetIdle(source: string, state: Source): void {
    if (state.running === 0 && state.waiting.length === 0) this.#sources.delete(source);
  }

  /** The first thing that waits, of the source whose turn it is: that source goes to the end of the order. */
  #startNext(): void {
    if (this.#waiting === 0) return;
    for (const [source, state] of this.#sources) {
      if (!this.#isFree(state)) continue;
      const next = state.waiting.shift();
      if (next === undefined) continue;
      this.#sources.delete(source);
      this.#sources.set(source, state);
      this.#waiting -= 1;
      next.start();
      return;
    }
  }
}
