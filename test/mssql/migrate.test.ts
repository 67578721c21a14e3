import { readFileSync } from "node:fs";
import { afterAll, describe, expect, it } from "@jest/globals";
import { AgentCommunicationError } from "../../src/lib/errors.ts";
import { readMigrations } from "../../src/lib/store/migrations.ts";
import type { Row } from "../../src/lib/store/mssql/batch.ts";
import { batchesOf, checkSchema, migrationScript } from "../../src/lib/store/mssql/migrate.ts";
import { NO_SERVER, openOn, serverEnvironment } from "../contract/mssql-under-test.ts";
import { runFile } from "../support/run-process.ts";
import { dropEmptyDatabases, makeEmptyDatabase, rowsOf, runScript } from "./databases.ts";

/** How the schema of an Azure SQL database comes about: by npm run migrate, by its script, or by hand. */

const files = readMigrations(new URL("../../src/lib/store/mssql/migrations/", import.meta.url));
const [first] = files;
if (first === undefined) throw new Error("there is a first migration");
const newest = files.at(-1)?.version ?? 0;

describe("batches of a file", () => {
  it.each<[string, string[]]>([
    ["SELECT 1;\nGO\nSELECT 2;\nGO\n", ["SELECT 1;", "SELECT 2;"]],
    ["SELECT 1;", ["SELECT 1;"]],
    ["GO\ngo\n  Go  \nSELECT 1;\n", ["SELECT 1;"]],
    ["SELECT 'GO';\nGOTO x;\n-- GO on\n", ["SELECT 'GO';\nGOTO x;\n-- GO on"]],
    ["SELECT 1;\r\nGO\r\nSELECT 2;", ["SELECT 1;", "SELECT 2;"]],
  ])("%j", (text, batches) => expect(batchesOf(text)).toEqual(batches));
});

describe("every migration", () => {
  it.each(files)("$name sets what plain sqlcmd connects without, and records itself", ({ name, sql, version }) => {
    const batches = batchesOf(sql);
    expect(batches[0]).toMatch(/SET QUOTED_IDENTIFIER, ANSI_NULLS ON;$/);
    expect(batches.at(-1)).toContain(`VALUES (${version}, '${name}', DATEDIFF_BIG`);
    // sqlcmd would put a variable there.
    expect(sql).not.toContain("$(");
  });

  it("is numbered without a gap", () => {
    expect(files.map(({ version }) => version)).toEqual(files.map((_, index) => index + 1));
  });
});

describe("the script of all", () => {
  it("has every batch of every migration, as text that runs only in its transaction", () => {
    const script = migrationScript();
    const texts = [...script.matchAll(/^IF @@TRANCOUNT > 0 EXEC \(N'((?:[^']|'')*)'\);$/gm)];
    expect(texts.map(([, text = ""]) => text.replaceAll("''", "'"))).toEqual(
      files.flatMap(({ sql }) => batchesOf(sql)),
    );
    for (const { checksum } of files) expect(script).toContain(checksum);
  });

  it("is printed, or written to a file", async () => {
    const { code, out } = await runFile("scripts/migrate.ts", ["--script"], { environment: { AZURE_SQL_SERVER: "" } });
    expect({ code, out }).toEqual({ code: 0, out: migrationScript() });
  });
});

describe("a store on a database", () => {
  const check = (rows: readonly Row[]) => checkSchema(async () => [rows]);
  const current = files.map(({ version, checksum }) => ({ version, checksum }));

  it("that has been migrated, opens", async () => {
    await expect(check(current)).resolves.toBeUndefined();
    await expect(check(current.map((row) => ({ ...row, checksum: null })))).resolves.toBeUndefined();
  });

  it.each<[string, readonly Row[], RegExp]>([
    ["has not been migrated", [], /^The database lacks 0001_initial\.sql.*`npm run migrate`/],
    [
      "was written by a newer version",
      [...current, { version: newest + 1, checksum: "x" }],
      /^The database was written by a newer version/,
    ],
    [
      "was made by another file",
      current.map((row) => ({ ...row, checksum: "x" })),
      /^Migration 0001_initial\.sql was changed after it had been applied/,
    ],
  ])("that %s, is unavailable and says why", async (_, rows, detail) => {
    const refused = check(rows);
    await expect(refused).rejects.toBeInstanceOf(AgentCommunicationError);
    await expect(refused).rejects.toMatchObject({ code: "STORE_UNAVAILABLE", message: expect.stringMatching(detail) });
  });
});

