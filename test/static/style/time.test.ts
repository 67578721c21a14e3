import { describe, expect, it } from "@jest/globals";
import { places, sourcesIn, withoutComments } from "./sources.ts";

const code = sourcesIn("src").map(({ path, text }) => ({ path, text: withoutComments(text) }));
const clock = code.filter(({ path }) => path === "src/lib/model/clock.ts");
const elsewhere = code.filter(({ path }) => path !== "src/lib/model/clock.ts");

/** Whatever reads the time of the machine or waits for it. `new Date(milliseconds)` only formats, and is fine. */
const TIME = [
  /\bDate\.now\b/,
  /\bnew Date\(\s*\)/,
  /\bnew Date\b(?!\()/,
  /(?<![\w.])Date\(\)/,
  /\bperformance\.(?:now|timeOrigin)\b/,
  /\bhrtime\b/,
  /\bset(?:Timeout|Interval)\b/,
  /\bAbortSignal\.timeout\b/,
  /\bnode:timers\b/,
];

describe("time", () => {
  it("is read and waited for in clock.ts", () => {
    expect(places(clock, /\bDate\.now\(\)/)).not.toEqual([]);
    expect(places(clock, /\bsetTimeout\(/)).not.toEqual([]);
  });

  it.each(TIME)("is a dependency everywhere else: no %s", (pattern) => {
    expect(places(elsewhere, pattern)).toEqual([]);
  });

  it("is told by the clock in SQL, too", () => {
    const sql = [...sourcesIn("src/lib/store", ".sql"), ...elsewhere];
    expect(places(sql, /'now'|\bCURRENT_(?:TIMESTAMP|TIME|DATE)\b|\bunixepoch\(\s*\)|\bGETUTCDATE\b/)).toEqual([]);
  });
});
