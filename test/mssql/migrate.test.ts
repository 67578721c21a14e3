import { readFileSync } from "node:fs";
import { describe, expect, it } from "@jest/globals";
import { AgentCommunicationError } from "../../src/lib/errors.ts";
import { readMigrations } from "../../src/lib/store/migrations.ts";
import type { Row } from "../../src/lib/store/mssql/batch.ts";
import { batchesOf, checkSchema, migrationScript } from "../../src/lib/store/mssql/migrate.ts";
import { runFile } from "../support/run-process.ts";
import { NO_DOTNET, parse } from "./tsql-parser.ts";

/** The migrations of Azure SQL and what makes a script of them; migrate.server.test.ts runs them. */

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

  if (NO_DOTNET !== undefined) console.log(`the syntax of the migration script: ${NO_DOTNET}`);
  else {
    it("is T-SQL to Microsoft's own parser", () => {
      const forms = [false, true].map((ledger) => [`ledger ${ledger}`, migrationScript({ ledger })] as const);
      // As texts within the script, and as what the server compiles then.
      const batches = forms.flatMap(([name, script]) =>
        [...script.matchAll(/^IF @@TRANCOUNT > 0 EXEC \(N'((?:[^']|'')*)'\);$/gm)].map(
          ([, text = ""], place) => [`${name} ${place}`, text.replaceAll("''", "'")] as const,
        ),
      );
      expect(batches.length).toBeGreaterThan(20);
      expect(
        parse(new Map([...forms, ...batches])).flatMap(({ name, errors }) => errors.map((one) => ({ name, ...one }))),
      ).toEqual([]);
    });
  }

  it("is printed, or written to a file", async () => {
    const { code, out } = await runFile("scripts/migrate.ts", ["--script"], { environment: { AZURE_SQL_SERVER: "" } });
    expect({ code, out }).toEqual({ code: 0, out: migrationScript() });
  });
});

describe("the form with a ledger", () => {
  const script = migrationScript({ ledger: true });

  it("makes entries and blocks append-only, and leaves nothing that would delete them", () => {
    const [audit = ""] = /^-- 0003_audit\.sql$[\s\S]*?(?=^-- 0004)/m.exec(script) ?? [];
    const tables = [...audit.matchAll(/CREATE TABLE (audit\.\w+) \([^;]*?\)\s*(WITH \(LEDGER[^;]*)?;/g)];
    expect(tables.map(([, table, ledger]) => [table, ledger?.trim()])).toEqual([
      ["audit.entries", "WITH (LEDGER = ON (APPEND_ONLY = ON))"],
      ["audit.blocks", "WITH (LEDGER = ON (APPEND_ONLY = ON))"],
      ["audit.block_entries", "WITH (LEDGER = ON (APPEND_ONLY = ON))"],
      ["audit.dropped_blocks", undefined],
      ["audit.policy", undefined],
    ]);
    const statements = audit.replaceAll(/^ *--.*$/gm, "");
    expect(statements.match(/\bDELETE\b/g)).toHaveLength(2);
    expect(statements.replaceAll(/\/\*[\s\S]*?\*\//g, "")).not.toMatch(/\b(?:DELETE|UPDATE audit)\b/);
  });

  it("is the same but for the audit", () => {
    const others = (text: string) => text.replace(/^-- 0003_audit\.sql$[\s\S]*?(?=^-- 0004)/m, "");
    expect(others(script)).toBe(others(migrationScript()));
    expect(script).not.toBe(migrationScript());
  });

  it("is printed, too", async () => {
    const { code, out } = await runFile("scripts/migrate.ts", ["--script", "--ledger"]);
    expect({ code, out }).toEqual({ code: 0, out: script });
  });
});

describe("a store on a database", () => {
  const check = (rows: readonly Row[]) => checkSchema(async () => [rows]);
  const current = files.map(({ version, checksum }) => ({ version, checksum }));

  it("that has been migrated, opens", async () => {
    await expect(check(current)).resolves.toBeUndefined();
    await expect(check(current.map((row) => ({ ...row, checksum: null })))).resolves.toBeUndefined();
  });

  it("whose audit is a ledger, opens as well", async () => {
    const recorded = [...migrationScript({ ledger: true }).matchAll(/SET checksum = '(\w+)' WHERE version = (\d+)/g)];
    const rows = recorded.map(([, checksum, version]) => ({ version: Number(version), checksum: String(checksum) }));
    expect(rows.length).toBe(files.length);
    expect(rows).not.toEqual(current);
    await expect(check(rows)).resolves.toBeUndefined();
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

describe("the build", () => {
  it("takes the migrations of both engines along", () => {
    const script = readFileSync(new URL("../../scripts/copy-migrations.ts", import.meta.url), "utf8");
    expect(script).toMatch(/"sqlite", "mssql"|"mssql", "sqlite"/);
  });
});
