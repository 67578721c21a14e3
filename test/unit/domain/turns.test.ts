import { describe, expect, it } from "@jest/globals";
import { LONG_REQUEST_BYTES } from "../../../src/lib/base/event-loop.ts";
import { Turns } from "../../../src/lib/base/turns.ts";
import { POLLS_PER_CREDENTIAL, Polls } from "../../../src/lib/domain/messages/polls.ts";
import { extraCost } from "../../../src/lib/http/request-cost.ts";

const MEBIBYTE = 1024 * 1024;

describe("long bodies", () => {
  it("are read one by one in their order, with rounds for others between; short ones wait for none", async () => {
    const turns = new Turns();
    expect(turns.next(LONG_REQUEST_BYTES - 1)).toBeUndefined();
    const seen: (number | string)[] = [];
    // The first goes at once.
    const bodies = [1, 2, 3].map((n) => (turns.next(LONG_REQUEST_BYTES) ?? Promise.resolve()).then(() => seen.push(n)));
    const others = (async () => {
      for (let round = 0; round < 24; round += 1) {
        await new Promise((resolve) => setImmediate(resolve));
        seen.push("other");
      }
    })();
    await Promise.all([...bodies, others]);
    expect(seen.filter((one) => typeof one === "number")).toEqual([1, 2, 3]);
    // Six rounds at least between two of them.
    expect(seen.indexOf(2) - seen.indexOf(1)).toBeGreaterThan(6);
    expect(seen.indexOf(3) - seen.indexOf(2)).toBeGreaterThan(6);
  });

  it("are joined by every request of a caller that has to take turns", async () => {
    const turns = new Turns();
    expect(turns.next(0, false)).toBeUndefined();
    expect(turns.next(0, true)).toBeUndefined();
    const seen: string[] = [];
    const waits = turns.next(0, true)?.then(() => seen.push("the second"));
    await new Promise((resolve) => setImmediate(resolve)).then(() => seen.push("another"));
    await waits;
    expect(seen).toEqual(["another", "the second"]);
  });

  it("of a caller with many wait for those of others, in turn", async () => {
    const turns = new Turns();
    expect(turns.next(0, true, "greedy")).toBeUndefined();
    const seen: string[] = [];
    const take = (caller: string) => turns.next(0, true, caller)?.then(() => seen.push(caller));
    await Promise.all(["greedy", "greedy", "greedy", "modest", "greedy", "other", "modest"].map(take));
    expect(seen).toEqual(["greedy", "modest", "other", "greedy", "modest", "greedy", "greedy"]);
  });

  it("are refused when too much waits, and taken again afterwards", async () => {
    const turns = new Turns(2 * MEBIBYTE);
    expect(turns.next(2 * MEBIBYTE)).toBeUndefined();
    const waiting = [turns.next(MEBIBYTE), turns.next(MEBIBYTE)];
    expect(() => turns.next(LONG_REQUEST_BYTES)).toThrow(/waiting to be read/);
    await Promise.all(waiting);
    await turns.next(2 * MEBIBYTE);
  });
});

describe("the cost of a request", () => {
  it.each([
    [0, 0, 0],
    [65_535, 3.9, 0],
    [65_536, 0, 1],
    [0, 4, 1],
    [4 * MEBIBYTE, 40, 74],
  ])("of %i bytes and %d ms is that of %i more", (bytes, milliseconds, cost) => {
    expect(extraCost(bytes, milliseconds)).toBe(cost);
  });
});

describe("long polls", () => {
  it("are counted by credential, and refused past the limit", () => {
    const polls = new Polls(2);
    const [first] = [polls.enter("a"), polls.enter("a"), polls.enter("b")];
    expect(() => polls.enter("a")).toThrow(
      expect.objectContaining({
        code: "RATE_LIMITED",
        message: "This credential already has 2 long polls open; end one, or ask without waitSeconds.",
        retryAfterSeconds: 1,
      }),
    );
    for (let n = 0; n < 5; n += 1) polls.enter(undefined);
    first?.();
    const again = polls.enter("a");
    expect(() => polls.enter("a")).toThrow(/long polls/);
    again();
    expect(POLLS_PER_CREDENTIAL).toBe(200);
    const usual = new Polls();
    const ends = Array.from({ length: 200 }, () => usual.enter("a"));
    expect(() => usual.enter("a")).toThrow(/200 long polls/);
    for (const end of ends) end();
    expect(() => usual.enter("a")).not.toThrow();
  });
});
