import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import type { Metafile } from "esbuild";
import { filesBelow } from "./archive.ts";
import { bundle } from "./bundle.ts";
import { licensesOf } from "./licenses.ts";

/** What is deployed: the bundle, the migrations and procedures that the store compares its database with, and what the host reads. */

/** Where things are below the folder that `npm run package` fills. */
export const PACKAGE_FOLDER = "package";
export const PACKAGE_ARCHIVE = "package.zip";
export const SOURCE_MAPS = "source-maps";
export const METAFILE = "metafile.json";

/** What the store reads beside its own code. */
const SQL_FOLDERS = ["mssql/migrations", "mssql/procedures", "sqlite/migrations"].map((name) => `lib/store/${name}`);

/** The host reads `main` and the worker `type`; there is nothing to install. */
function packageJson(root: string): string {
  const { name, version, description, license, engines } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const kept = { name, version, description, license, private: true, type: "module", main: "main.js", engines };
  return `${JSON.stringify(kept, null, 2)}\n`;
}

/**
 * Maps stay with the build: a start does not read them, and they are larger than what they explain. Their sources are named
 * from the root of the repository.
 */
function moveSourceMaps(root: string, from: string, to: string): void {
  mkdirSync(to, { recursive: true });
  for (const path of filesBelow(from).filter((name) => name.endsWith(".map"))) {
    const map: { sources: string[] } = JSON.parse(readFileSync(join(from, path), "utf8"));
    const sources = map.sources.map((source) => relative(root, resolve(from, source)).replaceAll("\\", "/"));
    writeFileSync(join(to, path), JSON.stringify({ ...map, sources }));
    rmSync(join(from, path));
  }
}

/** Fills `out`/package with what is deployed, and `out`/source-maps. What was there before goes. */
export async function fillPackage(root: string, out: string): Promise<Metafile> {
  const folder = join(out, PACKAGE_FOLDER);
  rmSync(folder, { recursive: true, force: true });
  rmSync(join(out, SOURCE_MAPS), { recursive: true, force: true });
  const metafile = await bundle(root, folder);
  moveSourceMaps(root, folder, join(out, SOURCE_MAPS));
  for (const texts of SQL_FOLDERS) cpSync(join(root, "src", texts), join(folder, texts), { recursive: true });
  cpSync(join(root, "host.json"), join(folder, "host.json"));
  cpSync(join(root, "LICENSE"), join(folder, "LICENSE"));
  writeFileSync(join(folder, "package.json"), packageJson(root));
  writeFileSync(join(folder, "third-party-licenses.txt"), licensesOf(root, metafile));
  writeFileSync(join(out, METAFILE), JSON.stringify(metafile));
  return metafile;
}
