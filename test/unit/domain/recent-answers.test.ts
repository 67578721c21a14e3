import { beforeEach, describe, expect, it } from "@jest/globals";
import { RecentAnswers } from "../../../src/lib/domain/channels/recent-answers.ts";
import { VirtualClock } from "../../system/simulator/virtual-clock.ts";

/** Answers that are used again for a moment. */

let clock: VirtualClock;
let answers: RecentAnswers<number>;
/** Keys, in the order in which they were asked for. */
let asked: string[];

beforeEach(() => {
  clock = new VirtualClock();
  answers = new RecentAnswers(clock);
  asked = [];
});

const get = (key: string) =>
  answers.get(key, async () => {
    asked.push(key);
    return asked.length;
  });

describe("a recent answer", () => {
  it("is used for less than five seconds, by its own key", async () => {
    expect(await get("a")).toBe(1);
    clock.advance(4_999);
    expect([await get("a"), await get("b")]).toEqual([1, 2]);
    clock.advance(1);
    expect([await get("a"), await get("b")]).toEqual([3, 2]);
  });

  it("is shared by those who ask at the same time", async () => {
    expect(await Promise.all([get("a"), get("a"), get("a")])).toEqual([1, 1, 1]);
  });

  it("is asked for again after a failure, which all who waited for it are told", async () => {
    const fail = () => answers.get("a", () => Promise.reject(new Error("away")));
    const both = await Promise.allSettled([fail(), get("a")]);
    expect(both.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
    expect(await get("a")).toBe(1);
  });

  it("is not taken away by an older question that fails later", async () => {
    let fail: (error: Error) => void = () => undefined;
    const older = answers.get("a", () => new Promise((_, reject) => (fail = reject)));
    clock.advance(5_000);
    expect(await get("a")).toBe(1);
    fail(new Error("away"));
    await expect(older).rejects.toThrow("away");
    expect(await get("a")).toBe(1);
  });

  it("is forgotten by its key, or with all others, also while it is being asked for", async () => {
    await Promise.all([get("a"), get("b")]);
    answers.forget("a");
    expect([await get("a"), await get("b")]).toEqual([3, 2]);
    answers.forget();
    expect([await get("a"), await get("b")]).toEqual([4, 5]);
    let tell: (answer: number) => void = () => undefined;
    answers.forget();
    const before = answers.get("a", () => new Promise((resolve) => (tell = resolve)));
    answers.forget();
    expect(await get("a")).toBe(6);
    tell(-1);
    expect([await before, await get("a")]).toEqual([-1, 6]);
  });

  it("is one of at most 10,000: one more takes the place of the first", async () => {
    for (let n = 1; n <= 10_000; n += 1) await get(`key ${n}`);
    expect(await get("key 1")).toBe(1);
    expect(await get("one more")).toBe(10_001);
    expect([await get("one more"), await get("key 2"), await get("key 1")]).toEqual([10_001, 2, 10_002]);
  });
});
