import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { LinearPattern } from "../../../src/lib/domain/messages/linear-pattern/linear-pattern.ts";
import { Allowance } from "../../../src/lib/domain/messages/linear-pattern/pattern-problem.ts";

/** Regular expressions in linear time: the same answers as RegExp, and none that takes long. */

const linear = (pattern: string, states = 50_000) =>
  new LinearPattern(pattern, new Allowance(states, "repeats too much"));

/** What takes one character, each in the several ways of writing it. */
const characters = fc.constantFrom(
  ..."ab -_0é😀".split(/(?:)/u),
  ".",
  "[ab]",
  "[^a]",
  "[^]",
  "[]",
  "[a-f0-9_-]",
  "[é-ü]",
  "[^é\\]]",
  "[\\x00-\\x1f]",
  "[\\s\\S]",
  "[\\p{L}\\d]",
  "\\d",
  "\\D",
  "\\w",
  "\\W",
  "\\s",
  "\\S",
  "\\n",
  "\\.",
  "\\/",
  "\\cJ",
  "\\x61",
  "\\u00e9",
  "\\u{1F600}",
  "\\uD83D\\uDE00",
  "\\uD83D",
  "\\p{L}",
  "\\P{Lu}",
  "\\p{Script=Greek}",
);

const { pattern: patterns } = fc.letrec<{ pattern: string; term: string }>((tie) => ({
  pattern: fc
    .array(fc.array(tie("term"), { maxLength: 4 }), { minLength: 1, maxLength: 3 })
    .map((choices) => choices.map((terms) => terms.join("")).join("|")),
  term: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    characters,
    fc.constantFrom("^", "$", "\\b", "\\B"),
    fc
      .tuple(characters, fc.constantFrom("*", "+", "?", "*?", "{2}", "{0}", "{1,3}", "{2,}?"))
      .map((parts) => parts.join("")),
    fc
      .tuple(tie("pattern"), fc.constantFrom("", "*", "+", "?", "{2}", "{0,2}", "{1,}"), fc.constantFrom("(", "(?:"))
      .map(([inside, times, opening]) => `${opening}${inside})${times}`),
    fc
      .tuple(fc.constantFrom("(?=", "(?!", "(?<=", "(?<!"), tie("pattern"))
      .map(([opening, inside]) => `${opening}${inside})`),
  ),
}));

const texts = fc.oneof(
  fc.string({ unit: fc.constantFrom(..."aab b-0_é😀Ωß\n\u2028\uD83D".split(/(?:)/u)), maxLength: 10 }),
  fc.string({ unit: "binary", maxLength: 4 }),
);

