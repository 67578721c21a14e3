import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { USAGE_PAIRS_MAX } from "../../../src/lib/model/limits.ts";
import { type ModelUsage, usageSchema } from "../../../src/lib/model/usage.ts";
import { USAGE_COUNTS } from "../../../src/lib/model/usage-counts.ts";
import { bookUsage, taskUsage, type UsageRow, usageRow } from "../../../src/lib/store/rules/usage.ts";

/** The rule of what a report books (src/lib/store/rules/usage.ts). */

const report = fc.uniqueArray(
  fc.record(
    {
      provider: fc.constantFrom("openai", "anthropic"),
      model: fc.constantFrom("a", "b", "c"),
      inputTokens: fc.nat(100),
      outputTokens: fc.nat(100),
      cacheReadInputTokens: fc.nat(100),
      costMicros: fc.nat(100),
    },
    { requiredKeys: ["inputTokens", "outputTokens"] },
  ),
  { maxLength: 8, selector: ({ provider, model }) => `${provider}/${model}` },
);

const nameOf = ({ provider = "", model = "" }: Pick<ModelUsage, "provider" | "model">) => `${provider}/${model}`;

/** Books reports one after the other. @returns the totals of each pair, and the sum of what was added */
function bookAll(reports: readonly ModelUsage[][]) {
  const totals = new Map<string, UsageRow>();
  const added = new Map<string, UsageRow>();
  for (const usage of reports) {
    for (const booked of bookUsage([...totals.values()], usage) ?? []) {
      const name = nameOf(booked.total);
      totals.set(name, booked.total);
      const before = added.get(name) ?? usageRow({ inputTokens: 0, outputTokens: 0 });
      const sums = Object.fromEntries(USAGE_COUNTS.map((count) => [count, before[count] + booked.added[count]]));
      added.set(name, { ...booked.added, ...sums });
    }
  }
  return { totals, added };
}

describe("a report of usage", () => {
  it("adds up to the largest number that was reported, in whatever order and however often reports come", () => {
    fc.assert(
      fc.property(fc.array(report, { maxLength: 6 }), fc.nat(), (reports, turn) => {
        const { totals, added } = bookAll(reports);
        expect(added).toEqual(totals);
        for (const [name, total] of totals) {
          const all: ModelUsage[] = reports.flat().filter((usage) => nameOf(usage) === name);
          for (const count of USAGE_COUNTS) {
            expect(total[count]).toBe(Math.max(...all.map((usage) => usage[count] ?? 0)));
          }
        }
        const turned = [...reports.slice(turn % 7), ...reports.slice(0, turn % 7), ...reports];
        expect(bookAll(turned).totals).toEqual(totals);
      }),
    );
  });

  it("is undefined beyond the pairs that an attempt may name, however they come", () => {
    const named = (count: number) =>
      Array.from({ length: count }, (_, n) => ({ model: `m${n}`, inputTokens: 1, outputTokens: 0 }));
    const stored = named(USAGE_PAIRS_MAX).map(usageRow);
    expect(bookUsage(stored, named(8))).toEqual([]);
    expect(bookUsage(stored, [{ model: "other", inputTokens: 0, outputTokens: 0 }])).toBeUndefined();
    expect(bookUsage(stored.slice(1), named(1))).toHaveLength(1);
  });

  it("says where its list is wrong", () => {
    const fine = { inputTokens: 1, outputTokens: 2 };
    const places = (usage: unknown) => usageSchema.safeParse(usage).error?.issues.map(({ path }) => path.join("."));
    expect(
      places([fine, { ...fine, model: "m" }, { ...fine, provider: "m" }, { ...fine, model: "m", provider: "m" }]),
    ).toBeUndefined();
    expect(places([])).toBeUndefined();
    expect(
      places([
        { ...fine, model: "m" },
        { ...fine, model: "m" },
      ]),
    ).toEqual(["1"]);
    expect(places([{ ...fine, inputTokens: -1 }])).toEqual(["0.inputTokens"]);
    expect(places([{ ...fine, costMicros: 0.5 }])).toEqual(["0.costMicros"]);
    expect(places([{ ...fine, outputTokens: 1e15 + 1 }])).toEqual(["0.outputTokens"]);
    expect(places([{ inputTokens: 1 }])).toEqual(["0.outputTokens"]);
    expect(places([{ ...fine, model: "my model" }])).toEqual(["0.model"]);
    expect(places([{ ...fine, tokens: 1 }])).toEqual(["0"]);
    expect(places(Array.from({ length: 9 }, (_, n) => ({ ...fine, model: `m${n}` })))).toEqual([""]);
    expect(places(fine)).toEqual([""]);
  });
});

describe("the usage of a task", () => {
  it("shows the largest pairs by name, and the rest as one sum without names", () => {
    const rows = Array.from({ length: 40 }, (_, n) => usageRow({ provider: `p${n}`, inputTokens: n, outputTokens: 0 }));
    const shown = taskUsage(rows) ?? [];
    expect(shown).toHaveLength(USAGE_PAIRS_MAX);
    expect(shown[0]).toMatchObject({ inputTokens: (8 * 9) / 2 });
    expect(shown[0]).not.toHaveProperty("provider");
    expect(shown.slice(1).map(({ provider }) => provider)).toEqual(
      rows
        .slice(9)
        .map(({ provider }) => provider)
        .sort(),
    );
    expect(taskUsage([])).toBeUndefined();
  });

  it("adds what was reported without names to the rest", () => {
    const rows = Array.from({ length: 32 }, (_, n) => usageRow({ provider: `p${n}`, inputTokens: 1, outputTokens: 0 }));
    const [first] = taskUsage([...rows, usageRow({ inputTokens: 500, outputTokens: 0 })]) ?? [];
    expect(first).toMatchObject({ inputTokens: 501 });
  });
});
