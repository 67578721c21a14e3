import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";

/** Numbered .sql files of an engine, frozen once released: an applied file that changed is refused. */
export interface Migration {
  version: number;
  /** The file's name: `0001_initial.sql`. */
  name: string;
  sql: string;
  /** SHA-256 (hex) of the text with the line ends of Unix, as which Git may not have checked it out. */
  checksum: string;
}

/** The files of a folder, oldest first. */
export function readMigrations(folder: URL): Migration[] {
  return readdirSync(folder)
    .filter((name) => /^\d{4}_[a-z0-9_]+\.sql$/.test(name))
    .sort()
    .map((name) => {
      const sql = readFileSync(new URL(name, folder), "utf8").replaceAll("\r\n", "\n");
      return { version: Number(name.slice(0, 4)), name, sql, checksum: createHash("sha256").update(sql).digest("hex") };
    });
}

/**
 * The migrations that a database lacks, oldest first.
 *
 * @param applied checksums by version; null: applied by hand, without one
 * @throws Error when an applied file has changed, or the database was written by a newer version
 */
export function missingMigrations(
  migrations: readonly Migration[],
  applied: ReadonlyMap<number, string | null>,
): Migration[] {
  const newest = Math.max(0, ...migrations.map((migration) => migration.version));
  if ([...applied.keys()].some((version) => version > newest)) {
    throw new Error("the database was written by a newer version of agent-communication");
  }
  for (const { version, name, checksum } of migrations) {
    const known = applied.get(version);
    if (typeof known === "string" && known !== checksum) {
      throw new Error(`migration ${name} was changed after it had been applied`);
    }
  }
  return migrations.filter(({ version }) => !applied.has(version));
}
