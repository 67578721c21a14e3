import { readdirSync, readFileSync } from "node:fs";
import { DatabaseSync, type StatementSync } from "node:sqlite";

/** How SQLite would run every statement that a test file has prepared. https://www.sqlite.org/eqp.html */

/** What EXPLAIN QUERY PLAN says of one step of a statement. */
export interface PlanStep {
  sql: string;
  detail: string;
}

/** Collects the text of every statement prepared from now on in this process. */
export function recordStatements(): { statements: ReadonlySet<string>; stop(): void } {
  const statements = new Set<string>();
  const { prepare } = DatabaseSync.prototype;
  DatabaseSync.prototype.prepare = function (this: DatabaseSync, sql: string): StatementSync {
    statements.add(sql);
    return prepare.call(this, sql);
  };
  return {
    statements,
    stop() {
      DatabaseSync.prototype.prepare = prepare;
    },
  };
}

/** An empty database with the schema of the embedded store. */
export function emptySchema(): DatabaseSync {
  const folder = new URL("../../../src/lib/store/sqlite/migrations/", import.meta.url);
  const database = new DatabaseSync(":memory:");
  for (const name of readdirSync(folder).sort()) database.exec(readFileSync(new URL(name, folder), "utf8"));
  return database;
}

/** The steps of every statement that reads or writes rows of ours. */
export function plansOf(database: DatabaseSync, statements: Iterable<string>): PlanStep[] {
  return [...statements]
    .filter((sql) => !/^\s*(?:BEGIN|COMMIT|ROLLBACK|PRAGMA|EXPLAIN)\b|\bschema_migrations\b/.test(sql))
    .flatMap((sql) => {
      const rows = database.prepare(`EXPLAIN QUERY PLAN ${sql}`).all();
      return rows.map(({ detail }) => ({ sql: sql.replaceAll(/\s+/g, " ").trim(), detail: String(detail) }));
    });
}

/** Names of the indexes that the schema declares; those behind UNIQUE and PRIMARY KEY have none of their own. */
export function declaredIndexes(database: DatabaseSync): string[] {
  const rows = database.prepare("SELECT name FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL").all();
  return rows.map(({ name }) => String(name));
}
