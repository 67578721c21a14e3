import { readFileSync } from "node:fs";
import { describe, expect, it } from "@jest/globals";
import { AgentCommunicationError } from "../../../src/lib/model/errors.ts";
import { readMigrations } from "../../../src/lib/store/migrations.ts";
import type { Row } from "../../../src/lib/store/mssql/batch.ts";
import { migrationScript } from "../../../src/lib/store/mssql/migrate.ts";
import { readRelease, SLOTS } from "../../../src/lib/store/mssql/procedure-files.ts";
import { findRelease } from "../../../src/lib/store/mssql/releases.ts";
import { batchesOf } from "../../../src/lib/store/mssql/texts.ts";
import { runFile } from "../../support/run-process.ts";
import { NO_DOTNET, parse } from "./tsql-parser.ts";

/** The migrations of Azure SQL and what makes a script of them; migrate.server.test.ts runs them. */

const files = readMigrations(new URL("../../../src/lib/store/mssql/migrations/", import.meta.url));
const [first] = files;
if (first === undefined) throw new Error("there is a first migration");

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

  it("says from 0013 on whether older releases may go on beside it", () => {
    const silent = files.filter(({ version, sql }) => version > 12 && !/^-- older releases: (keep|empty)$/m.test(sql));
    expect(silent.map(({ name }) => name)).toEqual([]);
  });

  it("is numbered without a gap", () => {
    expect(files.map(({ version }) => version)).toEqual(files.map((_, index) => index + 1));
  });
});

describe("the script of all", () => {
  it("has every batch of every migration, as text that runs only in its transaction", () => {
    const script = migrationScript();
    const texts = [...script.matchAll(/^IF @@TRANCOUNT > 0 EXEC \(N'((?:[^']|'')*)'\);$/gm)];
    const ofMigrations = files.flatMap(({ sql }) => batchesOf(sql));
    // Between them, where older releases may not go on, what empties their slots.
    const run = texts
      .map(([, text = ""]) => text.replaceAll("''", "'"))
      .filter((text) => !text.startsWith("DECLARE @drops"));
    expect(run.slice(0, ofMigrations.length)).toEqual(ofMigrations);
    for (const { checksum } of files) expect(script).toContain(checksum);
  });

  it.each(SLOTS)("puts every procedure into %s", (slot) => {
    const made = [...migrationScript({ slot }).matchAll(/CREATE PROCEDURE (release_\w)\.(\w+)/g)];
    expect(new Set(made.map(([, schema]) => schema))).toEqual(new Set([slot]));
    expect(made.map(([, , name]) => name)).toEqual(readRelease().procedures.map(({ name }) => name));
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
  const { hash } = readRelease();
  const find = (rows: readonly Row[]) => findRelease(async () => rows.map((row) => [row]));

  it("calls the release that is its own, wherever it stands", async () => {
    const older = { slot: "release_a", hash: "0123456789abcdef" };
    await expect(find([older, { slot: "release_c", hash }])).resolves.toBe("release_c");
  });

  it.each<[string, readonly Row[], RegExp]>([
    [
      "has not been migrated",
      [],
      /^The database does not have the procedures of this release \(\w{16}\), .*`npm run migrate`/,
    ],
    ["has other releases only", [{ slot: "release_a", hash: "f".repeat(16) }], /it has f{16}\), .*`npm run migrate`/],
  ])("that %s, is unavailable and says why", async (_, rows, detail) => {
    const refused = find(rows);
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
  it("takes the migrations of both engines and the procedures along", () => {
    const script = readFileSync(new URL("../../../scripts/copy-sql.ts", import.meta.url), "utf8");
    for (const folder of ["sqlite/migrations", "mssql/migrations", "mssql/procedures"])
      expect(script).toContain(folder);
  });
});
