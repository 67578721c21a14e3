import { afterEach, describe, expect, it } from "@jest/globals";
import { OffsetClock } from "../../../src/lib/model/clock.ts";
import { Alarm } from "../../../src/local/alarm.ts";

const START = Date.UTC(2026, 0, 1);

/** A clock that stands still until a test moves it, and whose timers fire then. */
class HandClock extends OffsetClock {
  time = START;
  planned: { at: number; callback: () => void }[] = [];
  override now(): number {
    return this.time;
  }
  override readonly after = (milliseconds: number, callback: () => void) => {
    const timer = { at: this.time + milliseconds, callback };
    this.planned.push(timer);
    return () => {
      this.planned = this.planned.filter((other) => other !== timer);
    };
  };
  /** Moves to the next timer, and fires it. @returns how far that was */
  next(): number {
    const [timer] = this.planned.splice(0, 1);
    if (timer === undefined) throw new Error("no timer is set");
    const passed = timer.at - this.time;
    this.time = timer.at;
    timer.callback();
    return passed;
  }
}

describe("an alarm", () => {
  const clock = new HandClock();
  let alarm: Alarm;
  afterEach(() => alarm.stop());

  /** Each run waits until the test ends it. */
  function alarmOf() {
    const runs: PromiseWithResolvers<void>[] = [];
    const errors: unknown[] = [];
    const work = () => {
      const run = Promise.withResolvers<void>();
      runs.push(run);
      return run.promise;
    };
    alarm = new Alarm({ clock, work, onError: (error) => errors.push(error) });
    /** Ends the last run, by an error if there is one, and lets what follows from it happen. */
    const end = async (error?: Error) => {
      if (error === undefined) runs.at(-1)?.resolve();
      else runs.at(-1)?.reject(error);
      await new Promise(setImmediate);
    };
    return { runs, errors, end };
  }

  it("works at the nearest of the times that are planned", async () => {
    const { runs, end } = alarmOf();
    alarm.plan(clock.time + 60_000);
    alarm.plan(clock.time + 10_000);
    alarm.plan(clock.time + 30_000);
    expect([clock.planned.length, clock.next(), runs.length]).toEqual([1, 10_000, 1]);
    await end();
    expect(clock.planned).toEqual([]);
  });

  it("works once at a time; what is planned during a run comes soon after it, at the earliest", async () => {
    const { runs, end } = alarmOf();
    alarm.ring();
    alarm.plan(clock.time + 60_000);
    alarm.plan(clock.time - 1);
    expect([runs.length, clock.planned.length]).toEqual([1, 0]);
    await end();
    expect([clock.next(), runs.length]).toEqual([100, 2]);
    alarm.ring();
    alarm.ring();
    await end();
    expect(runs).toHaveLength(3);
    await end();
    expect([runs.length, clock.planned.length]).toEqual([3, 0]);
  });

  it("after a failure waits for five seconds, whatever is due", async () => {
    const { runs, errors, end } = alarmOf();
    alarm.ring();
    alarm.plan(clock.time - 3_600_000);
    const failure = new Error("no key");
    await end(failure);
    expect([errors, clock.next(), runs.length]).toEqual([[failure], 5_000, 2]);
    await end();
  });

  it("wakes within a day for what is further away, and stops for good", async () => {
    const { runs, end } = alarmOf();
    alarm.plan(clock.time + 300 * 86_400_000);
    expect(clock.next()).toBe(86_400_000);
    const stopping = alarm.stop();
    alarm.plan(clock.time + 1);
    alarm.ring();
    await end();
    await stopping;
    expect([runs.length, clock.planned.length, alarm.stopped]).toEqual([1, 0, true]);
  });
});
