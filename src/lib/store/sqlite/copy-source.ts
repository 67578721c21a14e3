import { existsSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import type { Clock } from "../../model/clock.ts";
import type { CopySource } from "../copy/copied-rows.ts";
import { CopyError } from "../copy/copy-error.ts";
import { LIVE_STATUSES, sqlWords } from "../rules/task-outcomes.ts";
import { copiedRows, holdingsOfAgents } from "./copied-rows.ts";
import { WAITING_KEY_VERSIONS } from "./copied-waiting.ts";
import { BUSY, sqliteCode } from "./faults.ts";
import { applyMigrations } from "./migrate.ts";

/** The embedded database as the source of a copy. (Its twin is the target: this way only.) */

/** SQLITE_NOTADB. */
const NOT_A_DATABASE = 26;

/**
 * Opens the file for us alone: a connection in WAL mode holds a shared lock on the file for as long as it is open, so the
 * exclusive one is refused while any process serves it, and none can begin to until we have closed it.
 *
 * @throws CopyError when it is not there, is served, or is no database of ours
 */
export function openCopySource(file: string, clock: Clock): CopySource {
  if (!existsSync(file)) throw new CopyError(`there is no database ${file} (AGENT_MOCK_DATABASE names it)`);
  const database = new DatabaseSync(file, { timeout: 0 });
  try {
    database.exec("PRAGMA locking_mode = EXCLUSIVE");
    // The first read takes the lock.
    database.exec("BEGIN IMMEDIATE; COMMIT");
    requireOurs(database, file);
    applyMigrations(database, clock);
    database.exec("PRAGMA query_only = ON");
  } catch (error) {
    database.close();
    throw refusal(error, file);
  }
  return {
    name: file,
    liveLeases: () => liveLeases(database, clock.now()),
    keyVersions: () => keyVersions(database),
    rows: copiedRows(database),
    holdings: () => holdingsOfAgents(database),
    close: () => database.close(),
  };
}

/** Before anything is written to it: the migrations would make tables in whatever file they are given. */
function requireOurs(database: DatabaseSync, file: string): void {
  const sql = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'schema_migrations'";
  if (database.prepare(sql).get() === undefined) throw new CopyError(`${file} is no database of agent-communication`);
}

function refusal(error: unknown, file: string): unknown {
  const code = sqliteCode(error);
  if (code === BUSY) return new CopyError(`${file} is being served by a running process: stop it first`, error);
  if (code === NOT_A_DATABASE) return new CopyError(`${file} is no database of agent-communication`, error);
  return error;
}

const KEY_VERSIONS = `SELECT key_version FROM messages JOIN message_bodies USING (arrival)
  WHERE key_version IS NOT NULL AND status IN ('queued', 'leased', 'dead_lettered')
  UNION SELECT key_version FROM task_bodies WHERE key_version IS NOT NULL
  UNION SELECT key_version FROM task_outcomes WHERE key_version IS NOT NULL
  UNION SELECT key_version FROM task_archive WHERE key_version IS NOT NULL
  UNION SELECT result_key_version FROM task_archive WHERE result_key_version IS NOT NULL
  UNION ${WAITING_KEY_VERSIONS}`;

function keyVersions(database: DatabaseSync): string[] {
  const rows = database.prepare(KEY_VERSIONS).all();
  return rows.map((row) => String(row.key_version));
}

const LEASED = "SELECT count(*) AS live FROM messages WHERE status = 'leased' AND lease_expires_at > ?";
const HELD = `SELECT count(*) AS live FROM tasks WHERE status IN (${sqlWords(LIVE_STATUSES)}) AND deadline_at > ?`;

/** A lease or deadline that has passed is nobody's: the sweep of the target takes it back as that of this one would have. */
function liveLeases(database: DatabaseSync, now: number): { messages: number; tasks: number } {
  const count = (sql: string) => Number(database.prepare(sql).get(now)?.live);
  return { messages: count(LEASED), tasks: count(HELD) };
}
