import type { AuditRow } from "../audit-reading.ts";
import {
  type BlockRow,
  decideSeal,
  type MemberRow,
  type SealedBlock,
  type SeenUnsealed,
  type UnsealedRow,
} from "../audit-sealing.ts";
import type { AuditEngine } from "../audit-verbs.ts";
import type { Step } from "../upkeep-runs.ts";
import { bigint, hash, int, text } from "./batch.ts";
import type { Connection } from "./connection.ts";
import { decideBy, type Subject } from "./decide.ts";
import { procedure } from "./procedures.ts";
import { upkeepStep } from "./upkeep-step.ts";

/** The audit's blocks: sealing, reading, and dropping what is past its retention. */

/** Entries of batches that may still be under way are left to the next block: most lower numbers have come by then. */
const SETTLED_MILLISECONDS = 5_000;

const UNSEALED = procedure("unsealed_audit");
/** Of two that seal at once the keys let one through; the other has lost a race. */
const SEAL = procedure("seal_audit");

/** See decideSeal. */
export function sealAudit(connection: Connection, all = false): Promise<Step> {
  const settled = all ? 0 : SETTLED_MILLISECONDS;
  return decideBy(connection, UNSEALED_AUDIT)(settled, (seen, deciding) => decideSeal(all, seen, deciding));
}

const UNSEALED_AUDIT: Subject<number, SeenUnsealed, SealedBlock> = {
  name: "seal-audit",
  read: UNSEALED,
  ask: (settled) => ({ settled: int(settled) }),
  see: (result) => ({
    previous: result.rows<BlockRow>(1)[0],
    entries: result.rows<AuditRow>(2),
    floorNo: result.rows<{ floor_no: number }>(3)[0]?.floor_no ?? 0,
  }),
  write: ({ row, members }) => ({
    sql: SEAL,
    inputs: {
      block_no: bigint(row.block_no),
      first_entry_no: bigint(row.first_entry_no),
      last_entry_no: bigint(row.last_entry_no),
      entry_count: int(row.entry_count),
      newest_at: bigint(row.newest_at),
      floor_no: bigint(row.floor_no),
      previous_hash: hash(row.previous_hash),
      hash: hash(row.hash),
      members: text(JSON.stringify(members)),
    },
  }),
  key: () => "",
};

const LIST = procedure("list_audit_blocks");
/** A member counts only where its block says that its numbers are. */
const GET = procedure("get_audit_block");
const NEWEST = procedure("newest_audit_block");
/** Above the floor some entries may be in a block, so each is looked up. */
const COUNT_UNSEALED = procedure("count_unsealed_audit");

/** What the verbs of the audit read of blocks. */
export function blockEngine(connection: Connection): Pick<AuditEngine, "blocks" | "block" | "newest" | "unsealed"> {
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
