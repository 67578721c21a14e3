import {
  AUDIT_BLOCK_MAX_ENTRIES,
  AUDIT_UNSEALED_MAX,
  type AuditBlock,
  type AuditBlockContents,
  type ListAuditBlocksQuery,
  type UnsealedAudit,
} from "../../security/audit.ts";
import { AUDIT_COLUMNS, type AuditRow } from "../audit-reading.ts";
import {
  BLOCK_COLUMNS,
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
import { AHEAD_MILLISECONDS } from "../clock-steps.ts";
import { decodeCursor, encodeCursor } from "../cursor.ts";
import { DAY_MILLISECONDS } from "../instants.ts";
import { auditBlockNotFound } from "../refusals.ts";
import { takePage } from "../reply-bytes.ts";
import type { Paged } from "../store.ts";
import type { Step } from "../upkeep-runs.ts";
import { type Batch, bigint, int } from "./batch.ts";
import type { Connection } from "./connection.ts";
import { sqlText } from "./texts.ts";
import { PROLOGUE } from "./transaction.ts";
import { upkeepStep } from "./upkeep-step.ts";

/** The audit's blocks: sealing, reading, and dropping what is past its retention. */

/**
 * Numbers are given before the commit, so a block takes what is in none, whatever its number; and it looks only above a floor, up to
 * which everything is in some block. The floor is the highest number in a block whose entry is older than this.
 *
 * Five minutes are enough: a batch runs no longer than AZURE_SQL_REQUEST_TIMEOUT, which is two minutes at most, and its entries have
 * the time at which it began. So an entry that was there at some time has got its number at most two minutes after that time, and
 * who got a lower number, earlier, has committed at most two minutes after that: four in all.
 */
const FLOOR_MILLISECONDS = 300_000;
/** Entries of batches that may still be under way are left to the next block: most lower numbers have come by then. */
const SETTLED_MILLISECONDS = 5_000;

const BLOCKS = `SELECT ${BLOCK_COLUMNS} FROM audit.blocks AS b LEFT JOIN audit.dropped_blocks AS d ON d.block_no = b.block_no`;
const NEWEST = `SELECT TOP (1) ${BLOCK_COLUMNS} FROM audit.blocks AS b LEFT JOIN audit.dropped_blocks AS d ON d.block_no = b.block_no
ORDER BY b.block_no DESC;
`;
const MEMBERSHIP = "SELECT 1 FROM audit.block_entries AS m WHERE m.entry_no = e.entry_no";

/**
 * The newest block; the oldest entries without one; and the floor after these are in one. The block is read first: one that somebody
 * else adds meanwhile has the number that this one would get.
 */
const UNSEALED = sqlText(
  "unsealed-audit",
  `${PROLOGUE}DECLARE @floor bigint = COALESCE((SELECT TOP (1) b.floor_no FROM audit.blocks AS b ORDER BY b.block_no DESC), ${Number.MIN_SAFE_INTEGER});
DECLARE @open TABLE (entry_no bigint NOT NULL PRIMARY KEY);
${NEWEST}INSERT INTO @open (entry_no)
SELECT TOP (${AUDIT_BLOCK_MAX_ENTRIES}) e.entry_no FROM audit.entries AS e
WHERE e.entry_no > @floor AND (e.at <= @now - @settled OR e.at > @now + ${AHEAD_MILLISECONDS}) AND NOT EXISTS (${MEMBERSHIP})
ORDER BY e.entry_no;
SELECT ${AUDIT_COLUMNS} FROM @open AS o JOIN audit.entries AS e ON e.entry_no = o.entry_no ORDER BY e.entry_no;
SELECT @now AS now, COALESCE(MAX(e.entry_no), @floor) AS floor_no FROM audit.entries AS e
WHERE e.entry_no > @floor AND e.entry_no <= (SELECT MAX(o.entry_no) FROM @open AS o) AND e.at <= @now - ${FLOOR_MILLISECONDS};
`,
);

/** Of two that seal at once the keys let one through; the other finds the block there when it is sent again, and seals nothing. */
const SEAL_SQL = sqlText(
  "seal-audit",
  `DECLARE @blockNo bigint, @done int = 0;
DECLARE @row TABLE (block_no bigint NOT NULL PRIMARY KEY, first_entry_no bigint NOT NULL, last_entry_no bigint NOT NULL,
  entry_count int NOT NULL, newest_at bigint NOT NULL, sealed_at bigint NOT NULL, floor_no bigint NOT NULL,
  previous_hash varchar(64) NOT NULL, hash varchar(64) NOT NULL);
DECLARE @members TABLE (entry_no bigint NOT NULL PRIMARY KEY, hash varchar(64) NOT NULL);
INSERT INTO @row (block_no, first_entry_no, last_entry_no, entry_count, newest_at, sealed_at, floor_no, previous_hash, hash)
SELECT x.block_no, x.first_entry_no, x.last_entry_no, x.entry_count, x.newest_at, x.sealed_at, x.floor_no, x.previous_hash, x.hash
FROM OPENJSON(@items, '$[0].row') WITH (block_no bigint, first_entry_no bigint, last_entry_no bigint, entry_count int, newest_at bigint,
  sealed_at bigint, floor_no bigint, previous_hash varchar(64), hash varchar(64)) AS x;
SET @blockNo = (SELECT r.block_no FROM @row AS r);
INSERT INTO @members (entry_no, hash)
SELECT x.entry_no, x.hash FROM OPENJSON(@items, '$[0].members') WITH (entry_no bigint, hash varchar(64)) AS x;
IF NOT EXISTS (SELECT 1 FROM audit.blocks AS b WHERE b.block_no = @blockNo)
  AND NOT EXISTS (SELECT 1 FROM @members AS m JOIN audit.block_entries AS e ON e.entry_no = m.entry_no)
BEGIN
  BEGIN TRANSACTION;
  INSERT INTO audit.blocks (block_no, first_entry_no, last_entry_no, entry_count, newest_at, sealed_at, floor_no, previous_hash, hash)
  SELECT r.block_no, r.first_entry_no, r.last_entry_no, r.entry_count, r.newest_at, r.sealed_at, r.floor_no, r.previous_hash, r.hash
  FROM @row AS r;
  INSERT INTO audit.block_entries (entry_no, block_no, hash)
  SELECT m.entry_no, @blockNo, m.hash FROM @members AS m;
  SET @done = @@ROWCOUNT;
  COMMIT TRANSACTION;
END;
SELECT @done AS done;
`,
);

const SEAL: Batch<SealedBlock, { done: number }> = upkeepStep({
  name: "seal-audit",
  sql: SEAL_SQL,
  encode: ({ row, members }) => ({ row: { ...row }, members: members.map((member) => ({ ...member })) }),
  wakes: false,
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

const LIST = sqlText(
  "list-audit-blocks",
  `SELECT TOP (@limit) ${BLOCK_COLUMNS} FROM audit.blocks AS b LEFT JOIN audit.dropped_blocks AS d ON d.block_no = b.block_no
WHERE b.block_no > @after ORDER BY b.block_no;
`,
);

/** Oldest first. */
export async function listAuditBlocks(connection: Connection, query: ListAuditBlocksQuery): Promise<Paged<AuditBlock>> {
  const { limit } = query;
  const filters = { list: "audit-blocks", after: query.after };
  const after = Number(decodeCursor(filters, query.cursor)?.[0] ?? query.after);
  const result = await connection.query(LIST, { after: bigint(after), limit: int(limit + 1) });
  const rows = result.rows<BlockRow>(0);
  return takePage(rows, limit, readBlock, (last) => encodeCursor(filters, [last.block_no]));
}

/** A member counts only where its block says that its numbers are. */
const GET = sqlText(
  "get-audit-block",
  `DECLARE @first bigint, @last bigint, @floor bigint, @floorBefore bigint = ${Number.MIN_SAFE_INTEGER};
SELECT @first = b.first_entry_no, @last = b.last_entry_no, @floor = b.floor_no FROM audit.blocks AS b WHERE b.block_no = @blockNo;
SELECT @floorBefore = b.floor_no FROM audit.blocks AS b WHERE b.block_no = @blockNo - 1;
${BLOCKS} WHERE b.block_no = @blockNo;
SELECT m.entry_no, m.hash FROM audit.block_entries AS m
WHERE m.entry_no BETWEEN @first AND @last AND m.block_no = @blockNo ORDER BY m.entry_no;
SELECT ${AUDIT_COLUMNS} FROM audit.block_entries AS m JOIN audit.entries AS e ON e.entry_no = m.entry_no
WHERE m.entry_no BETWEEN @first AND @last AND m.block_no = @blockNo;
SELECT TOP (${AUDIT_BLOCK_MAX_ENTRIES}) e.entry_no FROM audit.entries AS e
WHERE e.entry_no > @floorBefore AND e.entry_no <= @floor AND NOT EXISTS (
  SELECT 1 FROM audit.block_entries AS m JOIN audit.blocks AS b ON b.block_no = m.block_no
  WHERE m.entry_no = e.entry_no AND e.entry_no BETWEEN b.first_entry_no AND b.last_entry_no)
ORDER BY e.entry_no;
`,
);

/** With its entries as they are now. @throws NOT_FOUND */
export async function getAuditBlock(connection: Connection, blockNo: number): Promise<AuditBlockContents> {
  const result = await connection.query(GET, { blockNo: bigint(blockNo) });
  const [row] = result.rows<BlockRow>(0);
  if (row === undefined) throw auditBlockNotFound(blockNo);
  const strays = result.rows<{ entry_no: number }>(3);
  return readContents(readBlock(row), result.rows<MemberRow>(1), result.rows<AuditRow>(2), strays);
}

const NEWEST_SQL = sqlText("newest-audit-block", NEWEST);

export async function newestAuditBlock(connection: Connection): Promise<AuditBlock | undefined> {
  const [row] = (await connection.query(NEWEST_SQL)).rows<BlockRow>(0);
  return row === undefined ? undefined : readBlock(row);
}

const COUNT_UNSEALED = sqlText(
  "count-unsealed-audit",
  `DECLARE @floor bigint = COALESCE((SELECT TOP (1) b.floor_no FROM audit.blocks AS b ORDER BY b.block_no DESC), ${Number.MIN_SAFE_INTEGER});
DECLARE @open TABLE (entry_no bigint NOT NULL PRIMARY KEY, at bigint NOT NULL);
INSERT INTO @open (entry_no, at)
SELECT TOP (${AUDIT_UNSEALED_MAX}) e.entry_no, e.at FROM audit.entries AS e
WHERE e.entry_no > @floor AND NOT EXISTS (${MEMBERSHIP}) ORDER BY e.entry_no;
SELECT COUNT(*) AS [count], (SELECT TOP (1) o.at FROM @open AS o ORDER BY o.entry_no) AS oldest_at FROM @open;
`,
);

/** What no block holds yet. (Above the floor some entries may be in one, so each is looked up.) */
export async function unsealedAudit(connection: Connection): Promise<UnsealedAudit> {
  const [row] = (await connection.query(COUNT_UNSEALED)).rows<UnsealedRow>(0);
  return readUnsealed(row ?? { count: 0, oldest_at: null });
}

/** The procedure of the audit's owner decides what may go; the app may do no more than ask. */
const DROP = upkeepStep<object, { done: number; block_no: number | null }>({
  name: "drop-oldest-block",
  inputs: (settings) => ({ auditRetention: bigint(settings.auditRetentionDays * DAY_MILLISECONDS) }),
  wakes: false,
  sql: sqlText(
    "drop-oldest-block",
    `${PROLOGUE}DECLARE @before bigint = @now - @auditRetention, @blockNo bigint, @entries int;
EXEC audit.drop_oldest_block @before = @before, @blockNo = @blockNo OUTPUT, @entries = @entries OUTPUT;
SELECT @entries AS done, @blockNo AS block_no;
`,
  ),
});

/** Drops the entries of the oldest block that has some, when all of them are past their retention; the block itself stays. */
export async function dropOldestBlock(connection: Connection): Promise<Step> {
  const { done, block_no: blockNo } = await connection.run(DROP, {});
  return { done, more: blockNo !== null };
}
