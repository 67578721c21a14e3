import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "@jest/globals";
import { ROOT, readSource } from "../../static/style/sources.ts";

/** docs/security.md names for each threat the tests that cover it. */
describe("the threat model", () => {
  const { text } = readSource("docs/security.md");
  const rows = text
    .slice(text.indexOf("## Threat model"))
    .split("\n")
    .filter((line) => line.startsWith("| ") && !/^\| (?:---|threat)/.test(line));

  it("has every letter of STRIDE", () => {
    for (const threat of ["Spoofing", "Tampering", "Repudiation", "Information disclosure", "Denial of service"]) {
      expect(text).toContain(`**${threat}**`);
    }
    expect(text).toContain("**Elevation of privilege**");
    expect(rows.length).toBeGreaterThan(15);
  });

  it.each(rows.map((row) => [row.split(" | ")[0] ?? "", row]))("%s: is covered by tests that exist", (_threat, row) => {
    const named = row.match(/test\/[\w./-]+\.ts/g) ?? [];
    expect(named.length).toBeGreaterThan(0);
    expect(named.filter((path) => !existsSync(join(ROOT, path)))).toEqual([]);
  });
});
