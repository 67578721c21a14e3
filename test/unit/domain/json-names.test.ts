import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { shapeOf } from "../../../src/lib/http/json-shape.ts";
import { countMembers, duplicateNames } from "../../../src/lib/model/json-names.ts";

/** Names that one object has twice: RFC 7493, section 2.3. */

const places = (text: string) => duplicateNames(text).map(({ path }) => path);
const suspected = (text: string) => shapeOf(Buffer.from(text)).names !== countMembers(JSON.parse(text));

describe("names that one object has twice", () => {
  it.each([
    ['{"a":1,"a":1}', "a"],
    ['{"a":{"b":[0,{"c":1,"d":2,"c":3}]}}', "a.b.1.c"],
    ['{ "a" : 1 , "\\u0061" : 2 }', "a"],
    ['{"__proto__":1,"__proto__":{}}', "__proto__"],
    ['{"toString":1,"constructor":2,"toString":3}', "toString"],
    ['[{"":1,"":2}]', "0."],
    ['{"a\\"b":1,"a\\"b":2}', 'a"b'],
    ['{"😀":1,"\\ud83d\\ude00":2}', "😀"],
    ['{"a":[[],{},[1,2,{"b":":","b":"}"}]]}', "a.2.2.b"],
  ])("%s at its place", (text, place) => {
    expect([suspected(text), places(text)]).toEqual([true, [place]]);
  });

  it.each([
    ['{"a":{"a":{"a":1}},"b":{"a":2}}'],
    ['[{"a":1},{"a":1}]'],
    ['{"a":"\\"a\\":1,\\"a\\":1","b":"{:,"}'],
    ['{"A":1,"a":2,"á":3,"a\\u0301":4}'],
    ['":"'],
    ["[1,2]"],
    ["null"],
    ["{}"],
    ['{"__proto__":{"a":1},"constructor":{"a":1}}'],
  ])("%s has none", (text) => {
    expect([suspected(text), places(text)]).toEqual([false, []]);
  });

  it("as often as they are there, the first twenty", () => {
    expect(places(`{${'"a":0,'.repeat(50)}"b":1}`)).toHaveLength(20);
  });

  it("are counted in any JSON, and looked for only where they are", () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 6 }), (text) => {
        expect([suspected(text), places(text)]).toEqual([false, []]);
      }),
    );
  });

  it("one more name in any object is found", () => {
    const objects = fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 3 }), { minKeys: 1 });
    fc.assert(
      fc.property(objects, fc.nat(), (object, n) => {
        const names = Object.keys(object);
        const name = names[n % names.length] ?? "";
        const text = `[${JSON.stringify(object).slice(0, -1)},${JSON.stringify(name)}:1}]`;
        expect([suspected(text), places(text)]).toEqual([true, [`0.${name}`.slice(0, 256)]]);
      }),
    );
  });

  it("a text that is too deep to be counted overflows no stack", () => {
    const text = `${'{"a":['.repeat(2_000)}${"]}".repeat(2_000)}`;
    expect(suspected(text)).toBe(true);
    expect(places(text)).toEqual([]);
  });
});
