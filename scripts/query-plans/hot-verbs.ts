import { randomUUID } from "node:crypto";
import type mssql from "mssql";
import type { Store } from "../../src/lib/store/store.ts";
import { KINDS } from "./fill.ts";
import { newMessage, newTask, PAYLOAD } from "./inputs.ts";

/** The verbs whose plans matter, with what each needs to find: on a database that `fill` filled. */

export interface Stage {
  store: Store;
  pool: mssql.ConnectionPool;
}

/** One verb. `prepare` leaves what its calls need and gives the nth of them. */
export interface HotVerb {
  name: string;
  /** How many calls go together in a batch; each number is a run of its own. */
  calls: readonly number[];
  prepare(stage: Stage, calls: number): Promise<(index: number) => Promise<unknown>>;
}

const ONE_AND_MANY = [1, 32];
const RECEIVER = "measured";

/** The nth of what was prepared. */
function nth<Item>(items: readonly Item[], index: number): Item {
  const item = items[index];
  if (item === undefined) throw new Error("fewer were prepared than are used");
  return item;
}

function send({ store }: Stage, change: object = {}): Promise<unknown> {
  return store.sendMessages([
    { ...newMessage({ sender: "lead", receiver: RECEIVER, type: "query", payload: PAYLOAD }), ...change },
  ]);
}

async function lease(stage: Stage, count: number, leaseMilliseconds = 3_600_000) {
  for (let sent = 0; sent < count; sent += 1) await send(stage);
  const claim = { agentId: RECEIVER, maxMessages: count, leaseMilliseconds, maxBytes: 10_000_000 };
  const { messages } = await stage.store.claimMessages(claim);
  return messages.map(({ messageId, attempt }) => ({ messageId, attempt }));
}

function fleetTask(index: number, change: object = {}) {
  const requiredCapabilities = ["common", `kind-${index % KINDS}`];
  return { ...newTask({ supervisor: "lead", taskType: "common", requiredCapabilities }), ...change };
}

/** Tasks in the hands of the fleet. */
async function hold({ store }: Stage, count: number, change: object = {}) {
  const held = [];
  for (let index = 0; index < count; index += 1) {
    const { taskId, assignedTo, attempt } = await store.assignTask(fleetTask(index, change));
    if (assignedTo === undefined) throw new Error("the fleet has no room");
    held.push({ taskId, agentId: assignedTo, attempt });
  }
  return held;
}

type HeldCall = (store: Store, taskId: string, caller: { agentId: string; attempt: number }) => Promise<unknown>;

function onHeld(name: string, call: HeldCall): HotVerb {
  return {
    name,
    calls: ONE_AND_MANY,
    async prepare(stage, calls) {
      const held = await hold(stage, calls);
      return (index) => {
        const { taskId, ...caller } = nth(held, index);
        return call(stage.store, taskId, caller);
      };
    },
  };
}

/** A worker with room for one, and more tasks than that which only it can take: ending the first hands it the next. */
const HAND_OUT: HotVerb = {
  name: "hand out (a completion frees a worker)",
  calls: [1],
  async prepare({ store }) {
    const own = `own-${randomUUID()}`;
    await store.registerAgent({
      agentId: own,
      role: "worker",
      capabilities: [own],
      maxConcurrentTasks: 1,
      metadata: {},
    });
    const task = () => newTask({ supervisor: "lead", taskType: "own", requiredCapabilities: [own] });
    const { taskId, attempt } = await store.assignTask(task());
    for (let waiting = 0; waiting < 3; waiting += 1) await store.assignTask(task());
    return () => store.completeTask(taskId, { agentId: own, attempt });
  },
};

/** Something for each of its looks: a silent worker with a task, an ended lease, an expired message, an overdue task. */
const SWEEP: HotVerb = {
  name: "sweep",
  calls: [1],
  async prepare(stage) {
    const { store, pool } = stage;
    const silent = `silent-${randomUUID()}`;
    const agent = { role: "worker" as const, capabilities: [silent], maxConcurrentTasks: 1, metadata: {} };
    await store.registerAgent({ ...agent, agentId: silent });
    await store.assignTask(newTask({ supervisor: "lead", taskType: "own", requiredCapabilities: [silent] }));
    await pool.request().query(`UPDATE dbo.agent_heartbeats SET last_heartbeat_at = 0
        WHERE agent_no = (SELECT agent_no FROM dbo.agents WHERE agent_id = '${silent}')`);
    await lease(stage, 1, 1);
    await send(stage, { ttlSeconds: 0.001 });
    await hold(stage, 1, { timeoutSeconds: 0.001 });
    return () => store.sweep();
  },
};

export const HOT_VERBS: readonly HotVerb[] = [
  { name: "send", calls: ONE_AND_MANY, prepare: async (stage) => () => send(stage) },
  {
    name: "claim",
    calls: [1],
    async prepare(stage) {
      await send(stage);
      const claim = { agentId: RECEIVER, maxMessages: 10, leaseMilliseconds: 3_600_000, maxBytes: 10_000_000 };
      return () => stage.store.claimMessages(claim);
    },
  },
  {
    name: "claim by type",
    calls: [1],
    async prepare(stage) {
      await send(stage);
      const claim = { agentId: RECEIVER, maxMessages: 10, leaseMilliseconds: 3_600_000, maxBytes: 10_000_000 };
      return () => stage.store.claimMessages({ ...claim, types: ["query", "request"] });
    },
  },
  {
    name: "settle",
    calls: ONE_AND_MANY,
    async prepare(stage, calls) {
      const leased = await lease(stage, calls);
      return (index) => stage.store.settleMessages(RECEIVER, [{ ...nth(leased, index), outcome: "complete" }]);
    },
  },
  {
    name: "settle (retry)",
    calls: [1],
    async prepare(stage, calls) {
      const leased = await lease(stage, calls);
      return (index) => stage.store.settleMessages(RECEIVER, [{ ...nth(leased, index), outcome: "retry" }]);
    },
  },
  {
    name: "renew",
    calls: ONE_AND_MANY,
    async prepare(stage, calls) {
      const leased = await lease(stage, calls);
      return (index) =>
        stage.store.renewLease({ ...nth(leased, index), agentId: RECEIVER, leaseMilliseconds: 3_600_000 });
    },
  },
  {
    name: "heartbeat",
    calls: ONE_AND_MANY,
    prepare:
      async ({ store }) =>
      (index) =>
        store.heartbeat({ agentId: `agent-${index}` }),
  },
  {
    name: "assign",
    calls: ONE_AND_MANY,
    prepare:
      async ({ store }) =>
      (index) =>
        store.assignTask(fleetTask(index)),
  },
  onHeld("start", (store, taskId, caller) => store.startTask(taskId, caller)),
  onHeld("progress", (store, taskId, caller) => store.progressTask(taskId, { ...caller, percent: 50 })),
  onHeld("complete", (store, taskId, caller) => store.completeTask(taskId, { ...caller, result: { done: true } })),
  onHeld("fail", (store, taskId, caller) => store.failTask(taskId, { ...caller, error: "no", retryable: true })),
  HAND_OUT,
  SWEEP,
  {
    name: "findDeliverable",
    calls: [1],
    async prepare(stage) {
      await send(stage);
      return () => stage.store.findDeliverable([RECEIVER, "agent-1", "agent-2"]);
    },
  },
];
