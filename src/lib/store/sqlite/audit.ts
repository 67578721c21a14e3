import type { AuditDetail, ListAuditQuery, NewAuditEntry } from "../../model/audit.ts";
import { actorOf } from "../../trace/call-context.ts";
import { AUDIT_COLUMNS, type AuditRow, type AuditWindow } from "../audit-reading.ts";
import type { AuditEngine } from "../audit-verbs.ts";
import { LAST_ENTRY_NO, readable } from "./audit-integers.ts";
import type { Connection } from "./connection.ts";
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

/** As `audit`, of a message: only where messages are audited, since otherwise their own rows are the record. */
export function auditMessage(
  transaction: Transaction,
  action: "message.sent" | "message.received" | "message.settled" | "message.withdrawn",
  { messageId, agentId, detail }: { messageId: string; agentId: string; detail: AuditDetail },
): void {
  if (!transaction.settings.auditMessages) return;
  const actor = actorOf(agentId, transaction.call);
  audit(transaction, { actor, action, subjectKind: "message", subjectId: messageId, detail });
}

/** Adds entries about what is not in the store itself. */
export function recordAudit(transaction: Transaction, entries: readonly NewAuditEntry[]): void {
  for (const entry of entries) audit(transaction, entry);
}

/** What the verbs of the audit read and write of its entries. */
export function entryEngine(connection: Connection): Pick<AuditEngine, "list" | "record"> {
  return {
    list: (window, query) => connection.read((tx) => list(tx, window, query)),
    record: (entries) => connection.write((tx) => recordAudit(tx, entries)),
  };
}

const CONDITION = `(?4 IS NULL OR e.at >= ?4) AND (?5 IS NULL OR e.at < ?5) AND (?6 IS NULL OR e.actor = ?6)
  AND (?7 IS NULL OR e.action = ?7) AND (?8 IS NULL OR e.subject_kind = ?8) AND (?9 IS NULL OR e.subject_id = ?9)`;

/** ?1 the lowest number ?2 the number behind the highest ?3 entries to look at */
const LOOKED = "SELECT * FROM audit_entries WHERE entry_no >= ?1 AND entry_no < ?2 ORDER BY entry_no DESC LIMIT ?3";
const LIST = `SELECT ${readable(AUDIT_COLUMNS)} FROM (${LOOKED}) AS e WHERE ${CONDITION} ORDER BY e.entry_no DESC LIMIT ?10`;
/** The entry at which looking stopped; none when the entries ended before. */
const STOPPED = `SELECT entry_no FROM (${LOOKED}) LIMIT 1 OFFSET ?3 - 1`;

function list(transaction: Transaction, window: AuditWindow, query: ListAuditQuery) {
  const lowest = window.numbersFrom === null ? Number.MIN_SAFE_INTEGER : numberSince(transaction, window.numbersFrom);
  const behind = window.numbersTo === null ? window.before : numberSince(transaction, window.numbersTo);
  const place = [lowest, Math.min(behind, window.before), window.scan];
  const { actor = null, action = null, subjectKind = null, subjectId = null, limit } = query;
  const filter = [window.from, window.to, actor, action, subjectKind, subjectId];
  const entries = transaction.all<AuditRow>(LIST, ...place, ...filter, limit + 1);
  const isFull = entries.length > limit;
  return { entries, stopped: isFull ? undefined : transaction.get<{ entry_no: number }>(STOPPED, ...place) };
}

const ENDS = `SELECT min(entry_no) AS low, max(entry_no) AS high FROM audit_entries WHERE entry_no BETWEEN -${LAST_ENTRY_NO} AND ${LAST_ENTRY_NO}`;
const TIME_OF_NEXT = `SELECT ${readable("e.at")} FROM audit_entries e WHERE e.entry_no >= ? ORDER BY e.entry_no LIMIT 1`;

/** The lowest number whose entry is of that time or later, as far as numbers follow time; by halving. */
function numberSince(transaction: Transaction, time: number): number {
  const ends = transaction.get<{ low: number | null; high: number | null }>(ENDS);
  let low = ends?.low ?? 0;
  let high = (ends?.high ?? -1) + 1;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const at = transaction.get<{ at: number }>(TIME_OF_NEXT, middle)?.at ?? Number.MAX_SAFE_INTEGER;
    if (at < time) low = middle + 1;
    else high = middle;
  }
  return low;
}
