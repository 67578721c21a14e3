import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { z } from "zod";

/**
 * Prints what the tests say about the product, as Markdown: an index of behaviours, by folder, file and subject. Jest reads
 * the names, and runs nothing.
 *
 * @example
 * npm run behaviours                          # all of it
 * npm run behaviours -- test/contract         # of the store
 * npm run behaviours -- lease ends            # lines with all of the words
 */

const resultSchema = z.object({
  testResults: z.array(
    z.object({
      name: z.string(),
      assertionResults: z.array(z.object({ ancestorTitles: z.array(z.string()), title: z.string() })),
    }),
  ),
});

const args = process.argv.slice(2);
const paths = args.filter((word) => word.startsWith("test/"));
const words = args.filter((word) => !word.startsWith("test/")).map((word) => word.toLowerCase());

const folder = mkdtempSync(join(tmpdir(), "behaviours-"));
try {
  const file = join(folder, "names.json");
  // A pattern that no name matches: every test is listed as skipped.
  const jest = ["--experimental-vm-modules", "--no-warnings", "node_modules/jest/bin/jest.js", ...paths];
  const options = ["--testNamePattern", "(?!)", "--json", "--outputFile", file, "--passWithNoTests"];
  spawnSync(process.execPath, [...jest, ...options], { stdio: "ignore" });
  const { testResults } = resultSchema.parse(JSON.parse(readFileSync(file, "utf8")));
  const files = testResults
    .map(({ name, assertionResults }) => ({ path: relative(process.cwd(), name), tests: assertionResults }))
    .sort((a, b) => (a.path < b.path ? -1 : 1));
  for (const { path, tests } of files) printFile(path, tests);
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** A heading for the file, then a list that is as deep as its subjects are. */
function printFile(path: string, tests: readonly { ancestorTitles: string[]; title: string }[]): void {
  const wanted = tests.filter(({ ancestorTitles, title }) => {
    const whole = [path, ...ancestorTitles, title].join(" ").toLowerCase();
    return words.every((word) => whole.includes(word));
  });
  if (wanted.length === 0) return;
  console.log(`\n## ${path}\n`);
  let before: readonly string[] = [];
  for (const { ancestorTitles, title } of wanted) {
    const shared = ancestorTitles.findIndex((subject, depth) => subject !== before[depth]);
    const from = shared === -1 ? ancestorTitles.length : shared;
    for (let depth = from; depth < ancestorTitles.length; depth += 1)
      console.log(`${"  ".repeat(depth)}- **${ancestorTitles[depth]}**`);
    console.log(`${"  ".repeat(ancestorTitles.length)}- ${title}`);
    before = ancestorTitles;
  }
}
