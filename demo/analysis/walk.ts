import { lstat, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

/** Finds the files of a folder, within bounds, always in the same order. Paths are relative, with forward slashes. */

/** Not looked into: what tools put there is not the user's own work. */
export const SKIPPED_FOLDERS: ReadonlySet<string> = new Set([
  "node_modules",
  ".git",
  "dist",
  "coverage",
  ".data",
  ".azurite",
  ".venv",
  "__pycache__",
]);
/** What the demo itself writes; it must not report on its own report. */
const OWN_FILES = /^(demo-report.*\.md|agent_communication_demo\.log)$/;
const MAX_FILES = 3_000;
const MAX_DEPTH = 32;
/** Larger files are counted, but not read. */
export const MAX_READ_BYTES = 1024 * 1024;

export interface FoundFile {
  path: string;
  bytes: number;
}

export interface Walk {
  files: FoundFile[];
  folders: number;
  skippedFolders: string[];
  symbolicLinks: number;
  unreadable: number;
  /** True when there were more files than the bound. */
  truncated: boolean;
}

/** @param maxFiles stops there and says so */
export async function walk(root: string, maxFiles: number = MAX_FILES): Promise<Walk> {
  const found: Walk = { files: [], folders: 0, skippedFolders: [], symbolicLinks: 0, unreadable: 0, truncated: false };
  await visit(root, "", 0, maxFiles, found);
  return found;
}

async function visit(root: string, folder: string, depth: number, maxFiles: number, found: Walk): Promise<void> {
  let entries: Awaited<ReturnType<typeof readEntries>>;
  try {
    entries = await readEntries(join(root, folder));
  } catch {
    found.unreadable++;
    return;
  }
  for (const entry of entries) {
    const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
    if (entry.isSymbolicLink()) found.symbolicLinks++;
    else if (entry.isDirectory()) {
      if (SKIPPED_FOLDERS.has(entry.name) || depth >= MAX_DEPTH) found.skippedFolders.push(path);
      else {
        found.folders++;
        await visit(root, path, depth + 1, maxFiles, found);
      }
    } else if (entry.isFile() && !OWN_FILES.test(entry.name)) {
      if (found.files.length >= maxFiles) {
        found.truncated = true;
        return;
      }
      await add(root, path, found);
    }
  }
}

async function readEntries(folder: string) {
  const entries = await readdir(folder, { withFileTypes: true });
  return entries.sort((a, b) => (a.name < b.name ? -1 : 1));
}

async function add(root: string, path: string, found: Walk): Promise<void> {
  try {
    found.files.push({ path, bytes: (await lstat(join(root, path))).size });
  } catch {
    found.unreadable++;
  }
}

/** The text of a file, or undefined when it is binary, too large, or gone. */
export async function readText(root: string, path: string): Promise<string | undefined> {
  try {
    if ((await lstat(join(root, path))).size > MAX_READ_BYTES) return undefined;
    const bytes = await readFile(join(root, path));
    return bytes.subarray(0, 8_000).includes(0) ? undefined : bytes.toString("utf8");
  } catch {
    return undefined;
  }
}

/** The part behind the last dot of the file's name, in lower case; "(none)" without one. */
export function extensionOf(path: string): string {
  const match = /[^/.]\.([A-Za-z0-9_]+)$/.exec(path);
  return match?.[1] === undefined ? "(none)" : match[1].toLowerCase();
}

export function isMarkdown(path: string): boolean {
  return /\.(md|markdown|mdx)$/i.test(path);
}

/** Lines of a text: a last line without its line end counts as well. */
export function countLines(text: string): number {
  if (text === "") return 0;
  return text.split("\n").length - (text.endsWith("\n") ? 1 : 0);
}
