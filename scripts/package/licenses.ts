import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Metafile } from "esbuild";

/** Bundled packages leave their folders behind, but not their licenses. */

/** Folders of the packages whose code is in the bundle. */
function bundledFolders(metafile: Metafile): string[] {
  const folders = Object.values(metafile.outputs)
    .flatMap(({ inputs }) => Object.keys(inputs))
    .map((path) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0]);
  return [...new Set(folders)].filter((folder) => folder !== undefined).sort();
}

function licenseOf(folder: string): string {
  const { name, version, license } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  const file = readdirSync(folder).find((entry) => /^licen[cs]e(?:\.|-|$)/i.test(entry));
  const text = file === undefined ? `License: ${license}` : readFileSync(join(folder, file), "utf8").trim();
  return `${name} ${version}\n\n${text}\n`;
}

/**
 * @param root folder that the paths of `metafile` are relative to
 * @returns name, version and license text of every package in the bundle
 */
export function licensesOf(root: string, metafile: Metafile): string {
  const rule = `\n${"-".repeat(80)}\n\n`;
  return bundledFolders(metafile)
    .map((folder) => licenseOf(join(root, folder)))
    .join(rule);
}
