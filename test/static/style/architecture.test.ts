import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "@jest/globals";
import { ROOT, readSource } from "./sources.ts";

/** ARCHITECTURE.md is a map of what is there. */

const { text } = readSource("ARCHITECTURE.md");

describe("ARCHITECTURE.md", () => {
  it("links to files and folders that exist", () => {
    const links = [...text.matchAll(/\]\(([^)#\s]+)(?:#[\w-]*)?\)/g)].map(([, path = ""]) => path);
    expect(links.length).toBeGreaterThan(60);
    expect(links.filter((path) => !existsSync(join(ROOT, path)))).toEqual([]);
  });

  it("names only files that exist in its picture", () => {
    const named = [...text.matchAll(/as (src\/[\w./-]+)/g)].map(([, path = ""]) => path);
    expect(named.length).toBeGreaterThan(5);
    expect(named.filter((path) => !existsSync(join(ROOT, path)))).toEqual([]);
  });

  it("has every room of the library", () => {
    const rooms = readdirSync(join(ROOT, "src/lib"), { withFileTypes: true }).filter((entry) => entry.isDirectory());
    expect(rooms.filter(({ name }) => !text.includes(`[src/lib/${name}/]`)).map(({ name }) => name)).toEqual([]);
  });

  it("answers at least twenty questions", () => {
    expect(text.match(/^\| [A-Z][^|]*\? \|/gm)?.length).toBeGreaterThanOrEqual(20);
  });
});
