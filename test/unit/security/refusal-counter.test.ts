import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { RefusalCounter } from "../../../src/lib/gates/refusal-counter.ts";
import { type Clock, systemClock } from "../../../src/lib/model/clock.ts";
import { openSqliteUnderTest } from "../../contract/sqlite-under-test.ts";
import type { StoreUnderTest } from "../../contract/store-under-test.ts";
import { eventually } from "../../contract/support.ts";

/** Refusals are counted, and written when their minute is over. */

const MINUTE = 60_000;

/** Time that passes only when it is told to, timers included. */
class SteppedClock implements Clock {
  #now = Date.UTC(2030, 0, 1, 12, 0, 20);
  #timers: { at: number; callback: () => void }[] = [];
  readonly sleep = systemClock.sleep;

  now(): number {
    return this.#now;
  }

  monotonic(): number {
    return this.#now;
  }

  after(milliseconds: number, callback: () => void): () => void {
    const timer = { at: this.#now + milliseconds, callback };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((one) => one !== timer);
    };
  }

  advance(milliseconds: number): void {
    this.#now += milliseconds;
    const due = this.#timers.filter(({ at }) => at <= this.#now);
    this.#timers = this.#timers.filter(({ at }) => at > this.#now);
    for (const { callback } of due) callback();
  }

  get timers(): number {
    return this.#timers.length;
  }
}

describe("refusals", () => {
  let clock: SteppedClock;
  let under: StoreUnderTest;
  let refusals: RefusalCounter;

  beforeEach(async () => {
    clock = new SteppedClock();
    under = await openSqliteUnderTest({}, clock);
    refusals = new RefusalCounter({ store: { recordAudit: (entries) => under.store.recordAudit(entries) }, clock });
  });
  afterEach(async () => {
    await under.close();
  });

  const written = async () => {
    const { items } = await under.store.listAudit({ limit: 200, action: "request.refused" });
    return items.reverse().map(({ actor, subjectId, detail }) => [actor, subjectId, detail.count, detail.minute]);
  };
  const has = (entries: number) => eventually(async () => (await written()).length === entries);
  const noon = "2030-01-01T12:00:00.000Z";

  it("are one entry for each caller, code and minute, written when the minute is over", async () => {
    for (let n = 0; n < 3; n++) refusals.count("a", "FORBIDDEN");
    refusals.count("a", "RATE_LIMITED");
    refusals.count("*", "UNAUTHENTICATED");
    clock.advance(39_000);
    expect(await written()).toEqual([]);
    clock.advance(1_000);
    await has(3);
    expect(await written()).toEqual([
      ["a", "FORBIDDEN", 3, noon],
      ["a", "RATE_LIMITED", 1, noon],
      ["*", "UNAUTHENTICATED", 1, noon],
    ]);
    refusals.count("a", "FORBIDDEN");
    clock.advance(MINUTE);
    await has(4);
    expect((await written()).at(-1)).toEqual(["a", "FORBIDDEN", 1, "2030-01-01T12:01:00.000Z"]);
  });

  it("need no timer while there are none", async () => {
    expect(clock.timers).toBe(0);
    refusals.count("a", "FORBIDDEN");
    refusals.count("b", "FORBIDDEN");
    expect(clock.timers).toBe(1);
    clock.advance(MINUTE);
    await has(2);
    expect(clock.timers).toBe(0);
  });

  it("are written at once when the process stops", async () => {
    refusals.count("a", "FORBIDDEN");
    await refusals.close();
    expect(await written()).toEqual([["a", "FORBIDDEN", 1, noon]]);
    expect(clock.timers).toBe(0);
  });

  it("of very many callers are counted together from some number on, and none is lost", async () => {
    for (let n = 0; n < 1_500; n++) refusals.count(`caller-${n}`, "UNAUTHENTICATED");
    refusals.count("caller-3", "UNAUTHENTICATED");
    await refusals.close();
    const all: (string | number | boolean | undefined)[][] = [];
    let cursor: string | undefined;
    do {
      const page = await under.store.listAudit({ limit: 200, action: "request.refused", cursor });
      all.push(...page.items.map(({ actor, detail }) => [actor, detail.count]));
      cursor = page.nextCursor ?? undefined;
    } while (cursor !== undefined);
    expect(all.length).toBe(1_001);
    expect(all).toContainEqual(["*", 500]);
    expect(all).toContainEqual(["caller-3", 2]);
  });

  it("are kept while the store is away, and written with a later minute", async () => {
    await under.store.close();
    refusals.count("a", "FORBIDDEN");
    clock.advance(MINUTE);
    // It has tried, and waits for the next minute.
    await eventually(() => clock.timers === 1);
    await under.reopen?.();
    expect(await written()).toEqual([]);
    refusals.count("b", "FORBIDDEN");
    clock.advance(MINUTE);
    await has(2);
    expect((await written()).sort()).toEqual([
      ["a", "FORBIDDEN", 1, noon],
      ["b", "FORBIDDEN", 1, "2030-01-01T12:01:00.000Z"],
    ]);
  });
});
