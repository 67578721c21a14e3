import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { findCycles } from "../../../demo/analysis/cycles.ts";
import { importsOf, packageOf } from "../../../demo/analysis/imports.ts";
import { takeInventory } from "../../../demo/analysis/inventory.ts";
import { anchorsOf, findLinks } from "../../../demo/analysis/markdown.ts";
import { sentencesOf, syllablesOf } from "../../../demo/analysis/readability.ts";

describe("links", () => {
  const targets = (text: string) => findLinks(text).map(({ line, target }) => `${line} ${target}`);

  it("finds every kind of link, at its line", () => {
    expect(
      targets(
        '[a](x.md "title")\n![b](<y z.png>) [c](d(e).md)\n\n[ref]: r.md\n<a href="h.md">h</a> [![i](i.png)](j.md)',
      ),
    ).toEqual(["1 x.md", "2 y z.png", "2 d(e).md", "4 r.md", "5 i.png", "5 j.md", "5 h.md"]);
  });

  it("takes nothing from code, comments and footnotes", () => {
    expect(
      targets("```md\n[a](b)\n```\n`[c](d)` <!-- [e](f) -->\n~~~~\n[g](h)\n~~~\n[i](j)\n~~~~\n[^1]: note\n[k](l)"),
    ).toEqual(["11 l"]);
  });

  it("spells anchors as GitHub does", () => {
    const text =
      "# What's new?\n## `code<T>` & more\n## Twice\n## Twice\nUnder\n-----\n## [A link](x.md) here\n<a id='Own'></a>\n```\n# no\n```\n";
    expect([...anchorsOf(text)]).toEqual([
      "whats-new",
      "codet--more",
      "twice",
      "twice-1",
      "under",
      "a-link-here",
      "own",
    ]);
  });
});

describe("imports", () => {
  it("reads static, dynamic and type imports, over several lines, but not comments", () => {
    const source = [
      'import a, { type B } from "a";',
      "import {",
      "  c,",
      '} from "./c.js";',
      'import type { D } from "d/deep";',
      'export * from "@scope/e/f";',
      'import "g";',
      'const h = await import("h"); const i = require("i"); x.require("no");',
      '// import "no";',
      '/* import "no"; */',
      'const url = "http://example.org"; // import "no"',
      'const source = \'x = require("no")\'; const j = require("j");',
    ].join("\n");
    expect(importsOf(source).map(({ line, specifier, typeOnly }) => [line, specifier, typeOnly])).toEqual([
      [1, "a", false],
      [2, "./c.js", false],
      [5, "d/deep", true],
      [6, "@scope/e/f", false],
      [7, "g", false],
      [8, "h", false],
      [8, "i", false],
      [12, "j", false],
    ]);
  });

  it("knows the package of a specifier", () => {
    expect(["a", "a/b", "@s/n/x", "./a", "../a", "#a", "node:fs", "https://x"].map(packageOf)).toEqual([
      "a",
      "a",
      "@s/n",
      ...Array(5).fill(undefined),
    ]);
  });

  it("finds circles exactly as walking every path does", () => {
    const edges = fc.array(fc.tuple(fc.nat(7), fc.nat(7)), { maxLength: 20 });
    fc.assert(
      fc.property(edges, (pairs) => {
        const graph = new Map<string, string[]>(Array.from({ length: 8 }, (_, node) => [String(node), []]));
        for (const [from, to] of pairs) graph.get(String(from))?.push(String(to));
        const reach = (from: string) => {
          const seen = new Set<string>();
          const next = [...(graph.get(from) ?? [])];
          for (let node = next.pop(); node !== undefined; node = next.pop()) {
            if (seen.has(node)) continue;
            seen.add(node);
            next.push(...(graph.get(node) ?? []));
          }
          return seen;
        };
        const reached = new Map([...graph.keys()].map((node) => [node, reach(node)]));
        const groups = [...graph.keys()]
          .filter((node) => reached.get(node)?.has(node))
          .map((node) =>
            [...graph.keys()].filter((other) => reached.get(node)?.has(other) && reached.get(other)?.has(node)),
          );
        const expected = new Set(groups.map((group) => group.join()));
        expect(new Set(findCycles(graph).map((cycle) => cycle.join()))).toEqual(expected);
      }),
    );
  });
});

describe("readability", () => {
  it("splits prose into sentences, at their lines", () => {
    const text =
      "# Not this\n\nOne two. Three\nfour five!\n\n- six seven\n- eight `code` nine\n\n| a | b |\n\n```\nno prose\n```\nTen.";
    expect(sentencesOf(text).map(({ line, words }) => [line, words.join(" ")])).toEqual([
      [3, "One two"],
      [3, "Three four five"],
      [6, "six seven"],
      [7, "eight nine"],
      [14, "Ten"],
    ]);
  });

  it("counts syllables about as people do", () => {
    expect(["the", "water", "table", "house", "readability", "rhythm"].map(syllablesOf)).toEqual([1, 2, 2, 1, 5, 1]);
  });
});

describe("inventory", () => {
  it("stops at its bound and says so", async () => {
    const folder = await mkdtemp(join(tmpdir(), "agent-communication-bound-"));
    for (const name of ["a.md", "b.md", "c.md"]) await writeFile(join(folder, name), "x\n");
    const step = { signal: new AbortController().signal, done: async () => undefined };
    const inventory = await takeInventory(folder, step, 2);
    await rm(folder, { recursive: true });
    expect([inventory.files, inventory.markdown, inventory.skipped.moreFiles]).toEqual([2, ["a.md", "b.md"], true]);
  });
});
