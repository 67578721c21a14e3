import type { DatabaseSync } from "node:sqlite";
import type { Clock } from "../../model/clock.ts";
import { type Migration, missingMigrations, readMigrations } from "../migrations.ts";

const FOLDER = new URL("./migrations/", import.meta.url);

/**
 * Brings the schema up to date in one transaction; two processes that open a new file at once both come out well.
 *
 * @throws Error when an applied file has changed, or the file was written by a newer version
 */
export function applyMigrations(database: DatabaseSync, clock: Clock): void {
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
    for (const migration of missingMigrations(migrations, applied)) applyOne(database, migration, clock);
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
