import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "../style/sources.ts";
import type { SyntaxNode } from "./syntax-tree.ts";

/** Microsoft's parser of T-SQL, run as a program: built once, and again when its source has changed. */

const SOURCE = join(ROOT, "scripts/tsql-check");
/** Ignored by git and by the linter, as other builds are that nobody edits. */
const CACHE = join(ROOT, "node_modules/.cache/tsql-check");
/** The trees of all texts together are about 20 MB of JSON. */
const OUTPUT_MAX_BYTES = 1_024 * 1_024 * 1_024;

export interface Parsed {
  name: string;
  errors: { line: number; column: number; message: string }[];
  /** null when there are errors. */
  tree: SyntaxNode | null;
}

/** Why the checks cannot run here; undefined where the .NET SDK is on the PATH. */
export const NO_DOTNET: string | undefined =
  spawnSync("dotnet", ["--version"], { stdio: "ignore" }).status === 0
    ? undefined
    : "skipped: there is no .NET SDK (dotnet) on the PATH, and Microsoft's parser of T-SQL needs it";

/** Parses texts; `GO` divides a text into batches, as sqlcmd has it. @throws Error when the parser cannot be built or run */
export function parse(texts: ReadonlyMap<string, string>): Parsed[] {
  const input = JSON.stringify([...texts].map(([name, sql]) => ({ name, sql })));
  const output = execFileSync("dotnet", [join(built(), "tsql-check.dll")], {
    input,
    encoding: "utf8",
    maxBuffer: OUTPUT_MAX_BYTES,
  });
  const parsed: Parsed[] = JSON.parse(output);
  return parsed;
}

/** The folder of the built program. */
function built(): string {
  const hash = createHash("sha256");
  for (const file of ["tsql-check.csproj", "tsql-check.cs"]) hash.update(readFileSync(join(SOURCE, file)));
  const folder = join(CACHE, hash.digest("hex").slice(0, 16));
  if (existsSync(folder)) return folder;
  mkdirSync(CACHE, { recursive: true });
  // Under another name until it is whole: a build may be interrupted, or another one run at the same time.
  const making = mkdtempSync(join(CACHE, "making-"));
  try {
    build(making);
    renameSync(join(making, "out"), folder);
  } catch (error) {
    // Another run may have been faster.
    if (!existsSync(folder)) throw error;
  } finally {
    rmSync(making, { recursive: true, force: true });
  }
  return folder;
}

function build(folder: string): void {
  const intermediate = `-p:BaseIntermediateOutputPath=${join(folder, "obj")}/`;
  const { status, stdout, stderr } = spawnSync(
    "dotnet",
    ["build", SOURCE, "--output", join(folder, "out"), intermediate, "--nologo", "--verbosity", "quiet"],
    { encoding: "utf8" },
  );
  if (status !== 0) throw new Error(`scripts/tsql-check could not be built:\n${stdout}\n${stderr}`);
}
