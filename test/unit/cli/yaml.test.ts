import { describe, expect, it } from "@jest/globals";
import { UsageError } from "../../../src/cli/exit-codes.ts";
import { readYaml } from "../../../src/cli/yaml.ts";

describe("YAML of the command line", () => {
  it.each<[string, unknown]>([
    ["a: 1", { a: 1 }],
    ["a: no\nb: 2026-01-01\nc: 1_000", { a: "no", b: "2026-01-01", c: "1_000" }],
    ["a: +5\nb: .5\nc: 0x1f\nd: 1e3", { a: 5, b: 0.5, c: 31, d: 1000 }],
    ['{"a": [1, null, true]}', { a: [1, null, true] }],
    ["x: &base {k: [1]}\ny: *base", { x: { k: [1] }, y: { k: [1] } }],
    ["", null],
  ])("%j", (text, value) => expect(readYaml(text, "f")).toEqual(value));

  it.each<[string, RegExp]>([
    ["a: 1\na: 2", /unique/],
    ["a: .inf", /\.inf/],
    ["a: .nan", /\.nan/],
    ["a: 12345678901234567891", /12345678901234567891/],
    ["a: +12345678901234567891", /in quotes/],
    ["a: 0xffffffffffffffffff", /in quotes/],
    ["1: a", /names have to be texts/],
    ["a: 1\n---\nb: 2", /document/],
    ["a: [1", /f: /],
    ["a: !!js/function 'x'", /f: /],
    ["a: *nothing", /f: /],
    [`a: ${"[".repeat(70)}${"]".repeat(70)}`, /nested deeper/],
    [`a0: &a0 [x,x,x,x,x,x,x,x,x]\n${bomb(9)}`, /f: /],
  ])("refuses %j", (text, message) => {
    expect(() => readYaml(text, "f")).toThrow(UsageError);
    expect(() => readYaml(text, "f")).toThrow(message);
  });
});

/** Each line names the one before nine times. */
function bomb(lines: number): string {
  return Array.from({ length: lines }, (_, n) => `a${n + 1}: &a${n + 1} [${Array(9).fill(`*a${n}`).join(",")}]`).join(
    "\n",
  );
}
