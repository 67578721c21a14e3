import { readdirSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { beforeAll, describe, expect, it } from "@jest/globals";
import { registeredTexts } from "../../src/lib/store/mssql/texts.ts";
import { LOCK_ORDER } from "../../src/lib/store/mssql/transaction.ts";
import { ROOT, sourcesIn } from "../style/sources.ts";
import { unknownNames } from "./names.ts";
import { hintProblems, keyProblems, orderProblems } from "./rules.ts";
import { type Schema, schemaOf } from "./schema.ts";
import type { Problem, SyntaxNode } from "./syntax-tree.ts";
import { dotnetIsThere, parse } from "./tsql-parser.ts";

/**
 * Every T-SQL text of the Azure SQL store, batches and migrations, read by Microsoft's own parser and held to the rules of
 * docs/azure-sql.md: without a server, on every machine with the .NET SDK.
 */

const FOLDER = "src/lib/store/mssql";

/** Tables of which a transaction may write again rows that it holds already, after tables further on. */
const WRITTEN_AGAIN: ReadonlySet<string> = new Set([
  // The row of a key is updated first; it is deleted when the messages show that the key is empty.
  "ordering_keys",
]);

/** Loads every module of the engine, which registers its texts. */
async function loadTexts(): Promise<ReadonlyMap<string, string>> {
  const folder = join(ROOT, FOLDER);
  const modules = readdirSync(folder).filter((name) => name.endsWith(".ts"));
  for (const name of modules) await import(pathToFileURL(join(folder, name)).href);
  return registeredTexts();
}

if (dotnetIsThere()) checks();
else {
  it("T-SQL texts: skipped", () => {
    console.log("The T-SQL texts are not checked: there is no .NET SDK (dotnet) on the PATH.");
  });
}

function checks(): void {
  const migrations = sourcesIn(`${FOLDER}/migrations`, ".sql");
  let errors: string[] = [];
  let batches: { name: string; tree: SyntaxNode }[] = [];
  let schemaTrees: { name: string; tree: SyntaxNode }[] = [];
  let schema: Schema = new Map();

  beforeAll(async () => {
    const texts = new Map(await loadTexts());
    for (const { path, text } of migrations) texts.set(path, text);
    const parsed = parse(texts);
    errors = parsed.flatMap(({ name, errors }) =>
      errors.map(({ line, column, message }) => `${name} ${line}:${column}: ${message}`),
    );
    const trees = parsed.flatMap(({ name, tree }) => (tree === null ? [] : [{ name, tree }]));
    schemaTrees = trees.filter(({ name }) => name.endsWith(".sql"));
    batches = trees.filter(({ name }) => !name.endsWith(".sql"));
    schema = schemaOf(schemaTrees.map(({ tree }) => tree));
  }, 300_000);

  const shown = (problems: readonly Problem[]) =>
    problems.map(({ text, line, message }) => `${text}:${line}: ${message}`);
  const everywhere = (check: (name: string, tree: SyntaxNode) => Problem[]) =>
    shown(batches.flatMap(({ name, tree }) => check(name, tree)));

  describe("the T-SQL texts", () => {
    it("are all there: batches, queries and migrations", () => {
      expect(migrations.length).toBeGreaterThan(0);
      expect(batches.length + errors.length).toBeGreaterThan(40);
      expect([...schema.keys()]).toEqual(expect.arrayContaining(["agents", "messages", "tasks", "counters"]));
    });

    it("have no syntax error", () => {
      expect(errors).toEqual([]);
    });

    it("name only tables, columns and variables that there are", () => {
      const problems = [...schemaTrees, ...batches].flatMap(({ name, tree }) => unknownNames(name, tree, schema));
      expect(shown(problems)).toEqual([]);
    });

    it("take locks in one order", () => {
      expect(everywhere((name, tree) => orderProblems(name, tree, LOCK_ORDER, WRITTEN_AGAIN))).toEqual([]);
      const ordered = LOCK_ORDER.flat();
      expect([...schema.keys()].filter((table) => !ordered.includes(table) && table !== "schema_migrations")).toEqual(
        [],
      );
    });

    it("pass over locked rows only where that is meant", () => {
      expect(everywhere(hintProblems)).toEqual([]);
    });

    it("change rows by key", () => {
      expect(everywhere((name, tree) => keyProblems(name, tree, schema))).toEqual([]);
    });
  });
}
