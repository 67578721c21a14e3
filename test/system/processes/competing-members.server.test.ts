import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type mssql from "mssql";
import { dropDatabases, serverEnvironment, takeDatabase, testPool } from "../../contract/mssql-under-test.ts";
import { recountMssql } from "../../support/recount-mssql.ts";
import { competingMembers } from "./competing-members.ts";

describe("on a TDS server", () => {
  let database = "";
  let pool: mssql.ConnectionPool;

  beforeAll(async () => {
    database = await takeDatabase();
    pool = await testPool(database);
  }, 900_000);

  const environment = async () => ({ ...process.env, ...serverEnvironment(database) }) as Record<string, string>;
  competingMembers(environment, { leaseMilliseconds: 30_000, patienceMilliseconds: 300_000 });

  // After those of the members: jest runs them in this order, and a database in use is not dropped.
  afterAll(async () => {
    await pool?.close();
    await dropDatabases();
  });

  it("every counter equals its rows afterwards", async () => {
    expect(await recountMssql(pool)).toEqual([]);
  });
});
