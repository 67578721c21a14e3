import type { Clock } from "../../../src/lib/model/clock.ts";
import { systemClock } from "../../../src/lib/model/clock.ts";

/** Time that passes only when the simulation says so, so that a seed replays to the millisecond. */
export class VirtualClock implements Clock {
  /** Ten minutes before an hour, a day and a year end: most simulations go on beyond that. */
  #now = Date.UTC(2029, 11, 31, 23, 50);
  readonly sleep = systemClock.sleep;
  readonly after = systemClock.after;

  now(): number {
    return this.#now;
  }

  monotonic(): number {
    return this.#now;
  }

  advance(milliseconds: number): void {
    if (!(milliseconds >= 0)) throw new RangeError("time only moves forward");
    this.#now += Math.round(milliseconds);
  }

  set(milliseconds: number): void {
    this.#now += Math.round(milliseconds);
  }
}
