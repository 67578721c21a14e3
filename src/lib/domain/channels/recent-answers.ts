import { BoundedMap } from "../../base/bounded-map.ts";
import type { Clock } from "../../model/clock.ts";

/** How long an answer may be used: what another process changes takes effect within this. */
const KEPT_MILLISECONDS = 5_000;
/** Answers kept at most. Callers name what is asked for, so there is no other bound. */
const KEPT_MAX = 10_000;

interface Kept<Answer> {
  askedAt: number;
  answer: Promise<Answer>;
}

/** What the store answered a moment ago. Who asks while the same is being asked shares the answer; a failure is not kept. */
export class RecentAnswers<Answer> {
  readonly #clock: Clock;
  #kept = new BoundedMap<string, Kept<Answer>>(KEPT_MAX);

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The answer of at most 5 s ago, or else that of `ask`. */
  get(key: string, ask: () => Promise<Answer>): Promise<Answer> {
    const now = this.#clock.monotonic();
    const known = this.#kept.get(key);
    if (known !== undefined && now - known.askedAt < KEPT_MILLISECONDS) return known.answer;
    const kept = this.#kept;
    const answer = ask();
    const entry = { askedAt: now, answer };
    kept.set(key, entry);
    answer.catch(() => {
      if (kept.get(key) === entry) kept.delete(key);
    });
    return answer;
  }

  /**
   * Forgets the answer of `key`, or every one; what is being asked at this moment included: it may have been read before a
   * change.
   */
  forget(key?: string): void {
    if (key === undefined) this.#kept = new BoundedMap(KEPT_MAX);
    else this.#kept.delete(key);
  }
}
