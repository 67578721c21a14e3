import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import type { DatabaseSync } from "node:sqlite";
import type { Clock } from "../../clock.ts";

/** Numbered .sql files beside this one, frozen once released: an applied file that changed is refused. */
const FOLDER = new URL("./migrations/", import.meta.url);

interface Migration {
  version: number;
  name: string;
  sql: string;
  checksum: string;
}

function readMigrations(): Migration[] {
  return readdirSync(FOLDER)
    .filter((name) => /^\d{4}_[a-z0-9_]+\.sql$/.test(name))
    .sort()
    .map((name) => {
      const sql = readFileSync(new URL(name, FOLDER), "utf8");
      return { version: Number(name.slice(0, 4)), name, sql, checksum: createHash("sha256").update(sql).digest("hex") };
    });
}

/**
 * Brings the schema up to date in one transaction; two processes that open a new file at once both come out well.
 *
 * @throws Error when an applied file has changed, or the file was written by a newer version
 */
export function applyMigrations(database: DatabaseSync, clock: Clock): void {
  const migrations = readMigrations();
  database.exec("BEGIN IMMEDIATE");
  try {
    database.exec(
      "CREATE TABLE IF NOT EXISTS schema_migrations (version INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL, applied_at INTEGER NOT NULL) STRICT",
    );
    const applied = new Map<number, string>();
    for (const row of database.prepare("SELECT version, checksum FROM schema_migrations").all()) {
      applied.set(Number(row.version), String(row.checksum));
    }
    const newest = Math.max(0, ...migrations.map((migration) => migration.version));
    if ([...applied.keys()].some((version) => version > newest)) {
      throw new Error("the database was written by a newer version of agent-communication");
    }
    for (const migration of migrations) applyOne(database, migration, applied.get(migration.version), clock);
    database.exec("COMMIT");
  } catch (error) {
    if (database.isTransaction) database.exec("ROLLBACK");
    throw error;
  }
}

function applyOne(database: DatabaseSync, migration: Migration, applied: string | undefined, clock: Clock): void {
  if (applied === migration.checksum) return;
  if (applied !== undefined) throw new Error(`migration ${migration.name} was changed after it had been applied`);
  database.exec(migration.sql);
  database
    .prepare("INSERT INTO schema_migrations VALUES (?, ?, ?, ?)")
    .run(migration.version, migration.name, migration.checksum, clock.now());
}
