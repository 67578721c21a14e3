import type { SQLInputValue } from "node:sqlite";
import { OUTDATED_CHARACTERS, OUTDATED_ROWS, type OutdatedRow, readOutdated } from "../outdated-values.ts";
import type { EncryptedKind, OutdatedPosition, OutdatedValue, Replacement } from "../store.ts";
import { audit } from "./audit.ts";
import type { Transaction } from "./transaction.ts";

/** Values that are encrypted under another version than the current one: how many, which, and their replacement. */

/** Where the values of a kind are. */
interface Home {
  table: string;
  /** The column of key versions, which has an index together with `place`. */
  version: string;
  place: string;
  /** Before every place. */
  start: number | string;
  /** Selects VALUE_COLUMNS of values; a condition follows. */
  select: string;
  /** The column of ids in it. */
  id: string;
  write(transaction: Transaction, value: OutdatedRow, text: string, keyVersion: string): void;
}

function ofTask(table: "task_bodies" | "task_outcomes", column: "parameters" | "result"): Home {
  const update = `UPDATE ${table} SET ${column} = ?, key_version = ? WHERE task_no = ?`;
  return {
    table,
    version: "key_version",
    place: "task_no",
    start: 0,
    select: `SELECT t.task_id AS id, t.task_id AS belongs_to, x.key_version, x.task_no AS place, 0 AS of_system, x.${column} AS text
      FROM ${table} x JOIN tasks t USING (task_no)`,
    id: "t.task_id",
    write: (transaction, { place }, text, keyVersion) => transaction.run(update, text, keyVersion, place),
  };
}

/** The value inside of an archived task, as the text that it would be in a row of its own. */
function archived(field: "parameters" | "result", version: "key_version" | "result_key_version"): Home {
  const update = `UPDATE task_archive SET task = json_set(task, '$.${field}', json(?)), ${version} = ? WHERE task_id = ?`;
  return {
    table: "task_archive",
    version,
    place: "task_id",
    start: "",
    select: `SELECT x.task_id AS id, x.task_id AS belongs_to, x.${version} AS key_version, x.task_id AS place, 0 AS of_system,
      json_quote(json_extract(x.task, '$.${field}')) AS text FROM task_archive x`,
    id: "x.task_id",
    write: (transaction, { place }, text, keyVersion) => transaction.run(update, text, keyVersion, place),
  };
}

/** Values in rows of their own, each found by its number. */
function numbered(table: "task_values" | "task_archive_values", taskId: string, joined: string): Home {
  const update = `UPDATE ${table} SET value = ?, key_version = ? WHERE value_no = ?`;
  return {
    table,
    version: "key_version",
    place: "value_no",
    start: 0,
    select: `SELECT CAST(x.value_no AS TEXT) AS id, ${taskId} AS belongs_to, x.key_version, x.value_no AS place, 0 AS of_system,
      x.value AS text, x.name FROM ${table} x ${joined}`,
    // A text that is compared with an INTEGER column is read as a number.
    id: "x.value_no",
    write: (transaction, { place }, text, keyVersion) => transaction.run(update, text, keyVersion, place),
  };
}

const REPLACE_PAYLOAD = "UPDATE message_bodies SET payload = ?, key_version = ? WHERE arrival = ?";

const REPLACE_CONTENTS = "UPDATE schedules SET contents = ?, key_version = ? WHERE schedule_no = ?";

