import { type AuditDetail, type AuditEntry, auditDetailSchema, type ListAuditQuery } from "../model/audit.ts";
import { decodeCursor, encodeCursor } from "./cursor.ts";
import { iso } from "./instants.ts";
import type { Paged } from "./store.ts";

/** How the audit is read, which is the same in both engines: rows, and pages that look at no more than so many of them. */

export interface AuditRow {
  entry_no: number;
  at: number;
  actor: string;
  action: string;
  subject_kind: string;
  subject_id: string;
  detail: string;
}

/** Columns of an AuditRow, for SELECT; the table is `e`. */
export const AUDIT_COLUMNS = "e.entry_no, e.at, e.actor, e.action, e.subject_kind, e.subject_id, e.detail";

/** The entry as callers see it, and as its hash is made. */
export function readEntry(row: AuditRow): AuditEntry {
  return {
    entryNo: row.entry_no,
    at: auditTime(row.at),
    actor: row.actor,
    action: row.action,
    subjectKind: row.subject_kind,
    subjectId: row.subject_id,
    detail: readDetail(row.detail),
  };
}

/** What stands for a detail that was changed into something that is none. No entry of ours has it, so its hash is another. */
const UNREADABLE: AuditDetail = { unreadable: true };

/**
 * Whoever can write the database can write a row that cannot be read. It must not make the whole audit unreadable: the row reads as
 * something that is not what was sealed, and verifying says which one it is.
 */
function readDetail(text: string): AuditDetail {
  try {
    const detail = auditDetailSchema.safeParse(JSON.parse(text));
    return detail.success ? detail.data : UNREADABLE;
  } catch {
    return UNREADABLE;
  }
}

/** The first and the last time that a Date can hold. */
const DATE_MAX_MILLISECONDS = 8.64e15;

/** A time of the audit as callers see it; one that was changed into none is the nearest that there is. */
export function auditTime(milliseconds: number): string {
  return iso(Math.max(-DATE_MAX_MILLISECONDS, Math.min(milliseconds, DATE_MAX_MILLISECONDS)));
}

/**
 * Entries that one call looks at when it is given a filter: they are found by their number alone, because every change would pay
 * for an index. So a page may hold fewer entries than asked for, or none, and still not be the last.
 */
export const AUDIT_SCAN_MAX = 10_000;

/**
 * Numbers grow with time, but not strictly: a batch that began earlier may number its entries later, and a machine's clock may be
 * set. A time that is looked for by number is looked for this much wider, and then compared entry by entry.
 */
const DISORDER_MILLISECONDS = 600_000;

/** Where a page begins and what it is narrowed to. */
export interface AuditWindow {
  /** The list and its filters, which a cursor is bound to. */
  filters: object;
  /** Entries with a lower number than this. */
  before: number;
  /** Entries at or after `from` and before `to`; null without such a bound. */
  from: number | null;
  to: number | null;
  /** The times by which to look for the numbers between which all of those are. */
  numbersFrom: number | null;
  numbersTo: number | null;
  /** Entries to look at. */
  scan: number;
}

/** @throws INVALID_REQUEST for a cursor of another list */
export function auditWindow(query: ListAuditQuery): AuditWindow {
  const { limit, cursor, ...filter } = query;
  const filters = { list: "audit", ...filter };
  const [before] = decodeCursor(filters, cursor, 1) ?? [Number.MAX_SAFE_INTEGER];
  const [from, to] = [filter.from, filter.to].map((time) => (time === undefined ? null : Date.parse(time)));
  const filtered = Object.values(filter).some((value) => value !== undefined);
  return {
    filters,
    before: Number(before),
    from: from ?? null,
    to: to ?? null,
    numbersFrom: from == null ? null : from - DISORDER_MILLISECONDS,
    numbersTo: to == null ? null : to + DISORDER_MILLISECONDS,
    scan: filtered ? AUDIT_SCAN_MAX : limit + 1,
  };
}

/**
 * The page of rows that were found.
 *
 * @param rows matching ones, newest first, at most one more than the limit
 * @param stopped the number of the last entry that was looked at, where looking stopped
 */
export function auditPage(
  window: AuditWindow,
  limit: number,
  rows: readonly AuditRow[],
  stopped: number | undefined,
): Paged<AuditEntry> {
  const shown = rows.slice(0, limit);
  const last = rows.length > limit ? shown.at(-1)?.entry_no : stopped;
  return { items: shown.map(readEntry), nextCursor: last === undefined ? null : encodeCursor(window.filters, [last]) };
}
