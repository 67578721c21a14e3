import { describe, expect, it } from "@jest/globals";
import { jsonResult } from "../../../src/client/json-result.ts";
import { lossesOf } from "../../../src/lib/model/json-losses.ts";

/** What a program's value would lose in JSON is named, not lost. */

class Point {
  readonly x = 1;
}

/** A class that says itself how it is written. */
class Written extends Map<number, number> {
  toJSON() {
    return [...this.entries()];
  }
}

describe("a value that JSON would write as {}", () => {
  it.each([
    ["Map", new Map([["a", 1]]), "send Object.fromEntries of it, or an array"],
    ["Set", new Set(["a"]), "send an array of it"],
    ["WeakMap", new WeakMap(), "send what it is for"],
    ["WeakSet", new WeakSet(), "send what it is for"],
    ["Promise", Promise.resolve(1), "await it"],
    ["Error", new TypeError("no"), "send its message"],
    ["RegExp", /a/, "send its source"],
    ["ArrayBuffer", new ArrayBuffer(4), "send base64 of it"],
  ])("%s is named at its place, and a handler's result with one is refused", (kind, value, advice) => {
    const message = `is a ${kind}, which JSON writes as {}: ${advice}`;
    expect(lossesOf({ deep: [0, { value }] })).toEqual([{ path: "deep.1.value", message }]);
    expect(lossesOf(value)).toEqual([{ path: "", message }]);
    expect(() => jsonResult({ deep: [0, { value }] })).toThrow(`deep.1.value ${message}`);
    expect(() => jsonResult(value)).toThrow(`it ${message}`);
  });

  it("is not looked for in arrays, plain objects, classes, and what says itself how it is written", () => {
    const fine = {
      list: [1],
      plain: Object.create(null),
      point: new Point(),
      time: new Date(0),
      map: new Written([[1, 2]]),
    };
    expect(lossesOf(fine)).toEqual([]);
    expect(jsonResult(fine)).toEqual({
      list: [1],
      plain: {},
      point: { x: 1 },
      time: "1970-01-01T00:00:00.000Z",
      map: [[1, 2]],
    });
  });

  it("is named once where it stands twice, and twenty at most", () => {
    const set = new Set();
    expect(lossesOf([set, set])).toHaveLength(1);
    expect(lossesOf(Array.from({ length: 30 }, () => new Set()))).toHaveLength(20);
  });
});
