import type { AuditBlock, AuditDetail, AuditEntry, ListAuditQuery } from "../security/audit.ts";
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
    at: iso(row.at),
    actor: row.actor,
    action: row.action,
    subjectKind: row.subject_kind,
    subjectId: row.subject_id,
    detail: JSON.parse(row.detail) as AuditDetail,
  };
}

export interface BlockRow {
  block_no: number;
  first_entry_no: number;
  last_entry_no: number;
  entry_count: number;
  newest_at: number;
  sealed_at: number;
  floor_no: number;
  previous_hash: string;
  hash: string;
  dropped_at: number | null;
}

/** Columns of a BlockRow, for SELECT; the tables are `b` and, outer joined, `d`. */
export const BLOCK_COLUMNS = `b.block_no, b.first_entry_no, b.last_entry_no, b.entry_count, b.newest_at, b.sealed_at, b.floor_no,
  b.previous_hash, b.hash, d.dropped_at`;

export function readBlock(row: BlockRow): AuditBlock {
  const block: AuditBlock = {
    blockNo: row.block_no,
    firstEntryNo: row.first_entry_no,
    lastEntryNo: row.last_entry_no,
    entryCount: row.entry_count,
    newestAt: iso(row.newest_at),
    sealedAt: iso(row.sealed_at),
    floorNo: row.floor_no,
    previousHash: row.previous_hash,
    hash: row.hash,
  };
  return row.dropped_at === null ? block : { ...block, droppedAt: iso(row.dropped_at) };
}

/**
 * Entries that one call looks at when it is given a filter. The entries have one index, by time, because every change pays for
 * each; so a page may hold fewer entries than asked for, or none, and still not be the last.
 */
export const AUDIT_SCAN_MAX = 10_000;

/** Where a page begins and what it is narrowed to. */
export interface AuditWindow {
  /** The list and its filters, which a cursor is bound to. */
  filters: object;
  /** Entries before this place: older, or of the same time with a lower number. */
  at: number;
  entryNo: number;
  /** Not before this time. */
  from: number;
  /** Entries to look at. */
  scan: number;
}

/** @throws INVALID_REQUEST for a cursor of another list */
export function auditWindow(query: ListAuditQuery): AuditWindow {
  const { limit, cursor, from, to, ...narrowing } = query;
  const filters = { list: "audit", ...narrowing, from, to };
  const [at, entryNo] = decodeCursor(filters, cursor) ?? [
    to === undefined ? Number.MAX_SAFE_INTEGER : Date.parse(to),
    0,
  ];
  const narrowed = Object.values(narrowing).some((value) => value !== undefined);
  return {
    filters,
    at: Number(at),
    // Of entries at exactly `to`, none.
    entryNo: Number(entryNo),
    from: from === undefined ? Number.MIN_SAFE_INTEGER : Date.parse(from),
    scan: narrowed ? Math.max(AUDIT_SCAN_MAX, limit + 1) : limit + 1,
  };
}

/** Where a call has stopped looking. */
export type AuditPlace = Pick<AuditRow, "at" | "entry_no">;

/**
 * The page of rows that were found.
 *
 * @param rows matching ones, newest first, at most one more than the limit
 * @param stopped the last entry that was looked at, if there may be more behind it
 */
export function auditPage(
  window: AuditWindow,
  limit: number,
  rows: readonly AuditRow[],
  stopped: AuditPlace | undefined,
): Paged<AuditEntry> {
  const shown = rows.slice(0, limit);
  const last = rows.length > limit ? shown.at(-1) : stopped;
  return {
    items: shown.map(readEntry),
    nextCursor: last === undefined ? null : encodeCursor(window.filters, [last.at, last.entry_no]),
  };
}
