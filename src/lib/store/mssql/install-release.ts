import type mssql from "mssql";
import { inSlot, type Release, readRelease, SLOTS, type Slot } from "./procedure-files.ts";
import { insideTransaction, type SqlText, sqlText } from "./texts.ts";

/** How `migrate` puts a release of the procedures into one of the three schemas. */

/** A release that was in use so long ago is not replaced: a process says so once an hour. */
const IN_USE_MILLISECONDS = 24 * 3_600_000;

const NOW = "DATEDIFF_BIG(MILLISECOND, '19700101', SYSUTCDATETIME())";

const STANDING = sqlText(
  "standing-releases",
  `SELECT r.slot, r.hash, ${NOW} - r.in_use_at AS unused FROM dbo.releases AS r;\n`,
);

/** Drops what stands in a slot. (The names come from the catalogue: an older release may have had others.) */
function emptyText(slot: Slot): string {
  return `DECLARE @drops nvarchar(max) = CONCAT(
  (SELECT STRING_AGG(CAST(CONCAT(N'DROP PROCEDURE ${slot}.', QUOTENAME(p.name), N'; ') AS nvarchar(max)), N'')
    FROM sys.procedures AS p WHERE p.schema_id = SCHEMA_ID(N'${slot}')),
  (SELECT STRING_AGG(CAST(CONCAT(N'DROP TYPE ${slot}.', QUOTENAME(t.name), N'; ') AS nvarchar(max)), N'')
    FROM sys.types AS t WHERE t.schema_id = SCHEMA_ID(N'${slot}')));
EXEC (@drops);
DELETE FROM dbo.releases WHERE slot = '${slot}';
`;
}

const EMPTY: Readonly<Record<Slot, SqlText>> = {
  release_a: sqlText("empty-release-a", emptyText("release_a")),
  release_b: sqlText("empty-release-b", emptyText("release_b")),
  release_c: sqlText("empty-release-c", emptyText("release_c")),
};

/** Batches that empty every slot: for a migration with which no older release may live. */
export const EMPTY_ALL: readonly SqlText[] = SLOTS.map((slot) => EMPTY[slot]);

/** Batches that make a release in a slot, which is empty. */
function makingOf({ types, procedures, hash }: Release, slot: Slot): string[] {
  return [
    ...[...types, ...procedures.map(({ sql }) => sql)].map((sql) => inSlot(sql, slot, hash)),
    `INSERT INTO dbo.releases (slot, hash, made_at, in_use_at) VALUES ('${slot}', '${hash}', ${NOW}, ${NOW});\n`,
  ];
}

/** Where a release stands now. */
export interface Installed {
  slot: Slot;
  hash: string;
  /** Whether it was there already. */
  known: boolean;
}

/** The slot to fill: an empty one, or the one out of use for longest. @throws Error when all were in use within a day */
function chooseSlot(standing: readonly { slot: string; hash: string; unused: number }[]): Slot {
  const empty = SLOTS.find((slot) => !standing.some((row) => row.slot === slot));
  if (empty !== undefined) return empty;
  const [oldest] = [...standing].sort((a, b) => b.unused - a.unused);
  const slot = SLOTS.find((name) => name === oldest?.slot);
  if (oldest !== undefined && slot !== undefined && oldest.unused >= IN_USE_MILLISECONDS) return slot;
  const uses = standing.map((row) => `${row.slot} (${row.hash}, ${Math.round(row.unused / 60_000)} minutes ago)`);
  throw new Error(
    `every slot has a release that was in use within a day: ${uses.join(", ")}; when no process runs one of them any more, name it: --replace ${oldest?.slot ?? SLOTS[0]}`,
  );
}

/**
 * Makes the procedures of this release, unless they are there. In the transaction of the caller, who holds the lock of the
 * migrations.
 *
 * @param replace the slot to fill although it may be in use
 * @throws Error when all slots were in use within a day
 */
export async function installRelease(transaction: mssql.Transaction, replace?: Slot): Promise<Installed> {
  const release = readRelease();
  const found = await transaction.request().query<{ slot: string; hash: string; unused: number | string }>(STANDING);
  const standing = found.recordset.map((row) => ({ ...row, unused: Number(row.unused) }));
  const there = SLOTS.find((slot) => standing.some((row) => row.slot === slot && row.hash === release.hash));
  if (there !== undefined) return { slot: there, hash: release.hash, known: true };
  const slot = replace ?? chooseSlot(standing);
  await transaction.request().batch(EMPTY[slot]);
  for (const batch of makingOf(release, slot)) await transaction.request().batch(batch);
  return { slot, hash: release.hash, known: false };
}

/**
 * The same as a script for sqlcmd: nothing is done where the release is there, or where the slot has another one that was
 * in use within a day.
 *
 * @param lock the statements that take the lock of the migrations
 */
export function releaseScript(slot: Slot, lock: string): string[] {
  const release = readRelease();
  return [
    `-- Release ${release.hash} of the procedures, in ${slot}.`,
    "BEGIN TRANSACTION;",
    `${lock}IF EXISTS (SELECT 1 FROM dbo.releases AS r WHERE r.hash = '${release.hash}') COMMIT TRANSACTION;`,
    `ELSE IF EXISTS (SELECT 1 FROM dbo.releases AS r WHERE r.slot = '${slot}' AND r.in_use_at > ${NOW} - ${IN_USE_MILLISECONDS})`,
    "BEGIN",
    "  ROLLBACK TRANSACTION;",
    `  THROW 50114, '${slot} has a release that was in use within a day: choose another slot', 1;`,
    "END;",
    "GO",
    ...[EMPTY[slot], ...makingOf(release, slot)].flatMap(insideTransaction),
    "IF @@TRANCOUNT > 0 COMMIT TRANSACTION;",
    "GO",
  ];
}
