import {
  AUDIT_BLOCK_MAX_ENTRIES,
  type AuditBlock,
  type AuditBlockContents,
  type ListAuditBlocksQuery,
  type UnsealedAudit,
} from "../../model/audit.ts";
import type { AuditRow } from "../audit-reading.ts";
import {
  type BlockRow,
  isDue,
  type MemberRow,
  readBlock,
  readContents,
  readUnsealed,
  type SealedBlock,
  sealBlock,
  type UnsealedRow,
} from "../audit-sealing.ts";
import { decodeCursor, encodeCursor } from "../cursor.ts";
import { auditBlockNotFound } from "../refusals.ts";
import { takePage } from "../reply-bytes.ts";
import type { Paged } from "../store.ts";
import type { Step } from "../upkeep-runs.ts";
import { type Batch, bigint, int } from "./batch.ts";
import type { Connection } from "./connection.ts";
import { procedure } from "./procedures.ts";
import { upkeepStep } from "./upkeep-step.ts";

/** The audit's blocks: sealing, reading, and dropping what is past its retention. */

/** Entries of batches that may still be under way are left to the next block: most lower numbers have come by then. */
const SETTLED_MILLISECONDS = 5_000;

/**
 * The newest block; the oldest entries without one; and the floor after these are in one. The block is read first: one that somebody
 * else adds meanwhile has the number that this one would get.
 */
const UNSEALED = procedure("unsealed_audit");

/** Of two that seal at once the keys let one through; the other finds the block there when it is sent again, and seals nothing. */
const SEAL_SQL = procedure("seal_audit");

const SEAL: Batch<SealedBlock, { done: number }> = upkeepStep({
  name: "seal-audit",
  sql: SEAL_SQL,
  encode: ({ row, members }) => ({ row: { ...row }, members: members.map((member) => ({ ...member })) }),
});

/**
 * Seals the oldest entries that have no block yet, once they fill one or have waited.
 *
 * @param all whether or not they have waited
 */
export async function sealAudit(connection: Connection, all = false): Promise<Step> {
  const result = await connection.query(UNSEALED, { settled: int(all ? 0 : SETTLED_MILLISECONDS) });
  const entries = result.rows<AuditRow>(1);
  const [state] = result.rows<{ now: number; floor_no: number }>(2);
  if (state === undefined || entries.length === 0 || !(all || isDue(entries, state.now)))
    return { done: 0, more: false };
  const [previous] = result.rows<BlockRow>(0);
  const { now, floor_no: floorNo } = state;
  const { done } = await connection.run(SEAL, sealBlock(previous, entries, { now, floorNo }));
  return { done, more: done === AUDIT_BLOCK_MAX_ENTRIES };
}

const LIST = procedure("list_audit_blocks");

/** Oldest first. */
export async function listAuditBlocks(connection: Connection, query: ListAuditBlocksQuery): Promise<Paged<AuditBlock>> {
  const { limit } = query;
  const filters = { list: "audit-blocks", after: query.after };
  const after = Number(decodeCursor(filters, query.cursor, 1)?.[0] ?? query.after);
  const result = await connection.query(LIST, { after: bigint(after), limit: int(limit + 1) });
  const rows = result.rows<BlockRow>(0);
  return takePage(rows, limit, readBlock, (last) => encodeCursor(filters, [last.block_no]));
}

/** A member counts only where its block says that its numbers are. */
const GET = procedure("get_audit_block");

/** With its entries as they are now. @throws NOT_FOUND */
export async function getAuditBlock(connection: Connection, blockNo: number): Promise<AuditBlockContents> {
  const result = await connection.query(GET, { blockNo: bigint(blockNo) });
  const [row] = result.rows<BlockRow>(0);
  if (row === undefined) throw auditBlockNotFound(blockNo);
  const strays = result.rows<{ entry_no: number }>(3);
  return readContents(readBlock(row), result.rows<MemberRow>(1), result.rows<AuditRow>(2), strays);
}

const NEWEST_SQL = procedure("newest_audit_block");

export async function newestAuditBlock(connection: Connection): Promise<AuditBlock | undefined> {
  const [row] = (await connection.query(NEWEST_SQL)).rows<BlockRow>(0);
  return row === undefined ? undefined : readBlock(row);
}

const COUNT_UNSEALED = procedure("count_unsealed_audit");

/** What no block holds yet. (Above the floor some entries may be in one, so each is looked up.) */
export async function unsealedAudit(connection: Connection): Promise<UnsealedAudit> {
  const [row] = (await connection.query(COUNT_UNSEALED)).rows<UnsealedRow>(0);
  return readUnsealed(row ?? { count: 0, oldest_at: null });
}

/** The procedure of the audit's owner decides what may go; the app may do no more than ask. */
const DROP = upkeepStep<object, { done: number; block_no: number | null }>({
  name: "drop-oldest-block",
  sql: procedure("drop_oldest_block"),
});

/** Drops the entries of the oldest block that has some, when all of them are past their retention; the block itself stays. */
export async function dropOldestBlock(connection: Connection): Promise<Step> {
  const { done, block_no: blockNo } = await connection.run(DROP, {});
  return { done, more: blockNo !== null };
}
