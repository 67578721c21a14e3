import type { DatabaseSync, SQLOutputValue, StatementSync } from "node:sqlite";

/** Statements of a connection, as they are run. */

export interface Prepared {
  statement: StatementSync;
  writes: boolean;
  /** Whether it writes to the agents table, rows of which are cached. */
  changesAgents: boolean;
  /** The names of its columns; undefined: rows come as objects. */
  columns: readonly string[] | undefined;
}

export function prepare(database: DatabaseSync, sql: string): Prepared {
  const statement = database.prepare(sql);
  return {
    statement,
    writes: !/^\s*(SELECT|WITH|PRAGMA)\b/i.test(sql),
    changesAgents: /^\s*(UPDATE|DELETE FROM|INSERT INTO|REPLACE INTO)\s+agents\b/i.test(sql),
    columns: columnsOf(statement),
  };
}

/**
 * Makes the rows of a statement come as arrays. Objects that node:sqlite makes are dictionaries: a row of 27 columns took 28 µs to
 * make, read and copy, as an array made into an object here 10. Node before 22.16 has objects only.
 */
function columnsOf(statement: StatementSync): readonly string[] | undefined {
  if (!("setReturnArrays" in statement)) return undefined;
  const columns = statement.columns().map(({ name }) => name);
  statement.setReturnArrays(true);
  return columns;
}

/** What a statement answered, as an object by column. */
export function rowOf(columns: readonly string[] | undefined, answered: unknown): unknown {
  if (columns === undefined || !Array.isArray(answered)) return answered;
  const row: Record<string, SQLOutputValue> = {};
  for (let place = 0; place < columns.length; place += 1) row[columns[place] ?? ""] = answered[place];
  return row;
}