describe("npm run migrate", () => {
  it("says in one line which settings are bad", async () => {
    const environment = { AZURE_SQL_SERVER: "", AZURE_SQL_DATABASE: "", AZURE_SQL_CONNECTION_STRING: "" };
    const { code, out, error } = await runFile("scripts/migrate.ts", [], { environment });
    expect({ code, out }).toEqual({ code: 1, out: "" });
    expect(error).toMatch(/^migrate: bad settings: AZURE_SQL_SERVER: [^\n]*AZURE_SQL_DATABASE: [^\n]*\n$/);
  });
});

/** Tables, columns and checks, however they were made. */
const SHAPE = `SELECT TABLE_NAME, COLUMN_NAME, DATA_TYPE, CHARACTER_MAXIMUM_LENGTH, IS_NULLABLE
FROM INFORMATION_SCHEMA.COLUMNS WHERE TABLE_SCHEMA = 'dbo' ORDER BY TABLE_NAME, ORDINAL_POSITION`;
const RECORDED = "SELECT version, name, checksum FROM dbo.schema_migrations ORDER BY version";
const recorded = files.map(({ version, name, checksum }) => `${version} ${name} ${checksum}`);

async function migrate(database: string) {
  return runFile("scripts/migrate.ts", [], { environment: serverEnvironment(database) });
}

const lines = (outcome: string) => files.map(({ name }) => `${name}: ${outcome}\n`).join("");

if (NO_SERVER !== undefined) {
  console.log(`migrations on a server: ${NO_SERVER}`);
} else {
  describe("on a server", () => {
    afterAll(dropEmptyDatabases);

    it("each migration is applied once, with a line", async () => {
      const database = await makeEmptyDatabase();
      expect(await migrate(database)).toEqual({ code: 0, out: lines("applied"), error: "" });
      expect(await migrate(database)).toEqual({ code: 0, out: lines("already applied"), error: "" });
      expect(await rowsOf(database, RECORDED)).toEqual(recorded);
    });

    it("two that run at once both come out well", async () => {
      const database = await makeEmptyDatabase();
      const both = await Promise.all([migrate(database), migrate(database)]);
      expect(both.map(({ code, error }) => ({ code, error }))).toEqual([
        { code: 0, error: "" },
        { code: 0, error: "" },
      ]);
      expect(both.map(({ out }) => out).sort()).toEqual([lines("already applied"), lines("applied")]);
    });

    it("the script makes the same schema, may run again, and counts as applied", async () => {
      const [migrated, scripted] = [await makeEmptyDatabase(), await makeEmptyDatabase()];
      await migrate(migrated);
      expect(await runScript(scripted, migrationScript())).toEqual([]);
      expect(await runScript(scripted, migrationScript())).toEqual([]);
      expect(await rowsOf(scripted, SHAPE)).toEqual(await rowsOf(migrated, SHAPE));
      expect(await rowsOf(scripted, RECORDED)).toEqual(recorded);
      expect((await migrate(scripted)).out).toBe(lines("already applied"));
    });

    it("the files by hand make the same schema, and the checksums are added later", async () => {
      const [migrated, byHand] = [await makeEmptyDatabase(), await makeEmptyDatabase()];
      await migrate(migrated);
      for (const { sql } of files) expect(await runScript(byHand, sql)).toEqual([]);
      expect(await rowsOf(byHand, SHAPE)).toEqual(await rowsOf(migrated, SHAPE));
      expect(await rowsOf(byHand, "SELECT version FROM dbo.schema_migrations WHERE checksum IS NULL")).toEqual(
        files.map(({ version }) => String(version)),
      );
      expect((await migrate(byHand)).out).toBe(lines("recorded"));
      expect(await rowsOf(byHand, RECORDED)).toEqual(recorded);
    });

    it("a migration that fails leaves nothing behind, in the script as well", async () => {
      for (const apply of [migrate, async (database: string) => runScript(database, migrationScript())]) {
        const database = await makeEmptyDatabase();
        // In the way of one of the last tables.
        expect(await runScript(database, "CREATE TABLE dbo.message_types (mine int)")).toEqual([]);
        await apply(database);
        expect(await rowsOf(database, "SELECT DISTINCT TABLE_NAME FROM INFORMATION_SCHEMA.TABLES")).toEqual([
          "message_types",
        ]);
      }
    });

    it.each([
      [
        "an applied file has changed",
        "UPDATE dbo.schema_migrations SET checksum = 'x'",
        "0001_initial.sql was changed",
      ],
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
}

describe("the build", () => {
  it("takes the migrations of both engines along", () => {
    const script = readFileSync(new URL("../../scripts/copy-migrations.ts", import.meta.url), "utf8");
    expect(script).toMatch(/"sqlite", "mssql"|"mssql", "sqlite"/);
  });
});
