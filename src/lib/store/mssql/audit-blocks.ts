import { AUDIT_BLOCK_MAX_ENTRIES } from "../../model/audit.ts";
import type { AuditRow } from "../audit-reading.ts";
import {
  type BlockRow,
  isDue,
  type MemberRow,
  type SealedBlock,
  sealBlock,
  type UnsealedRow,
} from "../audit-sealing.ts";
import type { AuditEngine } from "../audit-verbs.ts";
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
/** A member counts only where its block says that its numbers are. */
const GET = procedure("get_audit_block");
const NEWEST = procedure("newest_audit_block");
/** Above the floor some entries may be in a block, so each is looked up. */
const COUNT_UNSEALED = procedure("count_unsealed_audit");

/** What the verbs of the audit read of blocks. */
export function blockReaders(connection: Connection): Pick<AuditEngine, "blocks" | "block" | "newest" | "unsealed"> {
  return {
    async blocks(after, rows) {
      return (await connection.query(LIST, { after: bigint(after), limit: int(rows) })).rows<BlockRow>(0);
    },
    async block(blockNo) {
      const result = await connection.query(GET, { blockNo: bigint(blockNo) });
      const [block] = result.rows<BlockRow>(0);
      const [members, entries] = [result.rows<MemberRow>(1), result.rows<AuditRow>(2)];
      return block && { block, members, entries, strays: result.rows(3) };
    },
    newest: async () => (await connection.query(NEWEST)).rows<BlockRow>(0)[0],
    unsealed: async () => (await connection.query(COUNT_UNSEALED)).rows<UnsealedRow>(0)[0],
  };
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
