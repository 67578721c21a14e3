import { access } from "node:fs/promises";
import { isBuiltin } from "node:module";
import { join, posix } from "node:path";
import { findCycles } from "./cycles.ts";
import { importsOf, packageOf } from "./imports.ts";
import { forEachFile, type Step } from "./step.ts";
import { readText } from "./walk.ts";

/** What packages a project says that it uses, what it uses, and how its modules hang together. */

export interface Manifest {
  path: string;
  name: string;
  dependencies: number;
  devDependencies: number;
  /** Declared, but mentioned nowhere in the project. */
  unused: string[];
}

export interface ImportPlace {
  file: string;
  line: number;
  specifier: string;
}

export interface DependencyReport {
  sourceFiles: number;
  imports: number;
  manifests: Manifest[];
  /** Packages by the number of files that import them. */
  mostUsed: { name: string; files: number }[];
  /** Imported, but declared in no package.json above the file. */
  undeclared: ImportPlace[];
  /** Relative imports whose file is not there. */
  unresolved: ImportPlace[];
  /** All of them: the lists hold the first ones only. */
  counts: { manifests: number; unused: number; undeclared: number; unresolved: number; cycles: number };
  /** Modules that import each other in a circle (types left out). */
  cycles: string[][];
}

const SOURCE = /\.(?:[cm]?[jt]sx?)$/;
/** Types only, whatever they import. */
const TYPES = /\.d\.[cm]?ts$/;
const ENDINGS = [
  "",
  ".ts",
  ".tsx",
  ".mts",
  ".cts",
  ".js",
  ".jsx",
  ".mjs",
  ".cjs",
  ".json",
  ".d.ts",
  "/index.ts",
  "/index.js",
];
const LOCKS = /(?:^|\/)(?:package-lock\.json|yarn\.lock|pnpm-lock\.yaml|npm-shrinkwrap\.json)$/;
const SHOWN = 50;

interface Package extends Omit<Manifest, "unused"> {
  folder: string;
  declared: string[];
  scripts: string;
  known: Set<string>;
  mentioned: Set<string>;
}

export async function reportDependencies(
  root: string,
  paths: readonly string[],
  step: Step,
): Promise<DependencyReport> {
  const packages = await readPackages(root, paths);
  const everything = new Set(paths);
  const users = new Map<string, Set<string>>();
  const graph = new Map<string, string[]>();
  const undeclared: ImportPlace[] = [];
  const unresolved: ImportPlace[] = [];
  let imports = 0;
  await forEachFile(paths, step, async (file) => {
    const text = (await readText(root, file)) ?? "";
    const owners = packages.filter(({ folder }) => folder === "" || file.startsWith(`${folder}/`));
    for (const owner of owners) noteMentions(owner, file, text);
    if (!SOURCE.test(file)) return;
    const edges: string[] = [];
    graph.set(file, edges);
    for (const { line, specifier, typeOnly } of importsOf(text)) {
      imports++;
      const name = packageOf(specifier);
      if (name !== undefined) {
        if (isBuiltin(specifier)) continue;
        users.set(name, (users.get(name) ?? new Set()).add(file));
        if (owners.length > 0 && !owners.some(({ known }) => known.has(name)))
          undeclared.push({ file, line, specifier });
      } else if (specifier.startsWith(".")) {
        const target = resolveModule(file, specifier, everything);
        // A file in a folder that was skipped (dist) may well be there: only what is nowhere is reported.
        if (target === undefined) unresolved.push({ file, line, specifier });
        else if (!typeOnly && !TYPES.test(target)) edges.push(target);
      }
    }
  });
  const missing = await reallyMissing(root, unresolved);
  const cycles = findCycles(graph);
  const manifests = packages.map(({ path, name, dependencies, devDependencies, declared, mentioned }) => ({
    path,
    name,
    dependencies,
    devDependencies,
    unused: declared.filter((dependency) => !mentioned.has(dependency)),
  }));
  return {
    sourceFiles: graph.size,
    imports,
    manifests: manifests.slice(0, SHOWN),
    mostUsed: [...users]
      .map(([name, files]) => ({ name, files: files.size }))
      .sort((a, b) => b.files - a.files || (a.name < b.name ? -1 : 1))
      .slice(0, 15),
    undeclared: undeclared.slice(0, SHOWN),
    unresolved: missing.slice(0, SHOWN),
    cycles: cycles.slice(0, SHOWN).map((cycle) => cycle.slice(0, SHOWN)),
    counts: {
      manifests: manifests.length,
      unused: manifests.reduce((sum, { unused }) => sum + unused.length, 0),
      undeclared: undeclared.length,
      unresolved: missing.length,
      cycles: cycles.length,
    },
  };
}

