import type { AuditEntry, ListAuditQuery, NewAuditEntry } from "../../security/audit.ts";
import { actorOf } from "../../security/call-context.ts";
import { AUDIT_COLUMNS, type AuditPlace, type AuditRow, auditPage, auditWindow } from "../audit-reading.ts";
import type { Paged } from "../store.ts";
import type { Transaction } from "./transaction.ts";

/** The entries of the audit: how they are added to a transition, and how they are read. */

const INSERT =
  "INSERT INTO audit_entries (at, actor, action, subject_kind, subject_id, detail) VALUES (?, ?, ?, ?, ?, ?)";

/**
 * Records what the transition does, in its own transaction. Without an actor it is whoever makes the call; what merely
 * follows from a call is the switchboard's: `actor: SYSTEM_ACTOR`.
 *
 * @example
 * audit(transaction, { action: "message_type.put", subjectKind: "message_type", subjectId: type, detail: { created } });
 */
export function audit(transaction: Transaction, entry: NewAuditEntry): void {
  const { actor = actorOf(undefined, transaction.call), action, subjectKind, subjectId, detail } = entry;
  const text = detail === undefined ? "{}" : JSON.stringify(detail);
  transaction.run(INSERT, transaction.now, actor, action, subjectKind, subjectId, text);
}

/** Adds entries about what is not in the store itself. */
export function recordAudit(transaction: Transaction, entries: readonly NewAuditEntry[]): void {
  for (const entry of entries) audit(transaction, entry);
}

function narrowing({
  actor,
  action,
  subjectKind,
  subjectId,
}: ListAuditQuery): [column: string, value: string | undefined][] {
  return [
    ["actor", actor],
    ["action", action],
    ["subject_kind", subjectKind],
    ["subject_id", subjectId],
  ];
}

/** ?1 from ?2, ?3 the place before which the page begins ?4 entries to look at */
const LOOKED = `SELECT * FROM audit_entries WHERE at >= ?1 AND at <= ?2 AND (at < ?2 OR entry_no < ?3)
  ORDER BY at DESC, entry_no DESC LIMIT ?4`;
/** The entry at which looking stopped; none when the entries ended before. */
const STOPPED = `SELECT at, entry_no FROM (${LOOKED}) LIMIT 1 OFFSET ?4 - 1`;

/** Newest first. A page may be short, or empty, and not the last: see AUDIT_SCAN_MAX. */
export function listAudit(transaction: Transaction, query: ListAuditQuery): Paged<AuditEntry> {
  const window = auditWindow(query);
  const place = [window.from, window.at, window.entryNo, window.scan];
  const conditions = ["1 = 1"];
  const values: string[] = [];
  for (const [column, value] of narrowing(query)) {
    if (value !== undefined) conditions.push(`e.${column} = ?${5 + values.push(value)}`);
  }
  const sql = `SELECT ${AUDIT_COLUMNS} FROM (${LOOKED}) AS e WHERE ${conditions.join(" AND ")}
    ORDER BY e.at DESC, e.entry_no DESC LIMIT ?5`;
  const rows = transaction.all<AuditRow>(sql, ...place, query.limit + 1, ...values);
  const stopped = rows.length > query.limit ? undefined : transaction.get<AuditPlace>(STOPPED, ...place);
  return auditPage(window, query.limit, rows, stopped);
}
