import type { DatabaseSync } from "node:sqlite";
import type { Clock } from "../../model/clock.ts";
import { type Migration, missingMigrations, readMigrations } from "../migrations.ts";

const FOLDER = new URL("./migrations/", import.meta.url);

/**
 * Brings the schema up to date in one transaction; two processes that open a new file at once both come out well. Foreign keys
 * are enforced when it returns. They are off while migrations run, for a table that is made anew is dropped while others refer to
 * it, and every one is checked before the commit. https://www.sqlite.org/lang_altertable.html#otheralter
 *
 * @throws Error when an applied file has changed, the file was written by a newer version, or a row refers to none
 */
export function applyMigrations(database: DatabaseSync, clock: Clock): void {
  // Without effect inside of a transaction.
  database.exec("PRAGMA foreign_keys = OFF");
  try {
    migrate(database, clock);
  } finally {
    database.exec("PRAGMA foreign_keys = ON");
  }
}

function migrate(database: DatabaseSync, clock: Clock): void {
  const migrations = readMigrations(FOLDER);
  database.exec("BEGIN IMMEDIATE");
  try {
    database.exec(
      "CREATE TABLE IF NOT EXISTS schema_migrations (version INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL, applied_at INTEGER NOT NULL) STRICT",
    );
    const applied = new Map<number, string>();
    for (const row of database.prepare("SELECT version, checksum FROM schema_migrations").all()) {
      applied.set(Number(row.version), String(row.checksum));
    }
    const missing = missingMigrations(migrations, applied);
    for (const migration of missing) applyOne(database, migration, clock);
    if (missing.length > 0) requireSound(database);
    database.exec("COMMIT");
  } catch (error) {
    if (database.isTransaction) database.exec("ROLLBACK");
    throw error;
  }
}

function applyOne(database: DatabaseSync, migration: Migration, clock: Clock): void {
  database.exec(migration.sql);
  database
    .prepare("INSERT INTO schema_migrations VALUES (?, ?, ?, ?)")
    .run(migration.version, migration.name, migration.checksum, clock.now());
}

function requireSound(database: DatabaseSync): void {
  const broken = database.prepare("PRAGMA foreign_key_check").get();
  if (broken !== undefined) {
    throw new Error(
      `a row of ${String(broken.table)} refers to none in ${String(broken.parent)}: nothing was migrated`,
    );
  }
}
