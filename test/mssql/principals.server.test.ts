import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import mssql from "mssql";
import { systemClock } from "../../src/lib/clock.ts";
import { poolConfig } from "../../src/lib/store/mssql/pool-config.ts";
import { dropDatabases, isBabelfish, takeDatabase, testPool, testSettings } from "../contract/mssql-under-test.ts";
import { runScript } from "./databases.ts";

/** The app's principal, made by the scripts of infra/sql: rows of all tables, and no change of the schema. */

const script = (name: string) => readFileSync(new URL(`../../infra/sql/${name}.sql`, import.meta.url), "utf8");

const LOGIN = `agent_communication_login_${process.pid}`;
const PASSWORD = `Aa1!'${randomBytes(12).toString("hex")}`;
const quoted = PASSWORD.replaceAll("'", "''");

const DDL = [
  "CREATE TABLE dbo.mine (x int)",
  "ALTER TABLE dbo.agents ADD mine int",
  "DROP TABLE dbo.operation_answers",
  "TRUNCATE TABLE dbo.counters",
  "CREATE INDEX mine ON dbo.agents (role)",
  "DROP INDEX messages_ready ON dbo.messages",
  "ALTER TABLE dbo.messages DROP CONSTRAINT messages_attempts",
  "CREATE VIEW dbo.mine AS SELECT 1 AS x",
  "CREATE PROCEDURE dbo.mine AS SELECT 1",
  "CREATE SEQUENCE dbo.mine",
  "ALTER SEQUENCE dbo.task_numbers RESTART WITH 1",
  "DROP SEQUENCE dbo.task_numbers",
  "CREATE SCHEMA mine",
  "CREATE ROLE mine",
];

describe("the app's principal", () => {
  let database = "";
  let pool: mssql.ConnectionPool;

  beforeAll(async () => {
    const babelfish = await isBabelfish();
    database = await takeDatabase();
    expect(await runScript("master", `CREATE LOGIN ${LOGIN} WITH PASSWORD = '${quoted}'`)).toEqual([]);
    // The second time changes nothing.
    for (let time = 0; time < 2; time++) {
      const errors = await runScript(database, script("roles"));
      // It cannot let the migrator create tables; the app's grants are a batch of their own.
      const expected = babelfish ? [expect.stringContaining("not currently supported")] : [];
      expect(errors).toEqual(expected);
      const variables = { principal: LOGIN, password: quoted, role: "agent_communication_app" };
      expect(await runScript(database, script("sql-principal"), variables)).toEqual([]);
    }
    // There, a grant on the schema does not include its sequences.
    if (babelfish) {
      const grants = ["message_arrivals", "task_numbers"].map(
        (sequence) => `GRANT UPDATE ON dbo.${sequence} TO agent_communication_app`,
      );
      expect(await runScript(database, grants.join("\nGO\n"))).toEqual([]);
    }
    const authentication = { type: "sql-login", username: LOGIN, password: PASSWORD } as const;
    pool = await new mssql.ConnectionPool(
      await poolConfig({ ...testSettings(database), authentication }, systemClock),
    ).connect();
  });

  afterAll(async () => {
    await pool?.close();
    await dropDatabases();
    expect(await runScript("master", `DROP LOGIN ${LOGIN}`)).toEqual([]);
  });

  it("reads and writes the rows of every table", async () => {
    const administrator = await testPool(database);
    const { recordset } = await administrator.request().query<{ name: string }>("SELECT name FROM sys.tables");
    await administrator.close();
    expect(recordset.length).toBeGreaterThan(20);
    for (const { name } of recordset) {
      await pool.request().query(`SELECT TOP (1) * FROM dbo.${name}; DELETE FROM dbo.${name} WHERE 1 = 0;`);
    }
    await pool.request().query("INSERT INTO dbo.message_types (type, [schema], updated_at) VALUES ('a', 'true', 1)");
    await pool.request().query("UPDATE dbo.message_types SET updated_at = 2 WHERE type = 'a'");
    const { rowsAffected } = await pool.request().query("DELETE FROM dbo.message_types WHERE type = 'a'");
    expect(rowsAffected).toEqual([1]);
  });

  it("takes numbers of the sequences", async () => {
    const { recordset } = await pool
      .request()
      .query("SELECT NEXT VALUE FOR dbo.message_arrivals AS a, NEXT VALUE FOR dbo.task_numbers AS t");
    expect(recordset).toHaveLength(1);
  });

  it.each(DDL)("may not %s", async (statement) => {
    await expect(pool.request().batch(statement)).rejects.toThrow(
      /permission|denied|must be owner|cannot find the object|not exist/i,
    );
  });
});
