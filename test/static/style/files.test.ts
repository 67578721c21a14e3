import { basename } from "node:path";
import { describe, expect, it } from "@jest/globals";
import { z } from "zod";
import { places, readSource, sourcesIn } from "./sources.ts";

const MAX_FILE_LINES = 350;
const MAX_FUNCTION_LINES = 70;

const src = sourcesIn("src");

const ruleSchema = z.looseObject({ level: z.string(), options: z.looseObject({ maxLines: z.number() }) });
const biomeSchema = z.looseObject({
  linter: z.looseObject({
    rules: z.looseObject({
      suspicious: z.looseObject({ noExplicitAny: z.string() }),
      style: z.looseObject({ noNonNullAssertion: z.string() }),
      complexity: z.looseObject({ noExcessiveLinesPerFunction: ruleSchema }),
    }),
  }),
  overrides: z.array(z.looseObject({ includes: z.array(z.string()) })).default([]),
});

describe("files of src", () => {
  it(`have at most ${MAX_FILE_LINES} lines`, () => {
    const long = src.map(({ path, text }) => ({ path, lines: text.split("\n").length - 1 }));
    expect(long.length).toBeGreaterThan(80);
    expect(long.filter(({ lines }) => lines > MAX_FILE_LINES)).toEqual([]);
  });

  it("are named in kebab-case", () => {
    const odd = src.filter(({ path }) => !/^[a-z0-9]+(?:-[a-z0-9]+)*(?:\.d)?\.ts$/.test(basename(path)));
    expect(odd.map(({ path }) => path)).toEqual([]);
  });

  it("switch no check off without a reason", () => {
    expect(places(src, /@ts-(?:ignore|nocheck|expect-error)/)).toEqual([]);
    expect(places(src, /biome-ignore(?!\s+\S+:\s+\S{3,})/)).toEqual([]);
    expect(places(src, /biome-ignore\S*\s+lint\/complexity\/noExcessiveLinesPerFunction/)).toEqual([]);
  });
});

describe("the linter", () => {
  const { linter, overrides } = biomeSchema.parse(JSON.parse(readSource("biome.json").text));

  it(`refuses functions of more than ${MAX_FUNCTION_LINES} lines`, () => {
    const { level, options } = linter.rules.complexity.noExcessiveLinesPerFunction;
    expect(level).toBe("error");
    expect(options.maxLines).toBeLessThanOrEqual(MAX_FUNCTION_LINES);
  });

  it("refuses any and non-null assertions", () => {
    expect(linter.rules.suspicious.noExplicitAny).toBe("error");
    expect(linter.rules.style.noNonNullAssertion).toBe("error");
  });

  it("makes no exception for src", () => {
    expect(overrides.flatMap(({ includes }) => includes).filter((glob) => /^(?:\*|src)/.test(glob))).toEqual([]);
  });
});
