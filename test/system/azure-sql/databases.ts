import mssql from "mssql";
import { systemClock } from "../../../src/lib/model/clock.ts";
import { poolConfig } from "../../../src/lib/store/mssql/pool-config.ts";
import { insist, testPool, testSettings } from "../../contract/mssql-under-test.ts";

/** Empty databases of the server under test, and scripts that run there as sqlcmd would run them. */

const made: string[] = [];

/** Makes a database without a schema. */
export async function makeEmptyDatabase(): Promise<string> {
  const name = `agent_communication_empty_${process.pid}_${made.length}`;
  made.push(name);
  await runBatches("master", [`DROP DATABASE IF EXISTS ${name}`, `CREATE DATABASE ${name}`]);
  return name;
}

export async function dropEmptyDatabases(): Promise<void> {
  await runBatches(
    "master",
    made.splice(0).map((name) => `DROP DATABASE IF EXISTS ${name}`),
  );
}

/** Runs the batches of a script one after the other on one connection and goes on after an error, as sqlcmd does. @returns the errors */
export async function runScript(
  database: string,
  script: string,
  variables: Record<string, string> = {},
): Promise<string[]> {
  let text = script;
  for (const [name, value] of Object.entries(variables)) text = text.replaceAll(`$(${name})`, value);
  const config = await poolConfig({ ...testSettings(database), poolSize: 1 }, systemClock);
  const pool = await new mssql.ConnectionPool(config).connect();
  const errors: string[] = [];
  try {
    for (const batch of text.split(/^GO$/m)) {
      if (batch.trim() === "") continue;
      await pool
        .request()
        .batch(batch)
        .catch((error: unknown) => errors.push(error instanceof Error ? error.message : String(error)));
    }
  } finally {
    await pool.close();
  }
  return errors;
}

async function runBatches(database: string, batches: readonly string[]): Promise<void> {
  const pool = await testPool(database);
  try {
    for (const batch of batches) await insist(() => pool.request().batch(batch));
  } finally {
    await pool.close();
  }
}

/** The rows of a query, each as one line. */
export async function rowsOf(database: string, query: string): Promise<string[]> {
  const pool = await testPool(database);
  try {
    const { recordset } = await pool.request().query<Record<string, unknown>>(query);
    return recordset.map((row) => Object.values(row).join(" "));
  } finally {
    await pool.close();
  }
}
