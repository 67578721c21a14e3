import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type mssql from "mssql";
import { OffsetClock, systemClock } from "../../../src/lib/model/clock.ts";
import { Connection } from "../../../src/lib/store/mssql/connection.ts";
import { storeOver } from "../../../src/lib/store/mssql/open.ts";
import type { Store } from "../../../src/lib/store/store.ts";
import { admitApp, appPool, dropLogin, grantTables, makeLogin } from "../../contract/app-principal.ts";
import {
  dropDatabases,
  isBabelfish,
  openOn,
  takeDatabase,
  testPool,
  testSettings,
} from "../../contract/mssql-under-test.ts";
import { CALM_SETTINGS } from "../../contract/store-under-test.ts";
import { rowsOf, runScript } from "./databases.ts";

/** The app's principal, made by the scripts of infra/sql: it may execute the procedures of a release, and nothing else. */

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
  "CREATE PROCEDURE release_b.mine AS SELECT 1",
  "DROP PROCEDURE release_a.complete_tasks",
  "CREATE SEQUENCE dbo.mine",
  "ALTER SEQUENCE dbo.task_numbers RESTART WITH 1",
  "DROP SEQUENCE dbo.task_numbers",
  "CREATE SCHEMA mine",
  "ALTER TABLE audit.entries ADD mine int",
  "DROP TABLE audit.entries",
  "DROP PROCEDURE audit.drop_oldest_block",
  "CREATE ROLE mine",
];

const REFUSED = /permission|denied|must be owner|cannot find the object|not exist/i;

describe("the app's principal", () => {
  let database = "";
  let babelfish = false;
  let administrator: mssql.ConnectionPool;
  let pool: mssql.ConnectionPool;
  let store: Store;

  beforeAll(async () => {
    babelfish = await isBabelfish();
    database = await takeDatabase();
    administrator = await testPool(database);
    const master = await testPool("master");
    await makeLogin(master);
    await master.close();
    // The second time changes nothing.
    for (let time = 0; time < 2; time++) {
      const unsupported = await admitApp(administrator);
      if (!babelfish) expect(unsupported).toEqual([]);
    }
    if (babelfish) await grantTables(administrator);
    pool = await appPool(testSettings(database));
    const connection = { openPool: async () => pool, keepPool: true, settings: CALM_SETTINGS, clock: systemClock };
    store = storeOver(new Connection(connection));
  });

  afterAll(async () => {
    await store?.close();
    await pool?.close();
    await administrator?.close();
    await dropDatabases();
    const master = await testPool("master");
    await dropLogin(master);
    await master.close();
  });

  it("does all that a fleet asks for, by procedures", async () => {
    const worker = { agentId: "w", role: "worker" as const, capabilities: ["x"], maxConcurrentTasks: 1 };
    await store.registerAgent(worker);
    await store.registerAgent({ agentId: "lead", role: "supervisor", capabilities: [], maxConcurrentTasks: 1 });
    const claim = { agentId: "w", maxMessages: 1, maxBytes: 1_000_000, leaseMilliseconds: 60_000 };
    await expect(store.claimMessages(claim)).resolves.toMatchObject({ messages: [] });
    await store.recordAudit([{ action: "request.refused", subjectKind: "request", subjectId: "x" }]);
    await store.sweep();
    await store.maintain();
    await expect(store.checkHealth()).resolves.toMatchObject({
      databaseConnection: true,
      messageQueueOperational: true,
    });
    await expect(store.listAgents({ limit: 10 })).resolves.toMatchObject({
      items: [{ agentId: "lead" }, { agentId: "w" }],
    });
  });

  it("is refused every direct read and write", async () => {
    const { recordset } = await administrator.request().query<{ name: string }>(
      `SELECT CONCAT(s.name, '.', t.name) AS name FROM sys.tables AS t JOIN sys.schemas AS s ON s.schema_id = t.schema_id
       WHERE s.name IN ('dbo', 'audit')`,
    );
    expect(recordset.length).toBeGreaterThan(25);
    // There, a procedure has no more rights than the principal that executes it, which therefore has those of its tables.
    if (babelfish) return;
    for (const { name } of recordset) {
      const { recordset: columns } = await administrator
        .request()
        .query<{ name: string }>(`SELECT TOP (1) QUOTENAME(c.name) AS name FROM sys.columns AS c
          WHERE c.object_id = OBJECT_ID('${name}') AND c.is_identity = 0 AND c.is_computed = 0`);
      const column = columns[0]?.name;
      for (const statement of [
        `SELECT TOP (1) * FROM ${name}`,
        `INSERT INTO ${name} (${column}) SELECT ${column} FROM ${name} WHERE 1 = 0`,
        `UPDATE ${name} SET ${column} = ${column} WHERE 1 = 0`,
        `DELETE FROM ${name} WHERE 1 = 0`,
      ]) {
        await expect(pool.request().batch(statement)).rejects.toThrow(REFUSED);
      }
    }
    await expect(pool.request().query("SELECT NEXT VALUE FOR dbo.task_numbers AS t")).rejects.toThrow(REFUSED);
    await expect(pool.request().execute("audit.drop_oldest_block")).rejects.toThrow(REFUSED);
  });

  it.each(DDL)("may not %s", async (statement) => {
    await expect(pool.request().batch(statement)).rejects.toThrow(REFUSED);
  });
});

describe("the audit's floor", () => {
  it("keeps what is younger, whatever retention the app asks for", async () => {
    const database = await takeDatabase();
    const drop = `DECLARE @block bigint, @entries int;
EXEC audit.drop_oldest_block @before = 9007199254740991, @blockNo = @block OUTPUT, @entries = @entries OUTPUT;
SELECT @block AS block, @entries AS entries;`;
    const clock = new OffsetClock();
    const store = openOn(database, {}, clock);
    for (let block = 0; block < 2; block++) {
      await store.recordAudit([{ action: "request.refused", subjectKind: "request", subjectId: `${block}` }]);
      clock.advance(120_000);
      await store.sweep();
    }
    await store.close();
    await runScript(database, "UPDATE audit.policy SET floor_days = 30");
    expect(await rowsOf(database, drop)).toEqual([" 0"]);
    await runScript(database, "UPDATE audit.policy SET floor_days = -1");
    expect(await rowsOf(database, drop)).toEqual([expect.stringMatching(/^1 [1-9]/)]);
    // The newest stays.
    expect(await rowsOf(database, drop)).toEqual([" 0"]);
    await dropDatabases();
  });
});
