import { isAgentCommunicationError } from "../../../src/lib/model/errors.ts";
import type { Random } from "../../support/random.ts";

/** The caller got no answer, and cannot know whether its call was done. */
export class Lost extends Error {}

/** Between an actor and the store: calls that never arrive, answers that never return, calls that arrive twice. */
export class Network {
  readonly #random: Random;
  /** False: every call arrives once and is answered. */
  faulty = true;
  readonly counts = { delivered: 0, lostRequests: 0, lostReplies: 0, repeated: 0 };

  constructor(random: Random) {
    this.#random = random;
  }

  async call<T>(send: () => Promise<T>): Promise<T> {
    const fate = this.faulty ? this.#random.next() : 1;
    if (fate < 0.05) {
      this.counts.lostRequests += 1;
      throw new Lost("the request was lost");
    }
    if (fate < 0.12) {
      this.counts.lostReplies += 1;
      await refusalsAside(send());
      throw new Lost("the reply was lost");
    }
    if (fate < 0.18) {
      this.counts.repeated += 1;
      await refusalsAside(send());
    }
    this.counts.delivered += 1;
    return await send();
  }
}

/** Waits for a call whose answer nobody gets. A defect still comes out. */
async function refusalsAside(call: Promise<unknown>): Promise<void> {
  try {
    await call;
  } catch (error) {
    if (!isAgentCommunicationError(error) || error.code === "INTERNAL") throw error;
  }
}
