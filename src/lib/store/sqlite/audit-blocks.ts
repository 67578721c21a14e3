import { AUDIT_BLOCK_MAX_ENTRIES, AUDIT_UNSEALED_MAX } from "../../model/audit.ts";
import { AUDIT_COLUMNS, type AuditRow } from "../audit-reading.ts";
import {
  BLOCK_COLUMNS,
  type BlockRow,
  decideSeal,
  type MemberRow,
  type SealedBlock,
  type SeenUnsealed,
  type UnsealedRow,
} from "../audit-sealing.ts";
import type { AuditEngine } from "../audit-verbs.ts";
import { DAY_MILLISECONDS } from "../instants.ts";
import type { Step } from "../upkeep-runs.ts";
import { LAST_ENTRY_NO, readable } from "./audit-integers.ts";
import type { Connection } from "./connection.ts";
import { decideBy, type Subject } from "./decide.ts";
import type { Transaction } from "./transaction.ts";

/** The audit's blocks: sealing, reading, and dropping what is past its retention. */

const BLOCKS = `SELECT ${readable(BLOCK_COLUMNS)} FROM audit_blocks b LEFT JOIN audit_dropped_blocks d USING (block_no)`;
const NEWEST = `${BLOCKS} ORDER BY b.block_no DESC LIMIT 1`;
const UNSEALED = `SELECT ${readable(AUDIT_COLUMNS)} FROM audit_entries e
  WHERE e.entry_no > ? AND e.entry_no <= ${LAST_ENTRY_NO} ORDER BY e.entry_no LIMIT ?`;
const INSERT_BLOCK = `INSERT INTO audit_blocks (block_no, first_entry_no, last_entry_no, entry_count, newest_at, sealed_at, floor_no,
  previous_hash, hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`;
const INSERT_MEMBER = "INSERT INTO audit_block_entries (entry_no, block_no, hash) VALUES (?, ?, ?)";

/** See decideSeal. Numbers are given in the order of commits here: up to the last one of a block, no entry can come any more. */
export function sealAudit(connection: Connection, all = false): Promise<Step> {
  return decideBy(connection, UNSEALED_AUDIT)(null, (seen, deciding) => decideSeal(all, seen, deciding));
}

const UNSEALED_AUDIT: Subject<null, SeenUnsealed, SealedBlock> = {
  see(transaction) {
    const previous = transaction.get<BlockRow>(NEWEST);
    const entries = transaction.all<AuditRow>(UNSEALED, floorOf(previous), AUDIT_BLOCK_MAX_ENTRIES);
    return { previous, entries, floorNo: entries.at(-1)?.entry_no ?? floorOf(previous) };
  },
  write(transaction, { row, members }) {
    const { block_no, first_entry_no, last_entry_no, entry_count, newest_at, sealed_at, floor_no, ...hashes } = row;
    const numbers = [block_no, first_entry_no, last_entry_no, entry_count, newest_at, sealed_at, floor_no];
    transaction.run(INSERT_BLOCK, ...numbers, hashes.previous_hash, hashes.hash);
    for (const member of members) transaction.run(INSERT_MEMBER, member.entry_no, block_no, member.hash);
  },
};

/** A member counts only where its block says that its numbers are: ?1 block ?2 first ?3 last */
const MEMBERS = `SELECT m.entry_no, m.hash FROM audit_block_entries m
  WHERE m.entry_no BETWEEN ?2 AND ?3 AND m.block_no = ?1 ORDER BY m.entry_no`;
const ENTRIES = `SELECT ${readable(AUDIT_COLUMNS)} FROM audit_block_entries m JOIN audit_entries e ON e.entry_no = m.entry_no
  WHERE m.entry_no BETWEEN ?2 AND ?3 AND m.block_no = ?1`;
/** ?1 the floor of the block before ?2 that of this one ?3 how many are shown */
const STRAYS = `SELECT e.entry_no FROM audit_entries e WHERE e.entry_no > ?1 AND e.entry_no <= ?2 AND NOT EXISTS (
    SELECT 1 FROM audit_block_entries m JOIN audit_blocks b ON b.block_no = m.block_no
    WHERE m.entry_no = e.entry_no AND e.entry_no BETWEEN b.first_entry_no AND b.last_entry_no)
  ORDER BY e.entry_no LIMIT ?3`;

