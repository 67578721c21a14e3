import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { lossesOf } from "../../../src/lib/model/json-losses.ts";
import { changedNumbers, numberProblem } from "../../../src/lib/model/json-numbers.ts";

/** Which numbers are refused because reading and writing them would change them: RFC 7493, section 2.2. */

const places = (text: string) => changedNumbers(text).map(({ path }) => path);

describe("numbers as they are written", () => {
  it.each([
    ["0"],
    ["-0"],
    ["9007199254740991"],
    ["9007199254740992"],
    ["-9007199254740992"],
    ["9007199254740994"],
    ["1700000000000000000"],
    ["1.7e18"],
    ["1700000000000000000.0"],
    ["1.700000000000000000e18"],
    ["18446744073709551616"],
    ["6.02214076e23"],
    ["1.2345678901234567e+30"],
    ["1234567890123456.7E+15"],
    ["1e300"],
    ["0.1"],
    ["3.14159265358979323846"],
    ["0.12345678901234567890"],
    ["-123456.12345678901234567890"],
    ["1.2345678901234567e-5"],
  ])("%s keeps its value", (text) => {
    expect(changedNumbers(`{"a":${text}}`)).toEqual([]);
  });

  it.each([
    ["9007199254740993"],
    ["-9007199254740993"],
    ["12345678901234567890"],
    ["12345678901234567890.0"],
    ["9007199254740993.0"],
    ["90071992547409930e-1"],
    ["1.2345678901234567890e19"],
    ["12345678.9012345678e10"],
    ["12345678901234567.5"],
    ["9007199254740991.75"],
    ["18446744073709551615"],
    ["100000000000000000000000"],
    [`1${"0".repeat(500)}`],
    [`1.${"0".repeat(20)}1e300`],
    ["1.0e400"],
  ])("%s does not", (text) => {
    expect(places(`{"a":${text}}`)).toEqual(["a"]);
  });

  it("integers: exactly those that BigInt and Number read alike", () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(10n ** 24n), max: 10n ** 24n }), (integer) => {
        const exact = BigInt(Number(integer)) === integer;
        expect(changedNumbers(`[${integer}]`)).toHaveLength(exact ? 0 : 1);
      }),
    );
  });

  it("integers that are a double, and their neighbours: around powers of two most of all", () => {
    const bits = fc.bigInt({ min: 1n, max: 2n ** 53n });
    const power = fc.constantFrom(1n, 2n ** 52n, 2n ** 53n - 1n);
    fc.assert(
      fc.property(fc.oneof(bits, power), fc.nat(90), fc.constantFrom(-1n, 0n, 1n), (double, shift, off) => {
        const integer = double * 2n ** BigInt(shift) + off;
        const exact = BigInt(Number(integer)) === integer;
        for (const text of [`${integer}`, `${integer}.0`]) {
          expect([text, changedNumbers(`[${text}]`).length]).toEqual([text, exact ? 0 : 1]);
        }
      }),
      { numRuns: 2_000 },
    );
  });

  it("are found at their place, whatever stands around them", () => {
    const text = String.raw`{ "x\"y": [1, {"a.b" : [ "9007199254740993", 9007199254740993 ]}], "\u0041": -9007199254740993,
      "9007199254740993": "12345678901234567890", "s": "a\\", "t": [[], {}, [true, null, 12345678901234567891]] }`;
    expect(JSON.parse(text)).toBeDefined();
    expect(places(text)).toEqual(['x"y.1.a.b.1', "A", "t.2.2"]);
    expect(places("12345678901234567891")).toEqual([""]);
  });

  it("agree with a parser about where numbers are, in any JSON", () => {
    const leaf = fc.oneof(
      fc.constant(7777777777777777777n),
      fc.string(),
      fc.boolean(),
      fc.constant(null),
      fc.integer(),
    );
    const { tree } = fc.letrec((tie) => ({
      tree: fc.oneof({ maxDepth: 4 }, leaf, fc.array(tie("tree")), fc.dictionary(fc.string(), tie("tree"))),
    }));
    const write = (value: unknown): string => {
      if (typeof value === "bigint") return String(value);
      if (Array.isArray(value)) return `[${value.map(write).join(", ")}]`;
      if (typeof value !== "object" || value === null) return JSON.stringify(value);
      return `{ ${Object.entries(value)
        .map(([key, part]) => `${JSON.stringify(key)} : ${write(part)}`)
        .join(",")} }`;
    };
    const wanted = (value: unknown, path: string[]): string[] => {
      if (typeof value === "bigint") return [path.join(".").slice(0, 256)];
      if (typeof value !== "object" || value === null) return [];
      return Object.entries(value).flatMap(([key, part]) => wanted(part, [...path, key]));
    };
    fc.assert(
      fc.property(tree, (value) => {
        expect(places(write(value))).toEqual(wanted(value, []).slice(0, 20));
      }),
    );
  });

  it("cost no more than their text is long", () => {
    const long = "9".repeat(500_000);
    expect(places(`[${long}, "${"\\\\".repeat(200_000)}", ${"1234567890123456,".repeat(50_000)} 1]`)).toEqual(["0"]);
  });

  it.each([
    ["16 digits", "1234567890123456"],
    ["17 digits", "12345678901234560"],
    ["fractions", "-1.2345678901234567e-05"],
    ["exponents", "1.5e16"],
  ])("200,000 of %s keep their values, in the time of some passes over them", (_name, number) => {
    const text = JSON.stringify({ payload: [] }).replace("[]", `[${`${number},`.repeat(200_000)}12345678901234560]`);
    const cost = (work: () => void) => {
      const before = process.cpuUsage();
      work();
      const { user, system } = process.cpuUsage(before);
      return user + system;
    };
    const pass = () => {
      let sum = 0;
      for (let round = 0; round < 20; round += 1)
        for (let at = 0; at < text.length; at += 1) sum += text.charCodeAt(at);
      expect(sum).toBeGreaterThan(0);
    };
    expect(changedNumbers(text)).toEqual([]);
    // The best of five, in turn: what else runs on the machine slows both, and never makes either faster.
    const rounds = [1, 2, 3, 4, 5].map(() => ({ passes: cost(pass), scan: cost(() => changedNumbers(text)) }));
    const best = (of: "passes" | "scan") => Math.min(...rounds.map((round) => round[of]));
    expect(best("scan")).toBeLessThan(best("passes"));
  });

  it("that have to be looked at closely are refused where one text has more than 5,000", () => {
    const body = (count: number) => `[${Array(count).fill("12.345678901234567e+29").join()}]`;
    expect(changedNumbers(body(5_000))).toEqual([]);
    expect(changedNumbers(body(200_000))).toEqual([
      { path: "5000", message: expect.stringContaining("after 5000 others") },
    ]);
  });
});

describe("numbers of a program", () => {
  it.each([[Number.NaN], [Number.POSITIVE_INFINITY], [2 ** 63], [2 ** 64 - 1], [Number("1764252123457000123")]])(
    "%p is refused",
    (number) => {
      expect(numberProblem(number)).toEqual(expect.any(String));
    },
  );

  it.each([[2 ** 53], [1.7e18], [6.022_140_76e23], [Number.MAX_SAFE_INTEGER], [-0], [0.1], [5e-324]])(
    "%p passes",
    (number) => {
      expect(numberProblem(number)).toBeUndefined();
    },
  );

  it("pass exactly when their JSON does", () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (number) => {
        expect(numberProblem(number) === undefined).toBe(changedNumbers(JSON.stringify(number)).length === 0);
      }),
    );
  });

  it("are named with their place, bigints too; cycles end", () => {
    const value: Record<string, unknown> = { a: [1, Number.NaN], b: { c: 12n }, d: new Date(0), e: "9007199254740993" };
    expect(
      lossesOf(value)
        .map(({ path }) => path)
        .sort(),
    ).toEqual(["a.1", "b.c"]);
    for (const name of ["self", "again", "more"]) value[name] = value;
    expect(lossesOf(value)).toHaveLength(2);
  });
});