async function readPackages(root: string, paths: readonly string[]): Promise<Package[]> {
  const found: Package[] = [];
  for (const path of paths.filter((candidate) => posix.basename(candidate) === "package.json")) {
    const manifest = toMembers(parse((await readText(root, path)) ?? ""));
    const dependencies = Object.keys(toMembers(manifest.dependencies));
    const devDependencies = Object.keys(toMembers(manifest.devDependencies));
    const others = [manifest.peerDependencies, manifest.optionalDependencies].flatMap((part) =>
      Object.keys(toMembers(part)),
    );
    const name = typeof manifest.name === "string" ? manifest.name : "(no name)";
    const declared = [...dependencies, ...devDependencies];
    const folder = posix.dirname(path) === "." ? "" : posix.dirname(path);
    found.push({
      path,
      name,
      folder,
      dependencies: dependencies.length,
      devDependencies: devDependencies.length,
      declared,
      scripts: JSON.stringify(manifest.scripts ?? {}),
      known: new Set([name, ...declared, ...others]),
      mentioned: new Set(),
    });
  }
  for (const owner of found) await noteCommands(root, owner);
  return found;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function toMembers(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : {};
}

/** A package may be used by its command (`tsc` of typescript): its own manifest, if it is installed, knows the names. */
async function noteCommands(root: string, owner: Package): Promise<void> {
  for (const name of owner.declared) {
    const manifest = toMembers(
      parse((await readText(root, posix.join(owner.folder, "node_modules", name, "package.json"))) ?? ""),
    );
    const commands = typeof manifest.bin === "string" ? [posix.basename(name)] : Object.keys(toMembers(manifest.bin));
    if ([name, ...commands].some((word) => hasWord(owner.scripts, word))) owner.mentioned.add(name);
    // Types of a package that is declared, or of Node itself, are used by the compiler.
    const typed = /^@types\/(.+)$/.exec(name)?.[1];
    if (typed === "node" || (typed !== undefined && owner.known.has(typed))) owner.mentioned.add(name);
  }
}

function noteMentions(owner: Package, file: string, text: string): void {
  if (posix.basename(file) === "package.json" || LOCKS.test(file) || /\.(md|markdown)$/i.test(file)) return;
  for (const name of owner.declared) {
    if (!owner.mentioned.has(name) && hasWord(text, name)) owner.mentioned.add(name);
  }
}

function hasWord(text: string, word: string): boolean {
  for (let at = text.indexOf(word); at !== -1; at = text.indexOf(word, at + 1)) {
    const before = text[at - 1] ?? " ";
    const after = text[at + word.length] ?? " ";
    if (!/[\w-]/.test(before) && !/[\w-]/.test(after)) return true;
  }
  return false;
}

/** The file that a relative import means, among those known; `x.js` may stand for the source `x.ts`. */
function resolveModule(file: string, specifier: string, known: ReadonlySet<string>): string | undefined {
  const base = posix.join(posix.dirname(file), specifier.replace(/[?#].*$/, ""));
  const source = base.replace(/\.([cm]?)js(x?)$/, ".$1ts$2");
  const types = base.replace(/\.([cm]?)jsx?$/, ".d.$1ts");
  return [base, source, types]
    .flatMap((path) => ENDINGS.map((ending) => `${path}${ending}`))
    .find((path) => known.has(path));
}

async function reallyMissing(root: string, places: readonly ImportPlace[]): Promise<ImportPlace[]> {
  const missing: ImportPlace[] = [];
  for (const place of places) {
    const base = join(root, posix.dirname(place.file), place.specifier.replace(/[?#].*$/, ""));
    const tries = await Promise.allSettled(ENDINGS.map((ending) => access(`${base}${ending}`)));
    if (tries.every(({ status }) => status === "rejected")) missing.push(place);
  }
  return missing;
}