const COUNT_UNSEALED = `SELECT count(*) AS count, (SELECT ${readable("e.at")} FROM audit_entries e WHERE e.entry_no > ?1 ORDER BY e.entry_no LIMIT 1) AS oldest_at
  FROM (SELECT 1 FROM audit_entries WHERE entry_no > ?1 LIMIT ${AUDIT_UNSEALED_MAX})`;

const FROM_BLOCK = `${BLOCKS} WHERE b.block_no > ? ORDER BY b.block_no LIMIT ?`;
const WITH_PREVIOUS = `${BLOCKS} WHERE b.block_no IN (?1, ?1 - 1) ORDER BY b.block_no DESC`;

/** What the verbs of the audit read of blocks. */
export function blockEngine(connection: Connection): Pick<AuditEngine, "blocks" | "block" | "newest" | "unsealed"> {
  return {
    blocks: (after, rows) => connection.read((tx) => tx.all<BlockRow>(FROM_BLOCK, after, rows)),
    block: (blockNo) => connection.read((tx) => findBlock(tx, blockNo)),
    newest: () => connection.read((tx) => tx.get<BlockRow>(NEWEST)),
    // Entries that are in no block yet: all above the floor of the newest block.
    unsealed: () => connection.read((tx) => tx.get<UnsealedRow>(COUNT_UNSEALED, floorOf(tx.get<BlockRow>(NEWEST)))),
  };
}

function floorOf(block: BlockRow | undefined): number {
  return block?.floor_no ?? Number.MIN_SAFE_INTEGER;
}

function findBlock(transaction: Transaction, blockNo: number): Awaited<ReturnType<AuditEngine["block"]>> {
  const [block, previous] = transaction.all<BlockRow>(WITH_PREVIOUS, blockNo);
  if (block?.block_no !== blockNo) return undefined;
  const range = [blockNo, block.first_entry_no, block.last_entry_no];
  return {
    block,
    members: transaction.all<MemberRow>(MEMBERS, ...range),
    entries: transaction.all<AuditRow>(ENTRIES, ...range),
    strays: transaction.all(STRAYS, floorOf(previous), block.floor_no, AUDIT_BLOCK_MAX_ENTRIES),
  };
}

/** The oldest block that still has its entries, unless it is the newest of all. */
const OLDEST_KEPT = `SELECT ${readable("b.block_no, b.first_entry_no, b.last_entry_no")} FROM audit_blocks b
  WHERE b.block_no = coalesce((SELECT max(block_no) FROM audit_dropped_blocks), 0) + 1
    AND b.block_no < (SELECT max(block_no) FROM audit_blocks)`;
const YOUNGER = `SELECT 1 FROM audit_block_entries m JOIN audit_entries e ON e.entry_no = m.entry_no
  WHERE m.entry_no BETWEEN ?2 AND ?3 AND m.block_no = ?1 AND e.at > ?4 LIMIT 1`;
const DROP_ENTRIES = `DELETE FROM audit_entries WHERE entry_no IN (
  SELECT m.entry_no FROM audit_block_entries m WHERE m.entry_no BETWEEN ?2 AND ?3 AND m.block_no = ?1)`;
const DROP_MEMBERS = "DELETE FROM audit_block_entries WHERE entry_no BETWEEN ?2 AND ?3 AND block_no = ?1";

/** Drops the entries of the oldest block that has some, when all of them are past their retention; the block itself stays. */
export function dropOldestBlock(transaction: Transaction): Step {
  const cutoff = transaction.now - transaction.settings.auditRetentionDays * DAY_MILLISECONDS;
  const block = transaction.get<Pick<BlockRow, "block_no" | "first_entry_no" | "last_entry_no">>(OLDEST_KEPT);
  if (block === undefined) return { done: 0, more: false };
  const range = [block.block_no, block.first_entry_no, block.last_entry_no];
  if (transaction.get(YOUNGER, ...range, cutoff) !== undefined) return { done: 0, more: false };
  transaction.run(
    "INSERT INTO audit_dropped_blocks (block_no, dropped_at) VALUES (?, ?)",
    block.block_no,
    transaction.now,
  );
  const { changes } = transaction.run(DROP_ENTRIES, ...range);
  transaction.run(DROP_MEMBERS, ...range);
  return { done: changes, more: true };
}
