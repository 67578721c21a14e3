import { describe, expect, it } from "@jest/globals";
import { z } from "zod";
import { readSource, sourcesIn } from "../style/sources.ts";

describe("the linter of Bicep", () => {
  const rules = z.record(z.string(), z.looseObject({ level: z.string() }));
  const config = z.object({
    analyzers: z.object({ core: z.looseObject({ enabled: z.literal(true), rules }) }),
  });
  const { analyzers } = config.parse(JSON.parse(readSource("infra/bicepconfig.json").text));

  it("takes every rule for an error", () => {
    const entries = Object.entries(analyzers.core.rules);
    expect(entries.length).toBeGreaterThan(40);
    expect(entries.filter(([, { level }]) => level !== "error")).toEqual([]);
  });

  it("is silenced for nothing but the version of diagnostic settings", () => {
    const silenced = sourcesIn("infra", ".bicep").flatMap(({ path, text }) => {
      const lines = text.split("\n");
      return lines.flatMap((line, index) =>
        /#disable/.test(line) ? [{ path, line, next: lines[index + 1] ?? "" }] : [],
      );
    });
    const others = silenced.filter(
      ({ line, next }) =>
        !line.includes("#disable-next-line use-recent-api-versions // ") ||
        !next.includes("'Microsoft.Insights/diagnosticSettings@2021-05-01-preview'"),
    );
    expect(others).toEqual([]);
  });
});
