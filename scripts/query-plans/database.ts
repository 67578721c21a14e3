import type mssql from "mssql";
import { readSqlSettings, type SqlSettings } from "../../src/lib/config/sql-settings.ts";
import { systemClock } from "../../src/lib/model/clock.ts";
import { Connection } from "../../src/lib/store/mssql/connection.ts";
import { connectPool, poolConfig } from "../../src/lib/store/mssql/pool-config.ts";
import type { StoreSettings } from "../../src/lib/store/store.ts";

/** How the measuring scripts reach a database. */

/** Nobody falls silent and nothing is deleted while something is measured. */
export const CALM: StoreSettings = {
  heartbeatIntervalSeconds: 3_600,
  heartbeatTimeoutSeconds: 864_000,
  defaultTimeoutSeconds: 300,
  maxRetries: 3,
  maxTaskDepth: 8,
  maxTasksPerRoot: 1_000,
  maxMailbox: 10_000_000,
  messageRetentionDays: 365,
  deadLetterRetentionDays: 365,
  inactiveRetentionDays: 365,
  taskRetentionDays: 365,
  auditRetentionDays: 365,
  auditMessages: false,
};

/**
 * What AZURE_SQL_* say.
 *
 * @param database instead of AZURE_SQL_DATABASE
 * @throws Error naming every bad setting
 */
export function settingsOf(database?: string): SqlSettings {
  const given = Object.entries(process.env).filter(([, value]) => value !== "");
  const environment = Object.fromEntries(database === undefined ? given : [...given, ["AZURE_SQL_DATABASE", database]]);
  const read = readSqlSettings(environment);
  if ("problems" in read) throw new Error(`bad settings: ${read.problems.join("; ")}`);
  return read.settings;
}

/** A connection for a store as it runs in a server process. */
export function openConnection(
  settings: SqlSettings,
  change: (config: mssql.config) => mssql.config = (config) => config,
): Connection {
  return new Connection({
    openPool: async () => connectPool(change(await poolConfig(settings, systemClock))),
    settings: CALM,
    clock: systemClock,
  });
}

/** A pool of one's own; a statement of the filling may take what it takes. */
export async function openPool(settings: SqlSettings): Promise<mssql.ConnectionPool> {
  const config = await poolConfig(settings, systemClock);
  return connectPool({ ...config, requestTimeout: 0 });
}

/** The engine, by the first line of what it says of itself. */
export async function engineOf(pool: mssql.ConnectionPool): Promise<string> {
  const { recordset } = await pool.request().query<{ version: string }>("SELECT @@VERSION AS version");
  const lines = String(recordset[0]?.version).split("\n");
  return lines.filter((line, index) => index === 0 || line.startsWith("PostgreSQL")).join("; ");
}
