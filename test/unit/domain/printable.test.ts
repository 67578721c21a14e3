import { describe, expect, it } from "@jest/globals";
import { escapedLabel } from "../../../src/lib/domain/statistics/prometheus.ts";
import { printable, printableJson, printableLines } from "../../../src/lib/model/printable.ts";
import { lineLog } from "../../../src/lib/trace/log.ts";

/** Every code point that a terminal obeys, or that changes how a line reads. */
const HOSTILE = [
  ...Array.from({ length: 0x20 }, (_, code) => code),
  ...Array.from({ length: 0x21 }, (_, code) => 0x7f + code),
  0x061c,
  0x200e,
  0x200f,
  0x2028,
  0x2029,
  0x202a,
  0x202b,
  0x202c,
  0x202d,
  0x202e,
  0x2066,
  0x2067,
  0x2068,
  0x2069,
  0xfeff,
  0xe0041,
].map((code) => String.fromCodePoint(code));

const RAW = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u;

describe("what others wrote", () => {
  it("has no character left that a terminal obeys", () => {
    for (const character of HOSTILE) {
      expect(printable(`a${character}b`)).toMatch(/^a(\\u[0-9a-f]{4})+b$/);
      expect(printableJson({ [character]: [character] })).not.toMatch(RAW);
      expect(printableLines(character)).toBe(character === "\n" ? "\n" : printable(character));
    }
    expect(printable("half \ud800 pair")).toBe("half \\ud800 pair");
  });

  it("is otherwise as it was", () => {
    const text = "Grüße, 日本語 – ok 👍 \\u001b";
    expect(printable(text)).toBe(text);
    expect(printableLines(`${text}\n`)).toBe(`${text}\n`);
  });

  it("is the same value as JSON", () => {
    const value = { [HOSTILE.join("")]: HOSTILE, n: [1, null, true, "👍"] };
    for (const space of [undefined, 2]) expect(JSON.parse(printableJson(value, space))).toEqual(value);
    expect(printableJson({ a: 1 }, 2)).toBe('{\n  "a": 1\n}');
  });

  it("is one line of the log", () => {
    const lines: string[] = [];
    lineLog((line) => lines.push(line)).info("x", { subject: HOSTILE.join("") });
    expect(lines).toHaveLength(1);
    expect(lines[0]).not.toMatch(RAW);
    expect(JSON.parse(lines[0] ?? "")).toMatchObject({ subject: HOSTILE.join("") });
  });

  it("ends no label of a metric", () => {
    expect(escapedLabel('a"} 1\nb\\\u009b')).toBe('a\\"} 1\\nb\\\\\\u009b');
  });
});
