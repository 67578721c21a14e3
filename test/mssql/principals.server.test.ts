import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import mssql from "mssql";
import { OffsetClock, systemClock } from "../../src/lib/clock.ts";
import { poolConfig } from "../../src/lib/store/mssql/pool-config.ts";
import {
  dropDatabases,
  isBabelfish,
  openOn,
  takeDatabase,
  testPool,
  testSettings,
} from "../contract/mssql-under-test.ts";
import { rowsOf, runScript } from "./databases.ts";

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
  "ALTER TABLE audit.entries ADD mine int",
  "DROP TABLE audit.entries",
  "DROP PROCEDURE audit.drop_oldest_block",
  "CREATE ROLE mine",
];

const ENTRY = `INSERT INTO audit.entries (at, actor, action, subject_kind, subject_id, detail)
VALUES (1, 'principal', 'request.refused', 'request', 'x', '{}')`;

/** What is in the audit stays as it is; and who may decide what is old enough is not the app. */
const AUDIT_CHANGES = [
  "UPDATE audit.entries SET actor = 'x' WHERE entry_no = 1",
  "DELETE FROM audit.entries WHERE entry_no = 1",
  "TRUNCATE TABLE audit.entries",
  "UPDATE audit.blocks SET hash = 'x' WHERE block_no = 1",
  "DELETE FROM audit.blocks WHERE block_no = 1",
  "UPDATE audit.block_entries SET block_no = 2 WHERE entry_no = 1",
  "DELETE FROM audit.block_entries WHERE entry_no = 1",
  "INSERT INTO audit.dropped_blocks (block_no, dropped_at) VALUES (1, 1)",
  "DELETE FROM audit.dropped_blocks WHERE block_no = 1",
  "INSERT INTO audit.policy (policy_no, floor_days) VALUES (1, 1)",
  "UPDATE audit.policy SET floor_days = 0",
  "DELETE FROM audit.policy WHERE policy_no = 1",
];

const DROP = `DECLARE @block bigint, @entries int;
EXEC audit.drop_oldest_block @before = 9007199254740991, @blockNo = @block OUTPUT, @entries = @entries OUTPUT;
SELECT @block AS block, @entries AS entries;`;

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
      // It can neither let the migrator create tables nor give it a schema; the app's grants are batches of their own.
      const unsupported = expect.stringContaining("not currently supported");
      const expected = babelfish ? [unsupported, unsupported] : [];
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
    const { recordset } = await administrator
      .request()
      .query<{ name: string }>("SELECT name FROM sys.tables WHERE schema_id = SCHEMA_ID('dbo')");
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

  it("adds to the audit and reads it", async () => {
    await pool.request().query(ENTRY);
    for (const name of ["entries", "blocks", "block_entries", "dropped_blocks", "policy"]) {
      await pool.request().query(`SELECT TOP (1) * FROM audit.${name}`);
    }
    const { recordset } = await pool.request().query("SELECT action FROM audit.entries WHERE actor = 'principal'");
    expect(recordset).toEqual([{ action: "request.refused" }]);
  });

  it.each(AUDIT_CHANGES)("may not %s", async (statement) => {
    await expect(pool.request().batch(statement)).rejects.toThrow(/permission|denied/i);
  });

  it("drops only what is older than a floor that it cannot move", async () => {
    const clock = new OffsetClock();
    const store = openOn(database, {}, clock);
    for (let block = 0; block < 2; block++) {
      await store.recordAudit([{ action: "request.refused", subjectKind: "request", subjectId: `${block}` }]);
      clock.advance(120_000);
      await store.sweep();
    }
    await store.close();
    // There, a procedure has no more rights than who executes it, so the app's cannot be tried.
    const dropper = (await isBabelfish()) ? await testPool(database) : pool;
    const drop = async () => {
      const { recordset } = await dropper.request().query<{ block: number | null; entries: number }>(DROP);
      return recordset[0];
    };
    await runScript(database, "UPDATE audit.policy SET floor_days = 30");
    expect(await drop()).toEqual({ block: null, entries: 0 });
    await runScript(database, "UPDATE audit.policy SET floor_days = -1");
    const dropped = await drop();
    expect(Number(dropped?.block)).toBe(1);
    expect(dropped?.entries).toBeGreaterThan(0);
    // The newest stays.
    expect(await drop()).toEqual({ block: null, entries: 0 });
    expect(await rowsOf(database, "SELECT block_no FROM audit.blocks ORDER BY block_no")).toEqual(["1", "2"]);
    if (dropper !== pool) await dropper.close();
  });

  it.each(DDL)("may not %s", async (statement) => {
    await expect(pool.request().batch(statement)).rejects.toThrow(
      /permission|denied|must be owner|cannot find the object|not exist/i,
    );
  });
});
