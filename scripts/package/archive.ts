import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { type Zippable, zipSync } from "fflate";

/** The same for every archive: the same files give the same bytes, so a rebuilt release can be compared with the first. */
const MODIFIED = new Date(1980, 0, 1);
const UNIX = 3;
const READABLE_FILE = 0o100_644 << 16;

/** Files below a folder, by path with forward slashes. */
export function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).replaceAll("\\", "/"))
    .sort();
}

/** A folder's files as a zip archive, the folder itself not in the paths, as Azure Functions wants its packages. */
export function zipFolder(folder: string): Uint8Array {
  const files: Zippable = {};
  for (const path of filesBelow(folder)) {
    files[path] = [readFileSync(join(folder, path)), { mtime: MODIFIED, os: UNIX, attrs: READABLE_FILE }];
  }
  return zipSync(files, { level: 9 });
}
