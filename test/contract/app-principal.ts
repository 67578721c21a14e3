import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import mssql from "mssql";
import type { SqlSettings } from "../../src/lib/config/sql-settings.ts";
import { systemClock } from "../../src/lib/model/clock.ts";
import { poolConfig } from "../../src/lib/store/mssql/pool-config.ts";
import { batchesOf } from "../../src/lib/store/mssql/texts.ts";

/** The principal that the app runs as, made by the scripts of infra/sql. */

const LOGIN = `agent_communication_login_${process.pid}`;
const PASSWORD = `Aa1!'${randomBytes(12).toString("hex")}`;
const quoted = PASSWORD.replaceAll("'", "''");

/** What the scripts say that the server does not do. */
const UNSUPPORTED = /not currently supported|not yet supported/;

/** Runs a script of infra/sql batch by batch, as sqlcmd does, going on after an error. @returns the errors */
async function runScript(
  pool: mssql.ConnectionPool,
  name: string,
  variables: Readonly<Record<string, string>> = {},
): Promise<string[]> {
  let text = readFileSync(new URL(`../../infra/sql/${name}.sql`, import.meta.url), "utf8");
  for (const [variable, value] of Object.entries(variables)) text = text.replaceAll(`$(${variable})`, value);
  const errors: string[] = [];
  for (const batch of batchesOf(text)) {
    await pool
      .request()
      .batch(batch)
      .catch((error: unknown) => errors.push(error instanceof Error ? error.message : String(error)));
  }
  return errors;
}

/**
 * Makes the login, if it is not there.
 *
 * @param master a pool of an administrator on master
 */
export async function makeLogin(master: mssql.ConnectionPool): Promise<void> {
  await master.request().batch(`IF SUSER_ID(N'${LOGIN}') IS NULL CREATE LOGIN ${LOGIN} WITH PASSWORD = '${quoted}'`);
}

export async function dropLogin(master: mssql.ConnectionPool): Promise<void> {
  await master.request().batch(`IF SUSER_ID(N'${LOGIN}') IS NOT NULL DROP LOGIN ${LOGIN}`);
}

/**
 * Lets the login into a database as the app; may be repeated.
 *
 * @param administrator a pool on that database
 * @returns what the server does not do of it (Babelfish alone)
 * @throws Error on any other error
 */
export async function admitApp(administrator: mssql.ConnectionPool): Promise<string[]> {
  const variables = { principal: LOGIN, password: quoted, role: "agent_communication_app" };
  const errors = [
    ...(await runScript(administrator, "roles")),
    ...(await runScript(administrator, "sql-principal", variables)),
  ];
  const other = errors.find((error) => !UNSUPPORTED.test(error));
  if (other !== undefined) throw new Error(other);
  return errors;
}

/**
 * For Babelfish, where a procedure has no more rights than the principal that executes it: the rights on the tables that its
 * procedures use.
 */
export async function grantTables(administrator: mssql.ConnectionPool): Promise<void> {
  const grants = [
    "SELECT, INSERT, UPDATE, DELETE ON SCHEMA::dbo",
    // A table type is a table there.
    ...["release_a", "release_b", "release_c"].map((slot) => `SELECT ON SCHEMA::${slot}`),
    "UPDATE ON dbo.message_arrivals",
    "UPDATE ON dbo.task_numbers",
    ...["entries", "blocks", "block_entries"].map((table) => `SELECT, INSERT ON audit.${table}`),
    // A foreign key locks the row that it names.
    "UPDATE ON audit.blocks",
    "SELECT ON audit.dropped_blocks",
    "SELECT ON audit.policy",
    "EXECUTE ON audit.drop_oldest_block",
  ];
  for (const grant of grants) await administrator.request().batch(`GRANT ${grant} TO agent_communication_app`);
}

/** A pool of the app on a database that it has been let into. */
export async function appPool(settings: SqlSettings): Promise<mssql.ConnectionPool> {
  const authentication = { type: "sql-login", username: LOGIN, password: PASSWORD } as const;
  return new mssql.ConnectionPool(await poolConfig({ ...settings, authentication }, systemClock)).connect();
}
