import { expect, it } from "@jest/globals";
import { readSource, sourcesIn } from "../style/sources.ts";
import type { Given } from "./environments.ts";

/** Every template and parameter file compiles, and the strictest linter has nothing to say. */

const templates = sourcesIn("infra", ".bicep").map(({ path }) => path);
// main.bicepparam is a copy that azd works with, and not kept.
const parameterFiles = sourcesIn("infra", ".bicepparam")
  .map(({ path }) => path)
  .filter((path) => path !== "infra/main.bicepparam");

export function compileChecks(given: Given): void {
  it("are all there", () => {
    expect(templates).toEqual(
      expect.arrayContaining(["infra/main.bicep", "infra/resources.bicep", "infra/modules/sql.bicep"]),
    );
    expect(parameterFiles).toEqual(["infra/main.dev.bicepparam", "infra/main.prod.bicepparam"]);
  });

  it("are all part of the whole, which compiling a parameter file compiles", () => {
    const named = templates.flatMap((path) => [...readSource(path).text.matchAll(/'(?:\.\.\/)?([\w./-]+\.bicep)'/g)]);
    const parts = named.map((match) => match[1]?.split("/").at(-1));
    const apart = templates.filter((path) => !parts.includes(path.split("/").at(-1)));
    expect(apart).toEqual(["infra/main.bicep"]);
  });

  it.each(parameterFiles)("%s compiles without a warning", async (path) => {
    expect(await given().bicep.compile(path)).toEqual([]);
  });

  it.each([...templates, ...parameterFiles])("%s is formatted", async (path) => {
    expect(await given().bicep.format(path)).toBe(readSource(path).text);
  });
}
