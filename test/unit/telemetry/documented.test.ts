import { describe, expect, it } from "@jest/globals";
import { COUNTERS, GAUGES, HISTOGRAMS } from "../../../src/lib/trace/metric-names.ts";
import { readSource, withoutComments } from "../../static/style/sources.ts";

/** docs/telemetry.md has every setting and every metric, as the code has them. */

const page = readSource("docs/telemetry.md").text;
const code = withoutComments(readSource("src/lib/config/telemetry-settings.ts").text);
const settings = [...new Set(code.match(/\b(?:OTEL|APPLICATIONINSIGHTS)_[A-Z_]*[A-Z]\b/g))];

describe("docs/telemetry.md", () => {
  it("is about the settings that are read", () => {
    expect(settings.length).toBeGreaterThan(25);
  });

  it.each(settings)("has %s", (name) => {
    expect(page).toContain(`\`${name}\``);
  });

  it("has every metric with its unit and its description, and no other", () => {
    const rows = [
      ...Object.entries(COUNTERS).map(([name, description]) => `| \`${name}\` | ${description} |`),
      ...Object.entries({ ...GAUGES, ...HISTOGRAMS }).map(
        ([name, { unit, description }]) => `| \`${name}\` | ${unit} | ${description} |`,
      ),
    ];
    const documented = page.split("\n").filter((line) => /^\| `(?:agent_communication|http)\.[\w.]+` \|/.test(line));
    expect(documented).toEqual(rows);
  });
});
