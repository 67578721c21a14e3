import { parseArgs } from "node:util";
import type mssql from "mssql";
import { storeOver } from "../src/lib/store/mssql/open.ts";
import { helpIfAsked } from "./help.ts";
import { CHANNEL_VERBS } from "./query-plans/channel-verbs.ts";
import { engineOf, openConnection, openPool, settingsOf } from "./query-plans/database.ts";
import { contentOf, fill, LARGE, type Size } from "./query-plans/fill.ts";
import { HOT_VERBS, type HotVerb, type Stage } from "./query-plans/hot-verbs.ts";
import { faultsOf } from "./query-plans/judge.ts";
import { withLoopJoins } from "./query-plans/loop-joins.ts";
import { PlanRecorder } from "./query-plans/plan-recorder.ts";
import { printOperators, printStatements } from "./query-plans/report.ts";

/**
 * npm run query-plans [-- --messages 1000000 --tasks 100000 --agents 10000 --only send,claim --statements --anyway]
 *
 * Fills the database that AZURE_SQL_* name, which must be migrated and empty (`--anyway`: may hold other agents), runs every
 * hot verb on it and prints what the engine read: no scan of a table that grows, and no sort but of what a call merges.
 * Exit code 1 when a plan breaks that. A second run finds the database filled and only runs the verbs. `--statements` prints
 * every statement's plan. The login needs SHOWPLAN there, and the database is for nothing else afterwards: drop it.
 */

/** A table with so many rows grows with use; the others hold a row per kind of something. */
const GROWING_ROWS = 1_000;

helpIfAsked(`
npm run query-plans [-- --messages 1000000 --tasks 100000 --agents 10000 --only send,claim --statements --anyway]

Fills the database that AZURE_SQL_* name, runs every hot verb on it and prints what the engine read. Exit code 1 when a plan
scans a table that grows. The database is for nothing else afterwards: drop it.`);

const { values: options } = parseArgs({
  options: {
    messages: { type: "string", default: String(LARGE.messages) },
    tasks: { type: "string", default: String(LARGE.tasks) },
    agents: { type: "string", default: String(LARGE.agents) },
    only: { type: "string" },
    statements: { type: "boolean", default: false },
    anyway: { type: "boolean", default: false },
  },
});

/** The large size, smaller where it was asked to be. */
function sizeAsked(): Size {
  const [messages, tasks, agents] = [options.messages, options.tasks, options.agents].map(Number);
  if (!messages || !tasks || !agents) throw new Error("--messages, --tasks and --agents are whole numbers above 0");
  return {
    messages,
    tasks,
    agents,
    running: Math.ceil(tasks / 100),
    waiting: Math.ceil(tasks / 10),
    behind: Math.ceil(messages / 20),
  };
}

async function makeSureItIsFilled(stage: Stage): Promise<void> {
  const size = sizeAsked();
  const content = await contentOf(stage.store);
  if (content === "others" && !options.anyway) {
    throw new Error("the database holds agents that this script did not make: give it an empty one, or say --anyway");
  }
  if (content === "nothing" || content === "others") {
    await fill(stage.store, () => openPool({ ...settingsOf(), poolSize: 1 }), size, console.log);
    return;
  }
  const differs = Object.entries(size).some(([key, value]) => content[key as keyof Size] !== value);
  if (differs) throw new Error(`the database was filled with ${JSON.stringify(content)}: drop it, or ask for the same`);
}

/** Tables that hold many rows now. */
async function growingTables(pool: mssql.ConnectionPool): Promise<Set<string>> {
  const { recordset } = await pool
    .request()
    .query<{ name: string }>("SELECT TABLE_NAME AS name FROM INFORMATION_SCHEMA.TABLES WHERE TABLE_SCHEMA = 'dbo'");
  const growing = new Set<string>();
  for (const { name } of recordset) {
    const counted = await pool
      .request()
      .query<{ found: number }>(
        `SELECT COUNT(*) AS found FROM (SELECT TOP (${GROWING_ROWS}) 1 AS one FROM dbo.[${name}]) AS x`,
      );
    if (counted.recordset[0]?.found === GROWING_ROWS) growing.add(name);
  }
  return growing;
}

/** Runs a verb with some calls at once and prints its plans. @returns what is wrong with them */
async function judgeVerb(
  verb: HotVerb,
  calls: number,
  stage: Stage,
  recorder: PlanRecorder,
  growing: ReadonlySet<string>,
): Promise<string[]> {
  const call = await verb.prepare(stage, calls);
  const plans = await recorder.record(() => Promise.all(Array.from({ length: calls }, (_, index) => call(index))));
  const faults = faultsOf(plans, { growing, calls });
  console.log(`\n## ${verb.name}, ${calls === 1 ? "one call" : `${calls} calls at once`}\n`);
  printOperators(plans);
  if (options.statements) printStatements(plans);
  console.log(faults.length === 0 ? "\ngood" : faults.map((fault) => `\nBAD: ${fault}`).join(""));
  return faults;
}

async function main(): Promise<void> {
  const settings = settingsOf();
  const pool = await openPool(settings);
  const engine = await engineOf(pool);
  const recorder = new PlanRecorder(engine);
  // One session, so that its plans are turned on once; no plan is asked for while something is prepared.
  const connection = openConnection({ ...settings, poolSize: 1 }, (config) => {
    const hinted = withLoopJoins(config, engine);
    return {
      ...hinted,
      beforeConnect: (session) => {
        recorder.attach(session);
        hinted.beforeConnect?.(session);
      },
    };
  });
  try {
    const stage = { store: storeOver(connection), pool };
    await makeSureItIsFilled(stage);
    const growing = await growingTables(pool);
    console.log(`${engine}\ntables that grow: ${[...growing].sort().join(", ")}`);
    const only = options.only?.split(",");
    let bad = 0;
    for (const verb of [...HOT_VERBS, ...CHANNEL_VERBS].filter(({ name }) => only?.includes(name) ?? true)) {
      for (const calls of verb.calls) {
        const faults = await judgeVerb(verb, calls, stage, recorder, growing);
        if (faults.length > 0) bad += 1;
      }
    }
    console.log(`\n${bad === 0 ? "all plans are good" : `${bad} runs have bad plans`}`);
    process.exitCode = bad === 0 ? 0 : 1;
  } finally {
    await connection.close();
    await pool.close();
  }
}

main().catch((error: unknown) => {
  console.error(`query-plans: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 2;
});
