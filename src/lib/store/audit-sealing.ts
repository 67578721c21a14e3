import {
  AUDIT_BLOCK_MAX_ENTRIES,
  type AuditBlock,
  type AuditBlockContents,
  type AuditMember,
  type UnsealedAudit,
} from "../model/audit.ts";
import { hashBlock, hashEntry, NO_PREVIOUS_HASH } from "../security/audit-chain.ts";
import { type AuditRow, auditTime, readEntry } from "./audit-reading.ts";
import { AHEAD_MILLISECONDS } from "./clock-steps.ts";
import type { Deciding, Decision } from "./decision.ts";
import { iso } from "./instants.ts";
import type { Step } from "./upkeep-runs.ts";

/** How blocks of the audit are made and read, which is the same in both engines. */

/**
 * An entry waits for its block no longer than this, or until the block is full: every block costs a row that is kept for ever,
 * and who verifies asks for each.
 */
export const SEAL_AFTER_MILLISECONDS = 60_000;

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
    newestAt: auditTime(row.newest_at),
    sealedAt: auditTime(row.sealed_at),
    floorNo: row.floor_no,
    previousHash: row.previous_hash,
    hash: row.hash,
  };
  return row.dropped_at === null ? block : { ...block, droppedAt: auditTime(row.dropped_at) };
}

export interface UnsealedRow {
  count: number;
  oldest_at: number | null;
}

export function readUnsealed({ count, oldest_at: oldestAt }: UnsealedRow): UnsealedAudit {
  return oldestAt === null ? { count } : { count, oldestAt: auditTime(oldestAt) };
}

/** A member as it was sealed. */
export interface MemberRow {
  entry_no: number;
  hash: string;
}

/** A block with what is there of it now. */
export function readContents(
  block: AuditBlock,
  members: readonly MemberRow[],
  entries: readonly AuditRow[],
  strays: readonly { entry_no: number }[],
): AuditBlockContents {
  const found = new Map(entries.map((row) => [row.entry_no, readEntry(row)]));
  return {
    block,
    members: members.map(({ entry_no: entryNo, hash }): AuditMember => {
      const entry = found.get(entryNo);
      return entry === undefined ? { entryNo, hash } : { entryNo, hash, entry };
    }),
    strays: strays.map((row) => row.entry_no),
  };
}

/** What is read before a block is sealed. */
export interface SeenUnsealed {
  /** The newest block. */
  previous: Pick<BlockRow, "block_no" | "hash"> | undefined;
  /** The oldest entries without a block, in the order of their numbers, at most AUDIT_BLOCK_MAX_ENTRIES. */
  entries: readonly AuditRow[];
  /** A number up to which there is no entry without a block once these are in one. */
  floorNo: number;
}

/**
 * Seals the oldest entries that have no block yet, once they fill one or have waited.
 *
 * @param all whether or not they have waited
 */
export function decideSeal(all: boolean, seen: SeenUnsealed, { now }: Deciding): Decision<Step, SealedBlock> {
  const { length } = seen.entries;
  if (length === 0 || !(all || isDue(seen.entries, now))) return { answer: { done: 0, more: false } };
  return { answer: { done: length, more: length === AUDIT_BLOCK_MAX_ENTRIES }, change: sealBlock(seen, now) };
}

/** @returns whether these entries are enough for a block, or have waited long enough */
function isDue(entries: readonly AuditRow[], now: number): boolean {
  const [oldest] = entries;
  if (oldest === undefined) return false;
  // An entry keeps the time that a clock has given it, also one that lies ahead: it would never grow old enough.
  const ahead = oldest.at > now + AHEAD_MILLISECONDS;
  return entries.length >= AUDIT_BLOCK_MAX_ENTRIES || ahead || oldest.at <= now - SEAL_AFTER_MILLISECONDS;
}

/** A block that is ready to be stored. */
export interface SealedBlock {
  row: Omit<BlockRow, "dropped_at">;
  members: MemberRow[];
}

/** The block that follows `previous` and contains these entries (at least one). */
function sealBlock({ previous, entries, floorNo }: SeenUnsealed, now: number): SealedBlock {
  const numbers = entries.map((row) => row.entry_no);
  const header = {
    blockNo: (previous?.block_no ?? 0) + 1,
    firstEntryNo: numbers[0] ?? 0,
    lastEntryNo: numbers.at(-1) ?? 0,
    entryCount: entries.length,
    newestAt: auditTime(entries.reduce((newest, row) => Math.max(newest, row.at), 0)),
    sealedAt: iso(now),
    floorNo,
    previousHash: previous?.hash ?? NO_PREVIOUS_HASH,
  };
  const members = entries.map((row) => ({ entry_no: row.entry_no, hash: hashEntry(readEntry(row)) }));
  const row = {
    block_no: header.blockNo,
    first_entry_no: header.firstEntryNo,
    last_entry_no: header.lastEntryNo,
    entry_count: header.entryCount,
    newest_at: Date.parse(header.newestAt),
    sealed_at: now,
    floor_no: floorNo,
    previous_hash: header.previousHash,
    hash: hashBlock(
      header,
      members.map((member) => member.hash),
    ),
  };
  return { row, members };
}
