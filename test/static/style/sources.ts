import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

/** Reads the repository as text, for the tests that hold its style. */

export const ROOT: string = join(dirname(fileURLToPath(import.meta.url)), "../../..");

/** A file of the repository: its path from the root with forward slashes, and its text. */
export interface Source {
  path: string;
  text: string;
}

/** Every file below `folder` whose name ends with `ending`, by path. */
export function sourcesIn(folder: string, ending = ".ts"): Source[] {
  const start = join(ROOT, folder);
  if (!existsSync(start)) return [];
  return readdirSync(start, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(ending))
    .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)).replaceAll("\\", "/"))
    .filter((path) => !path.includes("node_modules/"))
    .sort()
    .map(readSource);
}

export function readSource(path: string): Source {
  return { path, text: readFileSync(join(ROOT, path), "utf8") };
}

/** Paths of the files that git keeps; without git (an unpacked archive) those of the folders we know. */
export function keptFiles(): string[] {
  try {
    const listed = execFileSync("git", ["ls-files", "-z", "--cached"], { cwd: ROOT, encoding: "utf8", stdio: "pipe" });
    const paths = listed.split("\0").filter((path) => path !== "" && existsSync(join(ROOT, path)));
    if (paths.length > 0) return paths;
  } catch {
    // No git, or not a checkout: look at the folders themselves.
  }
  return ["src", "test", "docs", "examples", "demo", "bench", "scripts"].flatMap((folder) =>
    sourcesIn(folder, "").map((source) => source.path),
  );
}

/** The text without comments, lines kept, so that a rule about code does not trip over a sentence about it. */
export function withoutComments(text: string): string {
  const blank = (comment: string) => comment.replaceAll(/[^\n]/g, " ");
  return text.replaceAll(/\/\*[\s\S]*?\*\//g, blank).replaceAll(/(?<![:"'`\\])\/\/[^\n]*/g, blank);
}

/** Places of `pattern` as `path:line: text`. */
export function places(sources: readonly Source[], pattern: RegExp): string[] {
  return sources.flatMap(({ path, text }) =>
    text
      .split("\n")
      .flatMap((line, index) => (pattern.test(line) ? [`${path}:${index + 1}: ${line.trim().slice(0, 120)}`] : [])),
  );
}

/** One import or re-export. */
export interface Import {
  /** The importing file, from the root. */
  from: string;
  /** The imported file from the root, or the package or `node:` module as written. */
  to: string;
  /** True when nothing of it is left at run time. */
  typeOnly: boolean;
  /** True for `import()`: loaded when it is first needed. */
  lazy: boolean;
}

const STATIC = /^(?:import|export)\s+(type\s+)?((?:[^"'`;]*?)\sfrom\s+)?["']([^"']+)["']/gm;
const DYNAMIC = /\bimport\(\s*["']([^"']+)["']\s*\)/g;

/**
 * Every import and re-export of a file. `import { type A }` counts as one at run time: with verbatimModuleSyntax the
 * module is still loaded.
 */
export function importsOf(source: Source): Import[] {
  const text = withoutComments(source.text);
  const target = (name: string) =>
    name.startsWith(".") ? join(dirname(source.path), name).replaceAll("\\", "/") : name;
  const imports: Import[] = [];
  for (const [, type, , name = ""] of text.matchAll(STATIC)) {
    imports.push({ from: source.path, to: target(name), typeOnly: type !== undefined, lazy: false });
  }
  for (const [, name = ""] of text.matchAll(DYNAMIC)) {
    imports.push({ from: source.path, to: target(name), typeOnly: false, lazy: true });
  }
  return imports;
}
