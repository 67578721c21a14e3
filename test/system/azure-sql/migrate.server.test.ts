import { afterAll, describe, expect, it } from "@jest/globals";
import { readMigrations } from "../../../src/lib/store/migrations.ts";
import { migrationScript } from "../../../src/lib/store/mssql/migrate.ts";
import { readRelease } from "../../../src/lib/store/mssql/procedure-files.ts";
import { dropDatabases, openOn, serverEnvironment } from "../../contract/mssql-under-test.ts";
import { runFile } from "../../support/run-process.ts";
import { dropEmptyDatabases, makeEmptyDatabase, rowsOf, runScript } from "./databases.ts";

/** How the schema of an Azure SQL database comes about: by npm run migrate, by its script, or by hand. */

const files = readMigrations(new URL("../../../src/lib/store/mssql/migrations/", import.meta.url));

/** Tables and columns, however they were made. */
const SHAPE = `SELECT t.name AS [table], c.name, c.system_type_id, c.max_length, c.is_nullable, c.is_identity
FROM sys.tables AS t JOIN sys.columns AS c ON c.object_id = t.object_id ORDER BY t.name, c.column_id`;
const RECORDED = "SELECT version, name, checksum FROM dbo.schema_migrations ORDER BY version";
const recorded = files.map(({ version, name, checksum }) => `${version} ${name} ${checksum}`);

async function migrate(database: string) {
  return runFile("scripts/migrate.ts", [], { environment: serverEnvironment(database) });
}

/** @param procedures what is said of them, when that is something else */
const lines = (outcome: string, procedures = outcome) =>
  `${files.map(({ name }) => `${name}: ${outcome}\n`).join("")}procedures ${readRelease().hash} in release_a: ${procedures}\n`;

describe("on a server", () => {
  afterAll(async () => {
    await dropDatabases();
    await dropEmptyDatabases();
  });

  let migrated = "";

  it("each migration is applied once, with a line", async () => {
    migrated = await makeEmptyDatabase();
    expect(await migrate(migrated)).toEqual({ code: 0, out: lines("applied"), error: "" });
    expect(await migrate(migrated)).toEqual({ code: 0, out: lines("already applied"), error: "" });
    expect(await rowsOf(migrated, RECORDED)).toEqual(recorded);
  });

  it("two that run at once both come out well", async () => {
    const database = await makeEmptyDatabase();
    const both = await Promise.all([migrate(database), migrate(database)]);
    expect(both.map(({ code, error }) => ({ code, error }))).toEqual([
      { code: 0, error: "" },
      { code: 0, error: "" },
    ]);
    // Each has been applied by one of the two; which, is decided anew for each.
    const said = both.flatMap(({ out }) => out.trimEnd().split("\n")).sort();
    expect(said).toEqual(`${lines("already applied")}${lines("applied")}`.trimEnd().split("\n").sort());
  });

  it("the script makes the same schema, may run again, and counts as applied", async () => {
    const scripted = await makeEmptyDatabase();
    expect(await runScript(scripted, migrationScript())).toEqual([]);
    expect(await runScript(scripted, migrationScript())).toEqual([]);
    expect(await rowsOf(scripted, SHAPE)).toEqual(await rowsOf(migrated, SHAPE));
    expect(await rowsOf(scripted, RECORDED)).toEqual(recorded);
    expect((await migrate(scripted)).out).toBe(lines("already applied"));
  });

  it("the files by hand make the same schema, and the checksums are added later", async () => {
    const byHand = await makeEmptyDatabase();
    for (const { sql } of files) expect(await runScript(byHand, sql)).toEqual([]);
    expect(await rowsOf(byHand, SHAPE)).toEqual(await rowsOf(migrated, SHAPE));
    expect(await rowsOf(byHand, "SELECT version FROM dbo.schema_migrations WHERE checksum IS NULL")).toEqual(
      files.map(({ version }) => String(version)),
    );
    expect((await migrate(byHand)).out).toBe(lines("recorded", "applied"));
    expect(await rowsOf(byHand, RECORDED)).toEqual(recorded);
  });

  it("a migration that fails leaves nothing behind, in the script as well", async () => {
    for (const apply of [migrate, async (database: string) => runScript(database, migrationScript())]) {
      const database = await makeEmptyDatabase();
      // In the way of one of the last tables.
      expect(await runScript(database, "CREATE TABLE dbo.message_types (mine int)")).toEqual([]);
      await apply(database);
      expect(await rowsOf(database, "SELECT name FROM sys.tables")).toEqual(["message_types"]);
    }
  });

  it("an audit that has been made without a ledger cannot become one: it ends with one line and 1", async () => {
    const { code, error } = await runFile("scripts/migrate.ts", ["--ledger"], {
      environment: serverEnvironment(migrated),
    });
    expect({ code, error }).toEqual({
      code: 1,
      error: expect.stringMatching(/^migrate: 0003_audit\.sql has been applied without a ledger[^\n]*\n$/),
    });
  });

  it.each([
    ["an applied file has changed", "UPDATE dbo.schema_migrations SET checksum = 'x'", "0001_initial.sql was changed"],
    [
      "a newer version was here",
      "INSERT INTO dbo.schema_migrations (version, name, applied_at) VALUES (9999, 'x', 0)",
      "newer version",
    ],
  ])("it ends with one line and 1 when %s", async (_, change, says) => {
    const database = await makeEmptyDatabase();
    await migrate(database);
    expect(await runScript(database, change)).toEqual([]);
    const { code, out, error } = await migrate(database);
    expect({ code, out }).toEqual({ code: 1, out: "" });
    expect(error).toMatch(/^migrate: [^\n]+\n$/);
    expect(error).toContain(says);
  });

  it("a store that opens before it, is unavailable until it has run", async () => {
    const database = await makeEmptyDatabase();
    const store = await openOn(database);
    try {
      await expect(store.getAgent("a")).rejects.toMatchObject({
        code: "STORE_UNAVAILABLE",
        message: expect.stringContaining("npm run migrate"),
      });
      expect((await store.checkHealth()).databaseConnection).toBe(false);
      await migrate(database);
      await expect(store.getAgent("a")).rejects.toMatchObject({ code: "AGENT_NOT_FOUND" });
      expect((await store.checkHealth()).databaseConnection).toBe(true);
    } finally {
      await store.close();
    }
  });
});