describe("linear patterns", () => {
  it("answer as RegExp does", () => {
    let taken = 0;
    fc.assert(
      fc.property(patterns, fc.array(texts, { minLength: 1, maxLength: 6 }), (pattern, all) => {
        // At most eight lookarounds are taken.
        fc.pre((pattern.match(/\(\?<?[=!]|\\b/giu) ?? []).length <= 8);
        // V8 begins between the halves of a pair, too, and finds nothing there, which is what these look for; ECMA-262 does not.
        const some = /\(\?<?!|\\B/u.test(pattern) ? all.filter((text) => !/[\u{10000}-\u{10ffff}]/u.test(text)) : all;
        const ours = linear(pattern);
        const native = new RegExp(pattern, "u");
        taken += 1;
        expect([pattern, ...some.filter((text) => ours.test(text) !== native.test(text))]).toEqual([pattern]);
      }),
      { numRuns: 1_000 },
    );
    expect(taken).toBe(1_000);
  });

  it.each([
    ["^(?<year>\\d{4})-(?<month>\\d\\d)$", ["2026-11", "2026-1", "x2026-11"]],
    ["^(?:(?:25[0-5]|2[0-4]\\d|1?\\d?\\d)(?:\\.(?!$)|$)){4}$", ["1.2.3.4", "1.2.3.4.", "256.1.1.1", "10.20.30"]],
    ["^(?=.*\\d)(?=.*[a-z])(?!.*\\s).{8,}$", ["abcdefg1", "abcdefgh", "abc defg1", "a1"]],
    ["(?<=\\$)\\d+(?:\\.\\d\\d)?\\b", ["$42", "42", "$x 42", "$4.20"]],
    ["(?<![\\w.])node\\b(?!-)", ["node", "x.node", "node-js", "a node"]],
    ["^$", ["", "a"]],
    ["", ["", "a"]],
    ["a{0}b{2,3}$", ["bb", "b", "abbb", "abbbb"]],
    ["^(?:[^\\p{Cc}\\p{Zl}]|\\t)*$", ["é\t", "\u2028", "\u0000"]],
    ["^.$", ["\u2028", "\u2029", "é", "😀", "\uD83D", "\r"]],
    ["\\s$", ["\u00a0", "\ufeff", "\u3000", "\u200b"]],
  ])("%s", (pattern, some) => {
    const ours = linear(pattern);
    const native = new RegExp(pattern, "u");
    expect(some.map((text) => ours.test(text))).toEqual(some.map((text) => native.test(text)));
  });

  // Node 24 has modifiers (https://tc39.es/ecma262/#sec-patterns).
  it.each([
    ["(?i:straße)", ["STRAßE", "straße", "strasse", "STRAẞE"]],
    ["(?i:\\bk\\b)", ["K", "\u212a", "ak"]],
    ["(?m:^a$)", ["b\na\nb", "b\u2028a", "ba", "a"]],
    ["(?s:a.b)|(?-i:A)", ["a\nb", "acb", "A"]],
    ["(?i:a(?-i:b)c)", ["AbC", "ABC"]],
  ])("modifiers %s", (pattern, some) => {
    const ours = linear(pattern);
    const native = new RegExp(pattern, "u");
    expect(some.map((text) => ours.test(text))).toEqual(some.map((text) => native.test(text)));
  });

  it.each([
    ["^(\\w+)\\1$", "is a regular expression with a backreference, \\1: "],
    ["(?<a>x)\\k<a>", "is a regular expression with a backreference, \\k<a>: "],
    ["((a{1,100}){1,100}){1,100}", "repeats too much"],
    ["(?:){1000000}", "repeats too much"],
    ["(?=a)(?=b)(?=c)(?=d)(?=e)(?=f)(?=g)(?=h)(?=i)", "is a regular expression with more than 8 lookarounds: "],
    ["(".repeat(101) + ")".repeat(101), "is a regular expression with groups deeper than 100 levels"],
  ])("%s is refused", (pattern, problem) => {
    expect(() => linear(pattern)).toThrow(problem);
  });

  it("are taken up to their bounds, and not beyond", () => {
    const looks = (count: number) => Array.from({ length: count }, (_, n) => `(?=${n})`).join("");
    expect(linear(looks(8)).test("0")).toBe(false);
    expect(() => linear(looks(9))).toThrow("more than 8 lookarounds");
    // The boundaries of words are one assertion, and so are the starts of lines, however often they are written.
    expect(linear(`${looks(7)}${"\\b\\B".repeat(9)}`).test("")).toBe(false);
    expect(linear(`(?m:${looks(6)}${"^$".repeat(9)})`).test("")).toBe(false);
    expect(() => linear(`(?m:${looks(7)}^$)`)).toThrow("more than 8 lookarounds");
    expect(linear(`${"(".repeat(100)}a${")".repeat(100)}`).test("a")).toBe(true);
    expect(linear("(a)".repeat(101)).test("a".repeat(101))).toBe(true);
    const classes = (count: number) => Array.from({ length: count }, (_, n) => `[é${n}a]`).join("|");
    expect(linear(classes(16)).test("é")).toBe(true);
    expect(() => linear(classes(17))).toThrow("is a regular expression with more than 16 different classes");
    expect(linear(Array.from({ length: 40 }, (_, n) => `[^a${n}-]|[${n}b]|\\.|é`).join("|")).test("é")).toBe(true);
  });

  it.each([
    ["abc", 3],
    ["a|b|c", 5],
    ["a*", 2],
    ["a+", 2],
    ["a?", 2],
    ["a{3}", 6],
    ["a{2,}", 4],
    ["a{1,3}", 6],
    ["(?=ab)c", 4],
    ["^a$", 3],
  ])("%s counts as %i states", (pattern, states) => {
    expect(() => linear(pattern, states)).not.toThrow();
    expect(() => linear(pattern, states - 1)).toThrow("repeats too much");
  });

  it("remember characters without mixing them up, however many there are", () => {
    const ours = linear("^[\\p{L}-]*é$");
    const native = /^[\p{L}-]*é$/u;
    const letters = Array.from({ length: 6_000 }, (_, n) => String.fromCodePoint(0x100 + n * 17)).filter((character) =>
      character.isWellFormed(),
    );
    for (let round = 0; round < 2; round += 1) {
      const some = letters.map((letter) => `${letter}-é`);
      expect(some.filter((text) => ours.test(text) !== native.test(text))).toEqual([]);
    }
    expect(ours.test(`${letters.filter((letter) => /\p{L}/u.test(letter)).join("")}é`)).toBe(true);
  });

  it("is no regular expression: RegExp says so", () => {
    expect(() => linear("(")).toThrow(expect.objectContaining({ name: "SyntaxError" }));
  });

  /** Microseconds of this process that `work` takes. */
  function cost(work: () => void): number {
    const before = process.cpuUsage();
    work();
    const { user, system } = process.cpuUsage(before);
    return user + system;
  }

  it.each([
    ["^order:(\\d+\\.?)+;$", `order:${"1".repeat(262_000)}`],
    ["^prefix([a-z]+)*Z$", `prefix${"a".repeat(262_000)}`],
    ["(x+x+)+y", "x".repeat(262_000)],
    ["\\s+$", `${" ".repeat(262_000)}x`],
    ["(?=(a+)+b)", "a".repeat(262_000)],
    ["(?<!(?:a|aa)+b)c", "a".repeat(262_000)],
  ])("%s takes 262,000 characters in the time of some passes over them", (pattern, text) => {
    const ours = linear(pattern);
    expect(ours.test(text)).toBe(false);
    const passes = cost(() => {
      let sum = 0;
      for (let round = 0; round < 60; round += 1)
        for (let at = 0; at < text.length; at += 1) sum += text.charCodeAt(at);
      expect(sum).toBeGreaterThan(0);
    });
    expect(cost(() => ours.test(text))).toBeLessThan(passes);
  });

  it.each(["a.{0,60}Q", "^(?=.*a.{50}Q).*z$", "(?<=a.{0,70}b)Q", "a[^Q]{30,60}$"])(
    "%s, which can be in ever new combinations of places, answers as RegExp does",
    (pattern) => {
      let seed = 7;
      const text = Array.from({ length: 20_000 }, () => {
        seed = (seed * 48_271) % 2_147_483_647;
        return "aab cdez"[seed % 8];
      }).join("");
      const ours = linear(pattern);
      const native = new RegExp(pattern, "u");
      const some = [text, `${text}Q`, `${text}Qz`, `${text}a${"Q".repeat(70)}bQ`, `Q${text}z`];
      expect(some.map((one) => ours.test(one))).toEqual(some.map((one) => native.test(one)));
    },
  );

  it("a text that leads to ever new combinations is refused after a counted number of steps, and others are checked as before", () => {
    const ours = linear("a[ab]{200}c");
    let seed = 1;
    const bits = Array.from({ length: 100_000 }, () => {
      seed = (seed * 48_271) % 2_147_483_647;
      return seed > 1_073_741_823 ? "a" : "b";
    });
    expect(() => ours.test(bits.join(""))).toThrow("takes too long to match with a regular expression");
    expect(ours.test(`ba${"ab".repeat(100)}c`)).toBe(true);
    expect(ours.test(`ba${"ab".repeat(100)}d`)).toBe(false);
  });
});
