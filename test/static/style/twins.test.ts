import { readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "@jest/globals";
import { ROOT, readSource, withoutComments } from "./sources.ts";
import { storeVerbs } from "./store-verbs.ts";

/** The engines are twins: the same files, the same verbs, in the same order; `diff -r` shows what differs between them. */

const SQLITE = "src/lib/store/sqlite";
const MSSQL = "src/lib/store/mssql";

/** Files that only one engine has, each with its reason. */
const ALONE: Readonly<Record<string, string>> = {
  [`${MSSQL}/batch.ts`]: "a verb is a batch of calls there; SQLite's verbs are functions that run one by one",
  [`${MSSQL}/coalescer.ts`]: "calls share round trips there; SQLite's share a commit, in group.ts",
  [`${MSSQL}/procedures.ts`]: "a verb is a procedure there; SQLite's statements stand in its functions",
  [`${MSSQL}/procedure-files.ts`]: "a verb is a procedure there; SQLite's statements stand in its functions",
  [`${MSSQL}/setting-inputs.ts`]: "procedures are given the settings; SQLite's functions read them",
  [`${MSSQL}/releases.ts`]: "a server keeps the procedures of several versions",
  [`${MSSQL}/install-release.ts`]: "a server keeps the procedures of several versions",
  [`${MSSQL}/texts.ts`]: "all T-SQL can be checked without a server; SQLite's texts run in every test",
  [`${SQLITE}/audit-integers.ts`]: "who can write the file can write any integer; a server's numbers are its own",
  [`${MSSQL}/copy-parts.ts`]: "a copy is written here",
  [`${SQLITE}/candidates.ts`]: "procedures/parts/weigh.sql there",
  [`${SQLITE}/pending-messages.ts`]: "procedures/parts/count-waiting.sql and urgent-waits.sql there",
  [`${SQLITE}/dependencies.ts`]: "procedures/parts/settle-dependents.sql there",
  [`${SQLITE}/release-tasks.ts`]: "procedures/parts/release-tasks.sql there",
  [`${SQLITE}/task-endings.ts`]: "procedures/parts/end-tasks.sql there",
  [`${SQLITE}/explanations.ts`]: "written by procedures there; read by ../explanations.ts on both engines",
  [`${MSSQL}/pool-config.ts`]: "how a server is reached; a file needs no more than its path",
  [`${MSSQL}/item-text.ts`]: "texts travel inside JSON there; SQLite binds them",
  [`${MSSQL}/register-agent.ts`]: "out of agents.ts: with it that file would be longer than a file may be",
  [`${MSSQL}/heartbeats.ts`]: "out of agents.ts: with it that file would be longer than a file may be",
  [`${MSSQL}/suspension-calls.ts`]:
    "what the batches of suspensions.ts and the procedure of children.ts have in common",
  [`${MSSQL}/task-calls.ts`]: "what the batches of task-transitions.ts have in common; SQLite's are functions",
  [`${MSSQL}/upkeep-step.ts`]: "steps of the upkeep are batches there, with an early end; SQLite's are functions",
  [`${MSSQL}/copied-table.ts`]: "a copy goes from the embedded database to this one: here it is written",
  [`${MSSQL}/copy-channels.ts`]: "a copy is written here",
  [`${MSSQL}/copy-credentials.ts`]: "a copy is written here",
  [`${MSSQL}/copy-messages.ts`]: "a copy is written here",
  [`${MSSQL}/copy-registry.ts`]: "a copy is written here",
  [`${MSSQL}/copy-target.ts`]: "a copy is written here",
  [`${MSSQL}/copy-task-history.ts`]: "a copy is written here",
  [`${MSSQL}/copy-tasks.ts`]: "a copy is written here",
  [`${MSSQL}/copy-waiting.ts`]: "a copy is written here",
  [`${SQLITE}/questions.ts`]: "procedures/parts/open-questions.sql and close-questions.sql there",
  [`${SQLITE}/resumption.ts`]: "answer-questions.sql and time-out-questions.sql there",
  [`${SQLITE}/task-holders.ts`]: "the first CASE of each procedure there",
  [`${SQLITE}/mailbox-sums.ts`]: "a group writes its sums once; procedures count in their statements",
  [`${SQLITE}/new-message-rows.ts`]: "each procedure that writes messages inserts their rows there",
  [`${SQLITE}/typed-streams.ts`]: "every message has a stream by type there",
  [`${SQLITE}/prepared.ts`]: "the driver of a server makes its own rows",
  [`${SQLITE}/database-file.ts`]: "a server makes its own files",
  [`${SQLITE}/workflow-rows.ts`]: "parts/count-in-workflows.sql and tell-of-workflows.sql there",
  [`${SQLITE}/group.ts`]: "calls share round trips there, in coalescer.ts",
  [`${SQLITE}/usage-sums.ts`]: "a server makes the sums itself, in read-usage.sql",
  [`${SQLITE}/file-watch.ts`]: "a server looks after its own files",
  [`${SQLITE}/copied-rows.ts`]: "a copy is read there",
  [`${SQLITE}/copied-waiting.ts`]: "a copy is read there",
  [`${SQLITE}/copy-source.ts`]: "a copy is read there",
};

const filesOf = (folder: string) => readdirSync(join(ROOT, folder)).filter((name) => name.endsWith(".ts"));
const sqlite = filesOf(SQLITE);
const mssql = filesOf(MSSQL);
const both = sqlite.filter((name) => mssql.includes(name));

const verbs = storeVerbs();

/** The functions that a file exports, in their order. */
function exported(path: string): string[] {
  const { text } = readSource(path);
  return [...withoutComments(text).matchAll(/^export (?:async )?function (\w+)/gm)].map(([, name = ""]) => name);
}

/** Verbs in a file of their own, which the other engine has among others. */
const elsewhere = new Set(
  Object.keys(ALONE)
    .filter((path) => path.startsWith(MSSQL))
    .flatMap(exported),
);

describe("the engines", () => {
  it("are looked at", () => {
    expect(sqlite.length).toBeGreaterThan(30);
    expect(verbs).toEqual(expect.arrayContaining(["sendMessages", "completeTask", "sweep"]));
    expect(exported(`${SQLITE}/settle-messages.ts`)).toEqual(expect.arrayContaining(["settleMessages"]));
  });

  it("have the same files, but for those that say why not", () => {
    const alone = [
      ...sqlite.filter((name) => !mssql.includes(name)).map((name) => `${SQLITE}/${name}`),
      ...mssql.filter((name) => !sqlite.includes(name)).map((name) => `${MSSQL}/${name}`),
    ];
    expect(alone.filter((path) => ALONE[path] === undefined)).toEqual([]);
    expect(Object.keys(ALONE).filter((path) => !alone.includes(path))).toEqual([]);
  });

  it.each(both)("%s: the same verbs, and what both have in the same order", (name) => {
    const [ofSqlite, ofMssql] = [exported(`${SQLITE}/${name}`), exported(`${MSSQL}/${name}`)];
    const isVerb = (one: string) => verbs.includes(one) && !elsewhere.has(one);
    expect(ofMssql.filter(isVerb)).toEqual(ofSqlite.filter(isVerb));
    expect(ofMssql.filter((one) => ofSqlite.includes(one))).toEqual(ofSqlite.filter((one) => ofMssql.includes(one)));
  });

  it("have every verb once", () => {
    const verbsOf = (folder: string) =>
      filesOf(folder).flatMap((name) => exported(`${folder}/${name}`).filter((one) => verbs.includes(one)));
    expect(verbsOf(MSSQL).sort()).toEqual(verbsOf(SQLITE).sort());
    expect(new Set(verbsOf(SQLITE)).size).toBe(verbsOf(SQLITE).length);
  });
});
