import { describe, expect, it } from "@jest/globals";
import { persistenceWait } from "../../../src/client/persist.ts";

/** How long is waited before what must be said is said again. */
describe("the wait before a result is delivered again", () => {
  it("doubles up to half a minute, and is at least half of its bound", () => {
    expect([2, 3, 4, 20].map((call) => persistenceWait(call, undefined, 0))).toEqual([500, 1_000, 2_000, 15_000]);
    expect([2, 20].map((call) => persistenceWait(call, undefined, 1))).toEqual([1_000, 30_000]);
  });

  it("is what the service asks for, but not a day: a gateway that says so once must not keep a result for ever", () => {
    expect(persistenceWait(2, 7, 0)).toBe(7_000);
    expect(persistenceWait(2, 86_400, 0)).toBe(300_000);
    expect(persistenceWait(2, 999_999_999, 0)).toBe(300_000);
  });
});
