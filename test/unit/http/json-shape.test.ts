import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { JSON_MAX_MEMBERS, JSON_MAX_VALUES, shapeOf } from "../../../src/lib/http/json-shape.ts";

const problem = (text: string) => shapeOf(Buffer.from(text)).problem;
const object = (members: number) => `{${Array.from({ length: members }, (_, n) => `"k${n}":1`).join(",")}}`;
const padded = (text: string) => text + " ".repeat(20_000);

describe("the shape of a JSON text", () => {
  it("is left alone within its bounds", () => {
    expect(problem(padded(object(JSON_MAX_MEMBERS)))).toBeUndefined();
    expect(problem(`[${"1,".repeat(JSON_MAX_VALUES - 3)}1]`)).toBeUndefined();
    expect(problem(padded(`${"[".repeat(72)}${"]".repeat(72)}`))).toBeUndefined();
  });

  it("is refused just beyond them, and much beyond them", () => {
    for (const members of [JSON_MAX_MEMBERS + 1, 100_000])
      expect(problem(padded(object(members)))).toMatch(/10000 members/);
    expect(problem(`[${"1,".repeat(JSON_MAX_VALUES)}1]`)).toMatch(/500000 values/);
    expect(problem(`[${"{},".repeat(JSON_MAX_VALUES)}{}]`)).toMatch(/500000 values/);
    expect(problem(padded("[".repeat(73)))).toMatch(/nested deeper/);
    expect(problem("[".repeat(4_000_000))).toMatch(/nested deeper/);
    expect(problem('{"a":'.repeat(100_000))).toMatch(/nested deeper/);
    // Members are those of one object: many small ones are fine.
    expect(problem(`[${`${object(100)},`.repeat(200)}1]`)).toBeUndefined();
  });

  it("does not look into texts, whatever they hold", () => {
    const text = JSON.stringify({ a: `${'["{,\\"'.repeat(20_000)}`, b: "\\" });
    expect(problem(text)).toBeUndefined();
    expect(problem(`"${"x".repeat(20_000)}`)).toBeUndefined();
    expect(problem(`"${"x".repeat(20_000)}\\`)).toBeUndefined();
  });

  it("is never refused for JSON that a request may have", () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 10 }), (value) => {
        expect(problem(padded(JSON.stringify([value, value])))).toBeUndefined();
      }),
      { numRuns: 200 },
    );
  });
});
