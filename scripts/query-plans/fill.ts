import mssql from "mssql";
import type { Store } from "../../src/lib/store/store.ts";
import { newTask, PAYLOAD } from "./inputs.ts";
import { AGENTS, BEHIND, CHUNK, COUNT_ALL, MESSAGES, TASKS } from "./load-texts.ts";

/** Fills a migrated, empty database with what years of use leave behind. */

/** How much. */
export interface Size {
  agents: number;
  /** Spread over the agents: nine of ten are history. */
  messages: number;
  /** Completed. */
  tasks: number;
  /** In the hands of the agents. */
  running: number;
  /** Tasks that nobody can take. */
  waiting: number;
  /** Messages in the mailbox of `measured` that are due tomorrow, and as many behind one ordering key. */
  behind: number;
}

/** What `npm run query-plans` and the benchmark call large. */
export const LARGE: Size = {
  agents: 10_000,
  messages: 1_000_000,
  tasks: 100_000,
  running: 1_000,
  waiting: 10_000,
  behind: 50_000,
};

/** Agents share capability sets, as the members of a fleet do. */
export const KINDS = 8;
/** Tasks that an agent of the fleet can hold at once. */
const CAPACITY = 1_000;

/** The agent whose metadata says with what a database was filled. */
const MARK = "filled-with";

/** What a database holds: nothing, what `fill` put there, or somebody's agents. */
export async function contentOf(store: Store): Promise<"nothing" | "others" | Size> {
  const { items } = await store.listAgents({ limit: 1 });
  if (items.length === 0) return "nothing";
  const mark = await store.getAgent(MARK).catch(() => undefined);
  if (mark?.metadata === undefined) return "others";
  const read = (key: keyof Size): number => Number(mark.metadata?.[key]);
  return {
    agents: read("agents"),
    messages: read("messages"),
    tasks: read("tasks"),
    running: read("running"),
    waiting: read("waiting"),
    behind: read("behind"),
  };
}

interface Hands {
  store: Store;
  pool: mssql.ConnectionPool;
  report: (line: string) => void;
}

/** The rows that the others are copied from, made by the store itself. */
async function makePatterns({ store }: Hands): Promise<void> {
  const agent = { metadata: {}, maxConcurrentTasks: 1_000 };
  await store.registerAgent({ ...agent, agentId: "lead", role: "supervisor", capabilities: [] });
  await store.registerAgent({
    ...agent,
    agentId: "measured",
    role: "worker",
    capabilities: ["measured"],
    maxConcurrentTasks: 10_000,
  });
  await store.assignTask(
    newTask({
      taskId: "pattern-task-rare",
      supervisor: "lead",
      taskType: "rare",
      requiredCapabilities: ["nobody-has"],
    }),
  );
  for (let kind = 0; kind < KINDS; kind += 1) {
    const capabilities = ["common", `kind-${kind}`];
    await store.registerAgent({ ...agent, agentId: `pattern-${kind}`, role: "worker", capabilities });
    const task = { taskId: `pattern-task-${kind}`, supervisor: "lead", taskType: "common" };
    const { attempt } = await store.assignTask(newTask({ ...task, requiredCapabilities: capabilities }));
    await store.completeTask(task.taskId, { agentId: `pattern-${kind}`, attempt });
  }
}

/** Sends a text for each chunk of `count` rows. */
async function inChunks(
  { pool, report }: Hands,
  what: string,
  count: number,
  sql: string,
  inputs: (request: mssql.Request) => mssql.Request,
): Promise<void> {
  const startedAt = performance.now();
  for (let from = 0; from < count; from += CHUNK) {
    const request = inputs(pool.request())
      .input("from", mssql.Int, from)
      .input("count", mssql.Int, Math.min(CHUNK, count - from))
      .input("kinds", mssql.Int, KINDS);
    await request.query(sql);
  }
  report(`${count} ${what} in ${((performance.now() - startedAt) / 1_000).toFixed(0)} s`);
}

async function fillMessages(hands: Hands, { agents, messages, behind }: Size): Promise<void> {
  const payload = JSON.stringify(PAYLOAD);
  const common = (prefix: string) => (request: mssql.Request) =>
    request
      .input("prefix", mssql.VarChar(32), prefix)
      .input("payload", mssql.NVarChar(mssql.MAX), payload)
      .input("agents", mssql.Int, agents);
  await inChunks(hands, "messages", messages, MESSAGES, common("message"));
  for (const key of [null, "one-by-one"]) {
    await inChunks(hands, key === null ? "delayed messages" : "messages behind a key", behind, BEHIND, (request) =>
      common(key ?? "delayed")(request).input("key", mssql.VarChar(128), key),
    );
  }
}

async function fillTasks(hands: Hands, { agents, tasks, running, waiting }: Size): Promise<void> {
  for (const [status, count] of [
    ["completed", tasks],
    ["running", running],
    ["pending", waiting],
  ] as const) {
    await inChunks(hands, `${status} tasks`, count, TASKS, (request) =>
      request
        .input("prefix", mssql.VarChar(32), status)
        .input("status", mssql.VarChar(10), status)
        .input("payload", mssql.NVarChar(mssql.MAX), JSON.stringify(PAYLOAD))
        .input("agents", mssql.Int, agents),
    );
  }
}

/**
 * Fills the database of `store`, which must be empty and used by nobody else. Every constraint holds and every counter equals
 * its rows. The marking comes last, so that a filling that broke off is not taken for a whole one.
 *
 * @param pool on the same database, without a request timeout
 */
export async function fill(
  store: Store,
  pool: mssql.ConnectionPool,
  size: Size,
  report: (line: string) => void,
): Promise<void> {
  const hands = { store, pool, report };
  await makePatterns(hands);
  await inChunks(hands, "agents", size.agents, AGENTS, (request) => request.input("capacity", mssql.Int, CAPACITY));
  await fillMessages(hands, size);
  await fillTasks(hands, size);
  await pool.request().query(COUNT_ALL);
  await pool.request().batch("EXEC sp_updatestats");
  await store.registerAgent({
    agentId: MARK,
    role: "observer",
    capabilities: [],
    maxConcurrentTasks: 0,
    metadata: { ...size },
  });
}
