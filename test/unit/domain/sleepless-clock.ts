import { expect } from "@jest/globals";
import { type Clock, OffsetClock } from "../../../src/lib/model/clock.ts";

/** A clock on which a sleep ends only when it is woken: what returns from a long poll was woken, not polled. */
export class SleeplessClock extends OffsetClock {
  sleeping = 0;
  readonly naps: number[] = [];
  /** Ends the current sleep as if its time had passed. */
  timeUp: () => void = () => undefined;
  override readonly sleep: Clock["sleep"] = (milliseconds, signal) =>
    new Promise((resolve) => {
      this.naps.push(milliseconds);
      this.sleeping += 1;
      const done = () => {
        this.sleeping -= 1;
        resolve();
      };
      this.timeUp = done;
      if (signal?.aborted) done();
      else signal?.addEventListener("abort", done, { once: true });
    });

  async untilSleeping(): Promise<void> {
    for (let turn = 0; turn < 10_000 && this.sleeping === 0; turn += 1)
      await new Promise((resolve) => setImmediate(resolve));
    expect(this.sleeping).toBe(1);
  }
}