const HOMES: Readonly<Record<EncryptedKind, Home>> = {
  message: {
    table: "message_bodies",
    version: "key_version",
    place: "arrival",
    start: 0,
    select: `SELECT x.message_id AS id, coalesce(x.post_id, x.message_id) AS belongs_to, x.key_version, x.arrival AS place,
      m.sender_no IS NULL AS of_system, x.payload AS text FROM message_bodies x JOIN messages m USING (arrival)`,
    id: "x.message_id",
    write: (transaction, { place }, text, keyVersion) => transaction.run(REPLACE_PAYLOAD, text, keyVersion, place),
  },
  parameters: ofTask("task_bodies", "parameters"),
  result: ofTask("task_outcomes", "result"),
  task_value: numbered("task_values", "t.task_id", "JOIN tasks t USING (task_no)"),
  schedule: {
    table: "schedules",
    version: "key_version",
    place: "schedule_no",
    start: 0,
    select: `SELECT CAST(x.schedule_no AS TEXT) AS id, x.schedule_id AS belongs_to, x.key_version, x.schedule_no AS place, 0 AS of_system,
      x.contents AS text FROM schedules x`,
    id: "x.schedule_no",
    write: (transaction, { place }, text, keyVersion) => transaction.run(REPLACE_CONTENTS, text, keyVersion, place),
  },
  archived_parameters: archived("parameters", "key_version"),
  archived_result: archived("result", "result_key_version"),
  archived_task_value: numbered("task_archive_values", "x.task_id", ""),
};

/** ?1 the version that they are not under; ?2 the limit */
const COUNT = `SELECT ${Object.values(HOMES)
  .map(
    ({ table, version }) => `(SELECT count(*) FROM (SELECT 1 FROM ${table} WHERE ${version} < ?1 LIMIT ?2))
  + (SELECT count(*) FROM (SELECT 1 FROM ${table} WHERE ${version} > ?1 LIMIT ?2))`,
  )
  .join(" + ")} AS outdated`;

/** Values under another version than `keyVersion` ("": under any), counted up to `max`. */
export function countOutdated(transaction: Transaction, keyVersion: string, max: number): number {
  return Math.min(transaction.get<{ outdated: number }>(COUNT, keyVersion, max)?.outdated ?? 0, max);
}

/**
 * Two ranges of the index, before and behind the version, so that what is under it is not read. ?1 the version, ?2 and ?3 the
 * position
 */
function walkSql({ table, version, place }: Home): string {
  const range = (
    comparison: string,
  ) => `SELECT * FROM (SELECT ${version} AS key_version, ${place} AS place FROM ${table}
    WHERE ${version} ${comparison} ?1 AND (${version}, ${place}) > (?2, ?3)
    ORDER BY ${version}, ${place} LIMIT ${OUTDATED_ROWS})`;
  return `${range("<")} UNION ALL ${range(">")} ORDER BY key_version, place LIMIT ${OUTDATED_ROWS}`;
}

/** Values of a kind that are encrypted under another version, after a position: some more, or none at the end. */
export function findOutdated(
  transaction: Transaction,
  kind: EncryptedKind,
  keyVersion: string,
  after?: OutdatedPosition,
): OutdatedValue[] {
  const home = HOMES[kind];
  const position: SQLInputValue[] = [after?.keyVersion ?? "", after?.place ?? home.start];
  const places = transaction.all<Pick<OutdatedRow, "place">>(walkSql(home), keyVersion, ...position);
  const found: OutdatedValue[] = [];
  let characters = 0;
  for (const { place } of places) {
    if (characters > OUTDATED_CHARACTERS) break;
    const value = transaction.get<OutdatedRow>(`${home.select} WHERE x.${home.place} = ?`, place);
    if (value === undefined) throw new Error(`the ${kind} at ${place} is in an index but does not exist`);
    characters += value.text.length;
    found.push(readOutdated(value));
  }
  return found;
}

/** Replaces each that is still what it was; they are under `keyVersion` then. @returns how many */
export function replaceOutdated(
  transaction: Transaction,
  kind: EncryptedKind,
  keyVersion: string,
  replacements: readonly Replacement[],
): number {
  const home = HOMES[kind];
  let replaced = 0;
  for (const { id, was, text } of replacements) {
    const value = transaction.get<OutdatedRow>(`${home.select} WHERE ${home.id} = ?`, id);
    if (value?.key_version !== was.keyVersion || value.text !== was.text) continue;
    home.write(transaction, value, text, keyVersion);
    replaced += 1;
  }
  if (replaced > 0) {
    const detail = { kind, count: replaced };
    audit(transaction, { action: "encryption.rotated", subjectKind: "encryption_key", subjectId: keyVersion, detail });
  }
  return replaced;
}
