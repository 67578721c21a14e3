import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { helpIfAsked } from "../help.ts";
import { filesBelow, zipFolder } from "./archive.ts";
import { fillPackage, PACKAGE_ARCHIVE, PACKAGE_FOLDER } from "./contents.ts";
import { SCENARIOS } from "./scenarios.ts";
import { measureStartUp, type StartUp } from "./start-up.ts";

/**
 * npm run package [-- --out out --runs 9]: makes what is deployed to Azure Functions, out/package and out/package.zip, and prints
 * its size and how long it takes to start, before (the build as tsc leaves it) and after. `--runs 0` measures nothing.
 */

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "../..");

helpIfAsked(`
npm run package [-- --out out --runs 9]

Makes out/package and out/package.zip, which are deployed to Azure Functions, and prints size and start-up times.
--runs 0 measures nothing.`);

const { values } = parseArgs({
  options: { out: { type: "string", default: join(ROOT, "out") }, runs: { type: "string", default: "9" } },
});
const out = resolve(values.out);
const runs = Number.parseInt(values.runs, 10);

function kilobytes(bytes: number): string {
  return `${Math.ceil(bytes / 1_000).toLocaleString("en")} kB`;
}

function row(cells: readonly string[]): string {
  return cells.map((cell, index) => (index === 0 ? cell.padEnd(24) : cell.padStart(16))).join("");
}

function milliseconds(before: number | undefined, after: number | undefined): string {
  return after === undefined ? "" : `${before?.toFixed(0) ?? "-"} → ${after.toFixed(0)} ms`;
}

async function printStartUp(): Promise<void> {
  console.log(`\nstart-up on Node ${process.version}, median of ${runs} fresh processes, unbundled → bundled:`);
  console.log(row(["", "imported", "started", "connecting", "processor"]));
  const built = existsSync(join(ROOT, "dist/functions/main.js"));
  for (const scenario of SCENARIOS) {
    const before: StartUp | undefined = built ? await measureStartUp(ROOT, scenario, runs) : undefined;
    const after = await measureStartUp(join(out, PACKAGE_FOLDER), scenario, runs);
    const cells = (["imported", "started", "connecting", "processor"] as const).map((at) =>
      milliseconds(before?.[at], after[at]),
    );
    console.log(row([scenario.name, ...cells]));
  }
}

await fillPackage(ROOT, out);
const folder = join(out, PACKAGE_FOLDER);
const archive = join(out, PACKAGE_ARCHIVE);
writeFileSync(archive, zipFolder(folder));
const files = filesBelow(folder);
const unpacked = files.reduce((sum, path) => sum + statSync(join(folder, path)).size, 0);
const where = relative(process.cwd(), archive) || archive;
console.log(
  `${where}: ${kilobytes(readFileSync(archive).byteLength)}, ${files.length} files of ${kilobytes(unpacked)}`,
);
if (runs > 0) await printStartUp();
