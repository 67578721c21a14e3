import { existsSync, globSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "@jest/globals";
import { areas } from "../../../scripts/mutation/areas.ts";
import { ROOT } from "./sources.ts";

/** A mutation run is made by hand, and rarely: what it names must not have moved by then. */
describe("areas of the mutation run", () => {
  it("are folders that exist, each before the one that holds it", () => {
    const folders = areas.map(({ folder }) => folder);
    expect(folders.length).toBeGreaterThan(5);
    expect(folders.filter((folder) => !existsSync(join(ROOT, folder)))).toEqual([]);
    const hidden = folders.filter((folder, at) => folders.slice(0, at).some((other) => folder.startsWith(`${other}/`)));
    expect(hidden).toEqual([]);
  });

  it("name tests that exist", () => {
    const globs = areas.flatMap(({ tests, processes = [] }) => [...tests, ...processes]);
    expect(globs.filter((glob) => globSync(glob, { cwd: ROOT }).length === 0)).toEqual([]);
  });
});
