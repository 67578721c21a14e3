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

/** Sends the filling's texts. */
class Loader {
  readonly #open: () => Promise<mssql.ConnectionPool>;
  readonly #report: (line: string) => void;
  #pool: mssql.ConnectionPool | undefined;

  constructor(open: () => Promise<mssql.ConnectionPool>, report: (line: string) => void) {
    this.#open = open;
    this.#report = report;
  }

  /** Sends a text for each chunk of `count` rows. */
  async inChunks(what: string, count: number, sql: string, inputs: (request: mssql.Request) => void): Promise<void> {
    const startedAt = performance.now();
    for (let from = 0; from < count; from += CHUNK) {
      await this.send(sql, (request) => {
        inputs(request);
        request
          .input("from", mssql.Int, from)
          .input("count", mssql.Int, Math.min(CHUNK, count - from))
          .input("kinds", mssql.Int, KINDS);
      });
    }
    this.#report(`${count} ${what} in ${((performance.now() - startedAt) / 1_000).toFixed(0)} s`);
  }

  /** Each text is one transaction: what failed is undone, and sent once more in a new session. */
  async send(sql: string, inputs: (request: mssql.Request) => void = () => {}): Promise<void> {
    try {
      await this.#try(sql, inputs);
    } catch (error) {
      this.#report(`again, in a new session: ${error instanceof Error ? error.message : String(error)}`);
      await this.close();
      await this.#try(sql, inputs);
    }
  }

  async #try(sql: string, inputs: (request: mssql.Request) => void): Promise<void> {
    this.#pool ??= await this.#open();
    const request = this.#pool.request();
    inputs(request);
    await request.query(sql);
  }

  async close(): Promise<void> {
    await this.#pool?.close();
    this.#pool = undefined;
  }
}

/** The rows that the others are copied from, made by the store itself. */
async function makePatterns(store: Store): Promise<void> {
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

async function fillMessages(loader: Loader, { agents, messages, behind }: Size): Promise<void> {
  const payload = JSON.stringify(PAYLOAD);
  const common = (prefix: string) => (request: mssql.Request) =>
    request
      .input("prefix", mssql.VarChar(32), prefix)
      .input("payload", mssql.NVarChar(mssql.MAX), payload)
      .input("agents", mssql.Int, agents);
  await loader.inChunks("messages", messages, MESSAGES, common("message"));
  for (const key of [null, "one-by-one"]) {
    await loader.inChunks(key === null ? "delayed messages" : "messages behind a key", behind, BEHIND, (request) =>
      common(key ?? "delayed")(request).input("key", mssql.VarChar(128), key),
    );
  }
}

async function fillTasks(loader: Loader, { agents, tasks, running, waiting }: Size): Promise<void> {
  for (const [status, count] of [
    ["completed", tasks],
    ["running", running],
    ["pending", waiting],
  ] as const) {
    await loader.inChunks(`${status} tasks`, count, TASKS, (request) =>
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
 * @param open a pool on the same database, without a request timeout
 */
export async function fill(
  store: Store,
  open: () => Promise<mssql.ConnectionPool>,
  size: Size,
  report: (line: string) => void,
): Promise<void> {
  const loader = new Loader(open, report);
  try {
    await makePatterns(store);
    await loader.inChunks("agents", size.agents, AGENTS, (request) => request.input("capacity", mssql.Int, CAPACITY));
    await fillMessages(loader, size);
    await fillTasks(loader, size);
    await loader.send(COUNT_ALL);
    await loader.send("EXEC sp_updatestats");
  } finally {
    await loader.close();
  }
  const mark = { agentId: MARK, role: "observer" as const, capabilities: [], maxConcurrentTasks: 0 };
  await store.registerAgent({ ...mark, metadata: { ...size } });
}
