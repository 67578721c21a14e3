import { spawnSync } from "node:child_process";
import { randomInt } from "node:crypto";
import { globSync, readFileSync, statSync } from "node:fs";
import { parseArgs } from "node:util";
import { z } from "zod";
import { helpIfAsked } from "./help.ts";
import { type Area, areas } from "./mutation/areas.ts";

/** Changes the sources in small ways, one at a time, and sees whether a test fails (docs/mutants.md). Not part of CI: it takes long. */
helpIfAsked(`
npm run mutate -- <file or folder below src/>... [--sample 80] [--seed 7]
  --sample  how many mutants, chosen at random; 0 is all of them. 80 if not given
  --seed    chooses the same mutants again
`);

const reportSchema = z.object({
  files: z.record(
    z.string(),
    z.object({
      source: z.string(),
      mutants: z.array(
        z.object({
          mutatorName: z.string(),
          status: z.string(),
          replacement: z.string().optional(),
          location: z.object({
            start: z.object({ line: z.number(), column: z.number() }),
            end: z.object({ line: z.number(), column: z.number() }),
          }),
        }),
      ),
    }),
  ),
});

type Report = z.infer<typeof reportSchema>;

/** The lines of a source that a mutant stands in, on one line. */
function place(source: string, { start, end }: Report["files"][string]["mutants"][number]["location"]): string {
  const lines = source.split("\n").slice(start.line - 1, end.line);
  return lines
    .map((line) => line.trim())
    .join(" ")
    .slice(0, 160);
}

/** Prints what no test noticed, and how many mutants were noticed. */
function printSurvivors(report: Report): void {
  let noticed = 0;
  let missed = 0;
  for (const [path, { source, mutants }] of Object.entries(report.files)) {
    for (const { status, location, mutatorName, replacement } of mutants) {
      if (status === "Killed" || status === "Timeout" || status === "RuntimeError") noticed += 1;
      if (status !== "Survived" && status !== "NoCoverage") continue;
      missed += 1;
      console.log(`${path}:${location.start.line}:${location.start.column} ${status} ${mutatorName}`);
      console.log(`  - ${place(source, location)}\n  + ${(replacement ?? "").replaceAll(/\s+/g, " ").slice(0, 160)}`);
    }
  }
  const all = noticed + missed;
  console.log(`${noticed} of ${all} mutants noticed (${((100 * noticed) / Math.max(all, 1)).toFixed(1)} %)`);
}

/** Runs StrykerJS over the files of one area. */
function runArea(area: Area, files: readonly string[], sample: number, seed: number): void {
  const { folder, processes = [] } = area;
  const tests = [...area.tests, ...processes];
  const report = `out/mutation/${folder.replace("src/", "").replaceAll("/", "-")}.json`;
  console.log(
    `${files.length} files, a sample of ${sample === 0 ? "all" : sample} mutants, seed ${seed}, tests: ${tests.join(" ")}`,
  );
  const env = { ...process.env, MUTATION: JSON.stringify({ files, tests, processes, sample, seed, report }) };
  const stryker = ["node_modules/@stryker-mutator/core/bin/stryker.js", "run", "scripts/mutation/stryker.config.mjs"];
  const { status } = spawnSync(process.execPath, stryker, { stdio: "inherit", env });
  if (status !== 0) process.exit(status ?? 1);
  printSurvivors(reportSchema.parse(JSON.parse(readFileSync(report, "utf8"))));
}

const { values, positionals } = parseArgs({
  options: { sample: { type: "string", default: "80" }, seed: { type: "string" } },
  allowPositionals: true,
});
const seed = Number(values.seed ?? randomInt(1_000_000));
const named = positionals.flatMap((path) => (statSync(path).isDirectory() ? globSync(`${path}/**/*.ts`) : [path]));
const files = named.map((path) => path.replaceAll("\\", "/"));
const byArea = Map.groupBy(files, (path) => areas.find(({ folder }) => path.startsWith(`${folder}/`)));
for (const [area, of] of byArea) {
  if (area === undefined) console.log(`no tests are named in scripts/mutation/areas.ts for ${of.join(" ")}`);
  else runArea(area, of, Number(values.sample), seed);
}
