import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import type mssql from "mssql";
import { systemClock } from "../src/lib/clock.ts";
import { readSqlSettings } from "../src/lib/config/sql-settings.ts";
import { applyMigrations, migrationScript } from "../src/lib/store/mssql/migrate.ts";
import { connectPool, poolConfig } from "../src/lib/store/mssql/pool-config.ts";

/**
 * npm run migrate                          brings the database that AZURE_SQL_* name up to date, one line per migration
 * npm run migrate -- --script [--out F]    prints the whole as one script for sqlcmd, or writes it to the file F
 *
 * Whoever runs it must be allowed to change the schema (infra/sql/migrator.sql), which the app is not.
 */

/** A serverless database that is paused says 40613 while it wakes up, for up to a minute. */
const PAUSED = 40_613;
const WAKING_MILLISECONDS = 120_000;
const ASK_AGAIN_MILLISECONDS = 5_000;

function isPaused(error: unknown): boolean {
  const cause = error instanceof Error && "originalError" in error ? error.originalError : undefined;
  return cause instanceof Error && "number" in cause && cause.number === PAUSED;
}

async function connect(config: mssql.config): Promise<mssql.ConnectionPool> {
  const end = systemClock.now() + WAKING_MILLISECONDS;
  for (;;) {
    try {
      return await connectPool(config);
    } catch (error) {
      if (!isPaused(error) || systemClock.now() > end) throw error;
      await systemClock.sleep(ASK_AGAIN_MILLISECONDS);
    }
  }
}

async function migrate(): Promise<void> {
  const environment = Object.fromEntries(Object.entries(process.env).filter(([, value]) => value !== ""));
  const read = readSqlSettings(environment);
  if ("problems" in read) throw new Error(`bad settings: ${read.problems.join("; ")}`);
  const config = await poolConfig(read.settings, systemClock);
  // No time limit: an index on a large table takes what it takes.
  const pool = await connect({ ...config, requestTimeout: 0 });
  try {
    await applyMigrations(pool, ({ name, outcome }) => console.log(`${name}: ${outcome}`));
  } finally {
    await pool.close();
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { script: { type: "boolean", default: false }, out: { type: "string" } },
  });
  if (!values.script) await migrate();
  else if (values.out === undefined) process.stdout.write(migrationScript());
  else writeFileSync(values.out, migrationScript());
}

main().catch((error: unknown) => {
  const message = error instanceof Error ? error.message : String(error);
  console.error(`migrate: ${message.replaceAll(/\s+/g, " ").trim()}`);
  process.exitCode = 1;
});
