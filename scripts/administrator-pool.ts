import type mssql from "mssql";
import { readSqlSettings } from "../src/lib/config/sql-settings.ts";
import { systemClock } from "../src/lib/model/clock.ts";
import { connectPool, poolConfig } from "../src/lib/store/mssql/pool-config.ts";

/** A serverless database that is paused says 40613 while it wakes up, for up to a minute. */
const PAUSED = 40_613;
const WAKING_MILLISECONDS = 120_000;
const ASK_AGAIN_MILLISECONDS = 5_000;

/** What the server said last, of a login that it refused. */
export function loginError(error: unknown): { number: number; message: string } | undefined {
  const cause = error instanceof Error && "originalError" in error ? error.originalError : undefined;
  if (!(cause instanceof Error) || !("number" in cause) || typeof cause.number !== "number") return undefined;
  return { number: cause.number, message: cause.message };
}

/**
 * Connects to the database that AZURE_SQL_* name, as whoever may change its schema; waits for one that is paused.
 *
 * @throws Error naming bad settings, or what the server or the way to it says
 */
export async function connectAdministrator(
  variables: Readonly<Record<string, string | undefined>>,
): Promise<mssql.ConnectionPool> {
  const environment = Object.fromEntries(Object.entries(variables).filter(([, value]) => value !== ""));
  const read = readSqlSettings(environment);
  if ("problems" in read) throw new Error(`bad settings: ${read.problems.join("; ")}`);
  // No time limit: an index on a large table takes what it takes.
  const config = { ...(await poolConfig(read.settings, systemClock)), requestTimeout: 0 };
  const end = systemClock.now() + WAKING_MILLISECONDS;
  for (;;) {
    try {
      return await connectPool(config);
    } catch (error) {
      if (loginError(error)?.number !== PAUSED || systemClock.now() > end) throw error;
      await systemClock.sleep(ASK_AGAIN_MILLISECONDS);
    }
  }
}
