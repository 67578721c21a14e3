import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { RateLimiter } from "../../../src/lib/gates/rate-limiter.ts";
import { type Clock, systemClock } from "../../../src/lib/model/clock.ts";

/** A clock that a test sets. Forwards and back: machines' clocks do both. */
function settableClock(): Clock & { time: number } {
  const clock = { ...systemClock, time: 1_000_000, now: () => clock.time, monotonic: () => clock.time };
  return clock;
}

describe("a rate limiter", () => {
  it("gives the burst at once, then one token at a time, and says how long to wait", () => {
    const clock = settableClock();
    const limiter = new RateLimiter({ clock, perSecond: 2, burst: 3 });
    expect([1, 2, 3].map(() => limiter.take("a"))).toEqual([0, 0, 0]);
    expect(limiter.take("a")).toBe(0.5);
    expect(limiter.take("b")).toBe(0);
    clock.time += 499;
    expect(limiter.take("a")).toBeCloseTo(0.001, 5);
    clock.time += 1;
    expect(limiter.take("a")).toBe(0);
    expect(limiter.take("a")).toBe(0.5);
  });

  it("never holds more than the burst, however long nobody came", () => {
    const clock = settableClock();
    const limiter = new RateLimiter({ clock, perSecond: 100, burst: 2 });
    limiter.take("a");
    clock.time += 86_400_000;
    expect([1, 2].map(() => limiter.take("a"))).toEqual([0, 0]);
    expect(limiter.take("a")).toBeGreaterThan(0);
  });

  it("can say what taking would answer without taking", () => {
    const limiter = new RateLimiter({ clock: settableClock(), perSecond: 1, burst: 1 });
    expect([limiter.wait("a"), limiter.wait("a"), limiter.size]).toEqual([0, 0, 0]);
    limiter.take("a");
    expect(limiter.wait("a")).toBe(1);
    expect(limiter.wait("a")).toBe(limiter.take("a"));
  });

  it("limits nothing at a rate of 0, and keeps nothing", () => {
    const limiter = new RateLimiter({ clock: settableClock(), perSecond: 0, burst: 0 });
    for (let n = 0; n < 1_000; n += 1) expect(limiter.take("a")).toBe(0);
    expect([limiter.wait("a"), limiter.size]).toEqual([0, 0]);
  });

  it("takes nobody's tokens when the clock is set back", () => {
    const clock = settableClock();
    const limiter = new RateLimiter({ clock, perSecond: 1, burst: 5 });
    limiter.take("a");
    clock.time -= 3_600_000;
    expect(limiter.take("a")).toBe(0);
    clock.time += 1_000;
    expect(limiter.take("a")).toBe(0);
  });

  it("remembers a bounded number of callers, and forgets those that came least recently", () => {
    const clock = settableClock();
    const limiter = new RateLimiter({ clock, perSecond: 0.001, burst: 1, maxKeys: 100 });
    limiter.take("regular");
    for (let n = 0; n < 10_000; n += 1) {
      limiter.take(`stranger-${n}`);
      if (n % 50 === 0) expect(limiter.take("regular")).toBeGreaterThan(0);
    }
    expect(limiter.size).toBe(100);
    expect(limiter.take("stranger-0")).toBe(0);
  });

  it("never lets more through than burst + rate × time, in any order of calls", () => {
    const step = fc.record({ key: fc.constantFrom("a", "b"), wait: fc.integer({ min: 0, max: 900 }) });
    const limits = fc.record({ perSecond: fc.integer({ min: 1, max: 20 }), burst: fc.integer({ min: 1, max: 20 }) });
    fc.assert(
      fc.property(limits, fc.array(step, { maxLength: 200 }), ({ perSecond, burst }, steps) => {
        const clock = settableClock();
        const limiter = new RateLimiter({ clock, perSecond, burst });
        const begin = clock.time;
        const taken = { a: 0, b: 0 };
        for (const { key, wait } of steps) {
          clock.time += wait;
          const seconds = limiter.take(key);
          if (seconds === 0) taken[key] += 1;
          expect(seconds).toBeLessThanOrEqual(1 / perSecond);
          expect(taken[key]).toBeLessThanOrEqual(burst + (perSecond * (clock.time - begin)) / 1_000 + 1e-6);
        }
      }),
    );
  });
});
