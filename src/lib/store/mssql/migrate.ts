import { createHash } from "node:crypto";
import mssql from "mssql";
import { type Migration, missingMigrations, readMigrations } from "../migrations.ts";
import type { Row } from "./batch.ts";
import { EMPTY_ALL, installRelease, releaseScript } from "./install-release.ts";
import type { Slot } from "./procedure-files.ts";
import { batchesOf, insideTransaction, sqlText } from "./texts.ts";

// Unlike the embedded store, this one is not brought up to date by opening it: the app may not change the schema.

const FOLDER = new URL("./migrations/", import.meta.url);

/** What `migrate` may be told. */
export interface MigrationOptions {
  /** The audit's tables are made once, and stay what they are: its entries and blocks as append-only ledger tables: nobody can change or delete them, so there is no retention. */
  ledger?: boolean | undefined;
  /** Where the procedures go; left out: an empty slot, or the one out of use for longest (as a script: release_a). */
  slot?: Slot | undefined;
}

/** Before what counts in the form with a ledger only. */
const LEDGER_MARK = "-- ledger: ";

function withLedger(migration: Migration): Migration {
  const sql = migration.sql.replaceAll(LEDGER_MARK, "");
  return { ...migration, sql, checksum: createHash("sha256").update(sql).digest("hex") };
}

/** The files; those that have two forms, in the one that is asked for. */
function migrationsOf({ ledger = false }: MigrationOptions = {}): Migration[] {
  const files = readMigrations(FOLDER);
  return ledger ? files.map(withLedger) : files;
}

/** Which migrations a database has. (Only the branch that runs is compiled, so the table may be missing.) */
const APPLIED = sqlText(
  "applied-migrations",
  `IF OBJECT_ID(N'dbo.schema_migrations') IS NULL
  SELECT CAST(NULL AS int) AS version, CAST(NULL AS varchar(64)) AS checksum WHERE 1 = 0;
ELSE
  SELECT version, checksum FROM dbo.schema_migrations;
`,
);

/** How long a second migration waits for the first. */
const LOCK_MILLISECONDS = 60_000;

/** One migration at a time; the lock ends with the transaction. */
const LOCK = sqlText(
  "lock-migrations",
  `SET XACT_ABORT ON;
DECLARE @locked int;
EXEC @locked = sp_getapplock @Resource = N'agent-communication migrations', @LockMode = N'Exclusive',
  @LockOwner = N'Transaction', @LockTimeout = ${LOCK_MILLISECONDS};
IF @locked < 0 THROW 50110, 'another migration is running', 1;
`,
);

const RECORD_CHECKSUM = sqlText(
  "record-migration",
  "UPDATE dbo.schema_migrations SET checksum = @checksum WHERE version = @version AND checksum IS NULL;\n",
);

/** What happened to a migration. */
export interface Applied {
  name: string;
  /** `recorded`: it had been applied by hand, and its checksum is kept from now on. */
  outcome: "applied" | "already applied" | "recorded";
}

/** Checksums by version; a form with a ledger counts as the file that it was made from. */
function appliedVersions(rows: readonly Row[]): Map<number, string | null> {
  const plain = readMigrations(FOLDER);
  const fileOf = new Map(plain.map((file) => [withLedger(file).checksum, file.checksum]));
  return new Map(
    rows.map(({ version, checksum }) => {
      const known = checksum === null ? null : String(checksum);
      return [Number(version), known === null ? null : (fileOf.get(known) ?? known)];
    }),
  );
}

/** @throws Error when a ledger is asked for and the tables have been made without */
function refuseLateLedger(rows: readonly Row[], { ledger = false }: MigrationOptions): void {
  if (!ledger) return;
  for (const file of readMigrations(FOLDER)) {
    const form = withLedger(file).checksum;
    const row = rows.find(({ version }) => Number(version) === file.version);
    if (form === file.checksum || row === undefined || row.checksum === form) continue;
    throw new Error(`${file.name} has been applied without a ledger, and tables that are there cannot become one`);
  }
}

/** A migration says whether releases that were made before it may go on beside it. */
const KEEPS_RELEASES = /^-- older releases: keep$/m;
/** The first one that there may be releases before. */
const FIRST_AFTER_RELEASES = 14;

