import { describe, expect, it } from "@jest/globals";
import { extraCost } from "../../src/lib/http/request-cost.ts";
import { LONG_BODY_BYTES, Turns } from "../../src/lib/http/turns.ts";
import { Polls } from "../../src/lib/messages/polls.ts";

const MEBIBYTE = 1024 * 1024;

describe("long bodies", () => {
  it("have one turn of the event loop each, in their order; short ones wait for none", async () => {
    const turns = new Turns();
    expect(turns.next(LONG_BODY_BYTES - 1)).toBeUndefined();
    const seen: (number | string)[] = [];
    const bodies = [1, 2, 3].map((n) => turns.next(LONG_BODY_BYTES)?.then(() => seen.push(n)));
    const others = (async () => {
      for (const name of ["a", "b", "c"]) {
        await new Promise((resolve) => setImmediate(resolve));
        seen.push(name);
      }
    })();
    await Promise.all([...bodies, others]);
    expect(seen.filter((one) => typeof one === "number")).toEqual([1, 2, 3]);
    expect(Math.abs(seen.indexOf(3) - seen.indexOf("c"))).toBe(1);
  });

  it("are refused when too much waits, and taken again afterwards", async () => {
    const turns = new Turns(2 * MEBIBYTE);
    const waiting = [turns.next(MEBIBYTE), turns.next(MEBIBYTE)];
    expect(() => turns.next(LONG_BODY_BYTES)).toThrow(/wait to be read/);
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
    expect(() => polls.enter("a")).toThrow(/long polls/);
    for (let n = 0; n < 5; n += 1) polls.enter(undefined);
    first?.();
    const again = polls.enter("a");
    expect(() => polls.enter("a")).toThrow(/long polls/);
    again();
  });
});
