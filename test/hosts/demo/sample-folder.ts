import { mkdir, mkdtemp, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

/** Written twice, so it is found once: 4 lines, 385 characters without their line ends. */
const PASSAGE = [
  "The switch in the cellar turns the water of the house on and off, and it must be turned slowly.",
  "Whoever turns it quickly will hear a knock in the pipes, which is harmless but wakes the baby up.",
  "When the house is left for a week or more, the switch is turned off and the taps are opened once.",
  "In a hard winter the same is done for a single night, because the pipes run along the cold wall.",
].join("\n");
/** 45 words. */
const LONG_SENTENCE = `${Array.from({ length: 45 }, (_, index) => (index === 0 ? "One" : "more")).join(" ")}.`;

const FILES: Record<string, string | Uint8Array> = {
  "README.md": [
    "# The house",
    "",
    "See [one](docs/one.md), [the cellar](docs/one.md#the-cellar) and [this page](#the-house).",
    "Gone: [attic](docs/attic.md), [roof](docs/one.md#the-roof), ![plan](<no plan.png>).",
    "Not ours: [web](https://example.org/x), [above](../elsewhere.md).",
    "",
    "```",
    "[not a link](in/a/fence.md)",
    "```",
    "Nor is `[this](in/code.md)`.",
    "",
    "[reference]: docs/missing.md",
    "",
  ].join("\n"),
  "docs/one.md": `# One\n\n## The cellar\n\n${PASSAGE}\n`,
  "docs/two.md": `# Two\n\n${LONG_SENTENCE}\n\n${PASSAGE}\n`,
  "package.json": JSON.stringify({
    name: "house",
    scripts: { check: "checker --all" },
    dependencies: { "used-pkg": "1", "never-used": "1" },
    devDependencies: { checker: "1" },
  }),
  "src/a.js": [
    'import fs from "node:fs";',
    'import { used } from "used-pkg/deep";',
    'import ghost from "ghost-pkg";',
    'import { b } from "./b.js";',
    'import gone from "./gone.js";',
    '// import commented from "commented-out";',
    "export const a = [fs, used, ghost, b, gone];",
    "",
  ].join("\n"),
  "src/b.js": 'export { a } from "./a.js";\nexport const b = 1;\n',
  "src/types.ts": 'import type { T } from "./other.ts";\nexport type U = T;\n',
  "src/other.ts": 'import type { U } from "./types.ts";\nexport type T = U;\n',
  "copy-1.txt": "the same words\n",
  "copy-2.txt": "the same words\n",
  "empty.txt": "",
  "picture.bin": new Uint8Array([1, 0, 2, 0, 3]),
  "node_modules/used-pkg/index.js": 'import "nothing-of-ours";\n',
  "dist/out.md": "[broken](nowhere.md)\n",
};

/** A small project with one of everything that the demo looks for. */
export async function makeSampleFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "agent-communication-sample-"));
  for (const [path, content] of Object.entries(FILES)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), content);
  }
  await symlink(join(folder, "docs"), join(folder, "linked"));
  return folder;
}