/**
 * Brings the schema and the procedures up to date, each migration in a transaction of its own; two that run at once both come out well.
 *
 * @param pool of somebody who may change the schema
 * @param report is told of every migration as soon as it is done
 * @throws Error when an applied file has changed, or the database was written by a newer version
 */
export async function applyMigrations(
  pool: mssql.ConnectionPool,
  report: (applied: Applied) => void = () => {},
  options: MigrationOptions = {},
): Promise<void> {
  const files = migrationsOf();
  for (const [place, migration] of migrationsOf(options).entries()) {
    await locked(pool, async (transaction) => {
      const found = await transaction.request().batch<Row>(APPLIED);
      refuseLateLedger(found.recordset, options);
      const missing = missingMigrations(files, appliedVersions(found.recordset));
      const isMissing = missing.some((file) => file === files[place]);
      if (isMissing) await applyOne(transaction, migration);
      const recorded = await recordChecksum(transaction, migration);
      return { name: migration.name, outcome: isMissing ? "applied" : recorded ? "recorded" : "already applied" };
    }).then(report);
  }
  await locked(pool, async (transaction) => {
    const { slot, hash, known } = await installRelease(transaction, options.slot);
    return { name: `procedures ${hash} in ${slot}`, outcome: known ? "already applied" : "applied" };
  }).then(report);
}

/** Does something in a transaction that no other migration runs beside. */
async function locked(
  pool: mssql.ConnectionPool,
  act: (transaction: mssql.Transaction) => Promise<Applied>,
): Promise<Applied> {
  const transaction = pool.transaction();
  await transaction.begin(mssql.ISOLATION_LEVEL.READ_COMMITTED);
  try {
    await transaction.request().batch(LOCK);
    const done = await act(transaction);
    await transaction.commit();
    return done;
  } catch (error) {
    // The server may have undone it already, which the driver then calls an error of its own.
    await transaction.rollback().catch(() => {});
    throw error;
  }
}

async function applyOne(transaction: mssql.Transaction, migration: Migration): Promise<void> {
  for (const batch of [...batchesOf(migration.sql), ...batchesAfter(migration)])
    await transaction.request().batch(batch);
}

/** What empties the slots where older releases may not go on. */
function batchesAfter({ version, sql }: Migration): readonly string[] {
  return version < FIRST_AFTER_RELEASES || KEEPS_RELEASES.test(sql) ? [] : EMPTY_ALL;
}

async function recordChecksum(transaction: mssql.Transaction, migration: Migration): Promise<boolean> {
  const request = transaction.request();
  request.input("version", mssql.Int, migration.version);
  request.input("checksum", mssql.VarChar(64), migration.checksum);
  const { rowsAffected } = await request.query(RECORD_CHECKSUM);
  return rowsAffected.some((rows) => rows > 0);
}

/**
 * All migrations as one script that may be run again and again, also by plain sqlcmd, which goes on after an error: a
 * migration's transaction is only begun when it is the next one to apply, and every batch does something only inside of it,
 * so after an error, which undoes the transaction, the rest does nothing. The batches are texts within the script because
 * the server compiles a batch even if it is not to run.
 */
export function migrationScript(options: MigrationOptions = {}): string {
  return [
    "-- The schema of agent-communication; made by `npm run migrate -- --script`. Does only what is not yet done.",
    "SET QUOTED_IDENTIFIER, ANSI_NULLS, XACT_ABORT ON;",
    "GO",
    ...migrationsOf(options).flatMap(guarded),
    ...releaseScript(options.slot ?? "release_a", LOCK),
    "",
  ].join("\n");
}

function guarded(migration: Migration): string[] {
  const { version, name, sql, checksum } = migration;
  return [
    `-- ${name}`,
    "BEGIN TRANSACTION;",
    `${LOCK}DECLARE @newest int;`,
    "IF OBJECT_ID(N'dbo.schema_migrations') IS NOT NULL SELECT @newest = MAX(version) FROM dbo.schema_migrations;",
    `IF ISNULL(@newest, 0) <> ${version - 1} COMMIT TRANSACTION;`,
    "GO",
    ...[...batchesOf(sql), ...batchesAfter(migration)].flatMap(insideTransaction),
    "IF @@TRANCOUNT > 0",
    "BEGIN",
    `  UPDATE dbo.schema_migrations SET checksum = '${checksum}' WHERE version = ${version};`,
    "  COMMIT TRANSACTION;",
    "END;",
    "GO",
  ];
}
