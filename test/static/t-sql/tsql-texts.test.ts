import { readdirSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { beforeAll, describe, expect, it } from "@jest/globals";
import { migrationScript } from "../../../src/lib/store/mssql/migrate.ts";
import { readRelease } from "../../../src/lib/store/mssql/procedure-files.ts";
import { registeredTexts } from "../../../src/lib/store/mssql/texts.ts";
import { APPEND_ONLY, LOCK_ORDER } from "../../../src/lib/store/mssql/transaction.ts";
import { ROOT, sourcesIn } from "../style/sources.ts";
import { declaredIndexes, unusableIndexes } from "./index-use.ts";
import { inputsOf, unknownNames } from "./names.ts";
import { asBatch, tableTypesOf } from "./procedure-texts.ts";
import { hintProblems, keyProblems, type OrderProblem, orderProblems } from "./rules.ts";
import { type Schema, schemaOf } from "./schema.ts";
import { bitColumns, refusals } from "./semantics.ts";
import { nodesOf, type Problem, type SyntaxNode, word } from "./syntax-tree.ts";
import { NO_DOTNET, parse } from "./tsql-parser.ts";

/**
 * Every T-SQL text of the Azure SQL store, batches and migrations, read by Microsoft's own parser and held to the rules of
 * docs/azure-sql.md: without a server, on every machine with the .NET SDK.
 */

const FOLDER = "src/lib/store/mssql";

/** Writes out of the lock order that can do no harm, each with its reason; `*`: in any text. */
const OUT_OF_ORDER: readonly { text: string; table: string; reason: string }[] = [
  {
    text: "*",
    table: "ordering_keys",
    reason:
      "the row of a key is updated before its messages; it is deleted after them, when they show that it is empty",
  },
  { text: "register_agents", table: "agents", reason: "a new agent's row: nobody else can hold it" },
  { text: "register_agents", table: "agent_loads", reason: "of a new agent, whose own row comes first (foreign key)" },
  {
    text: "register_authorised_agents",
    table: "agents",
    reason: "a new agent's row: nobody else can hold it",
  },
  {
    text: "register_authorised_agents",
    table: "agent_loads",
    reason: "of a new agent, whose own row comes first (foreign key)",
  },
  { text: "create_channel", table: "agent_loads", reason: "of a new mailbox, whose own row comes first (foreign key)" },
  ...["channels", "channel_members", "channel_grants"].map((table) => ({
    text: "create_channel",
    table,
    reason: "after their mailbox, to which they refer (foreign key): nobody else writes that while there is no channel",
  })),
  { text: "copy-agents", table: "agent_loads", reason: "of a new agent, whose own row comes first (foreign key)" },
  {
    text: "suspend_for_children",
    table: "tasks",
    reason: "the rows of children that are new: nobody else can hold them",
  },
  ...[
    ...[
      "tasks",
      "task_dependencies",
      "task_suspensions",
      "task_events",
      "task_outcomes",
      "task_attempts",
      "task_questions",
    ],
    ...["question_answerers", "ended_dependencies", "ended_parents", "workflows", "messages"],
  ].map((table) => ({
    text: "create_workflow",
    table,
    reason:
      "rows of tasks that are new, or were left to the sweep: who holds those waits for nothing of this transaction",
  })),
  {
    text: "cancel_tasks",
    table: "messages",
    reason:
      "rows that are new: the requests to stop come before or behind the results of what has ended, and are in no other hand",
  },
  { text: "deregister_agents", table: "agent_loads", reason: "the rows that change-status has updated before" },
  {
    text: "tell_dependents",
    table: "tasks",
    reason:
      "what the sweep takes from ended_dependencies was added by who ended the task, once: nobody else waits for it",
  },
];

/** Tables that no batch of the app writes, or only with one row and nothing else. */
const NOT_OF_THE_APP = ["schema_migrations", "audit.dropped_blocks", "audit.policy", "releases"];

/** Loads every module of the engine, which registers its texts. */
async function loadTexts(): Promise<ReadonlyMap<string, string>> {
  const folder = join(ROOT, FOLDER);
  const modules = readdirSync(folder).filter((name) => name.endsWith(".ts"));
  for (const name of modules) await import(pathToFileURL(join(folder, name)).href);
  return registeredTexts();
}

/** sqlcmd puts the values of its variables in place before the server sees the text. */
function withVariables(text: string): string {
  return text.replaceAll(/\$\(\w+\)/g, "value");
}

if (NO_DOTNET === undefined) checks();
else it("checks the T-SQL texts", () => console.log(`T-SQL texts ${NO_DOTNET}`));

function checks(): void {
  const migrations = sourcesIn(`${FOLDER}/migrations`, ".sql");
  const scripts = sourcesIn("infra/sql", ".sql");
  const release = readRelease();
  const built = new Map(release.procedures.map((procedure) => [`${procedure.name}.sql`, procedure]));
  let errors: string[] = [];
  let batches: { name: string; tree: SyntaxNode }[] = [];
  let files: { name: string; tree: SyntaxNode }[] = [];
  let schema: Schema = new Map();

  beforeAll(async () => {
    const texts = new Map(await loadTexts());
    const types = tableTypesOf(release);
    for (const { path, text } of [...migrations, ...scripts]) texts.set(path, withVariables(text));
    for (const [name, procedure] of built) {
      texts.set(name, procedure.sql);
      texts.set(procedure.name, asBatch(procedure, types));
    }
    texts.set("types.sql", release.types.join("\nGO\n"));
    texts.set("migrationScript.sql", migrationScript());
    const parsed = parse(texts);
    const placeOf = (name: string, line: number) => {
      const origin = built.get(name)?.lines[line - 1];
      return origin === undefined ? `${name} ${line}` : `${FOLDER}/procedures/${origin.file} ${origin.line}`;
    };
    errors = parsed.flatMap(({ name, errors }) =>
      errors.map(({ line, column, message }) => `${placeOf(name, line)}:${column}: ${message}`),
    );
    const trees = parsed.flatMap(({ name, tree }) =>
      tree === null || built.has(name) || name === "types.sql" ? [] : [{ name, tree }],
    );
    files = trees.filter(({ name }) => name.endsWith(".sql"));
    batches = trees.filter(({ name }) => !name.endsWith(".sql"));
    schema = schemaOf(files.filter(({ name }) => name.startsWith(FOLDER)).map(({ tree }) => tree));
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
      const problems = [...files, ...batches].flatMap(({ name, tree }) => unknownNames(name, tree, schema));
      expect(shown(problems)).toEqual([]);
    });

    it("say nothing that the server would refuse", () => {
      const bits = new Set(files.flatMap(({ tree }) => bitColumns(tree)));
      expect(bits).toContain("held");
      expect(shown([...files, ...batches].flatMap(({ name, tree }) => refusals(name, tree, bits)))).toEqual([]);
    });

    it("take no input that is not declared", () => {
      const texts = batches.filter(({ name }) => !built.has(`${name}.sql`));
      const procedures = batches.filter(({ name }) => built.has(`${name}.sql`));
      expect(procedures.flatMap(({ name, tree }) => [...inputsOf(tree)].map((input) => [name, input]))).toEqual([]);
      const code = sourcesIn(FOLDER).map(({ text }) => text);
      const given = (name: string) => code.some((text) => new RegExp(`(?<![@\\w])${name}\\b`).test(text));
      const asked = new Set(texts.flatMap(({ tree }) => [...inputsOf(tree)]));
      expect([...asked].filter((name) => !name.startsWith("@") && !given(name))).toEqual([]);
      expect(asked).toContain("items");
    });

    it("take locks in one order", () => {
      const found = batches.flatMap(({ name, tree }) => orderProblems(name, tree, LOCK_ORDER, APPEND_ONLY));
      const excepted = (one: OrderProblem) =>
        OUT_OF_ORDER.filter(({ text, table }) => (text === "*" || text === one.text) && table === one.table);
      expect(shown(found.filter((one) => excepted(one).length === 0))).toEqual([]);
      const used = found.flatMap(excepted);
      expect(OUT_OF_ORDER.filter((exception) => !used.includes(exception))).toEqual([]);
    });

    it("have a place in that order for every table", () => {
      const ordered = [...LOCK_ORDER.flat(), ...APPEND_ONLY];
      expect([...schema.keys()].filter((table) => !ordered.includes(table))).toEqual(NOT_OF_THE_APP);
      expect(ordered.filter((table) => !schema.has(table))).toEqual([]);
    });

    it("pass over locked rows only where that is meant", () => {
      expect(everywhere(hintProblems)).toEqual([]);
      const hints = batches.flatMap(({ tree }) => nodesOf(tree, "TableHint").map((hint) => word(hint, "HintKind")));
      expect(hints).toContain("ReadPast");
    });

    it("can use every index", () => {
      const indexes = declaredIndexes(files.filter(({ name }) => name.startsWith(FOLDER)).map(({ tree }) => tree));
      expect(indexes.length).toBeGreaterThan(40);
      const trees = batches.map(({ tree }) => tree);
      expect(unusableIndexes(indexes, trees)).toEqual([]);
      const [first] = indexes;
      expect(unusableIndexes([{ ...first!, leading: "no_such_column" }], trees)).toEqual([first!.name]);
    });

    it("change rows by key", () => {
      expect(everywhere((name, tree) => keyProblems(name, tree, schema))).toEqual([]);
    });
  });
}
