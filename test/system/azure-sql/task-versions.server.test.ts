import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type mssql from "mssql";
import { OffsetClock } from "../../../src/lib/model/clock.ts";
import type { Store } from "../../../src/lib/store/store.ts";
import { dropDatabases, openOn, takeDatabase, testPool } from "../../contract/mssql-under-test.ts";
import { Scene } from "../../contract/support.ts";
import { WAYS } from "../../support/task-versions.ts";

describe("on Azure SQL the row of a task that", () => {
  const clock = new OffsetClock();
  let store: Store;
  let pool: mssql.ConnectionPool;

  beforeAll(async () => {
    const database = await takeDatabase();
    store = openOn(database, {}, clock);
    pool = await testPool(database);
  }, 900_000);
  afterAll(async () => {
    await store?.close();
    await pool?.close();
    await dropDatabases();
  });

  it.each(WAYS)(
    "$name keeps its version and last outcome",
    async ({ go, state }) => {
      const taskId = await go(new Scene({ store, clock, close: () => store.close() }));
      const { recordset } = await pool
        .request()
        .input("taskId", taskId)
        .query("SELECT status, version, last_outcome FROM dbo.tasks WHERE task_id = @taskId");
      expect(recordset.map((row) => ({ ...row, version: Number(row.version) }))).toEqual([state]);
    },
    900_000,
  );
});
