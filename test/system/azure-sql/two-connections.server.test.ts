import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import mssql from "mssql";
import { newId } from "../../../src/lib/model/ids.ts";
import { buildProcedure } from "../../../src/lib/store/mssql/procedure-files.ts";
import type { Store } from "../../../src/lib/store/store.ts";
import { dropDatabases, isBabelfish, openOn, takeDatabase, testPool } from "../../contract/mssql-under-test.ts";
import { bodyOf } from "../../static/t-sql/procedure-texts.ts";
import { printedSeed, Random } from "../../support/random.ts";

/** What only a server with real locks can show: claims skip what others have, and the one lock order admits no deadlock. */

const MIXED_CALLS = Number(process.env.MIXED_CALLS ?? 10_000);
const CALLERS = 32;
const MESSAGES = 40;
const CLAIMED = 20;

const locks = !(await isBabelfish());
if (!locks)
  console.log("two connections: lock tests skipped, because this server is Babelfish, which ignores lock hints");

const deadlock = (error: unknown) => error instanceof Error && "number" in error && error.number === 1205;

describe("two processes on one database", () => {
  let database = "";
  let pool: mssql.ConnectionPool;
  let one: Store;
  let other: Store;
  const deadlocks: unknown[] = [];

  beforeAll(async () => {
    database = await takeDatabase();
    pool = await testPool(database);
    const note = (error: unknown) => {
      if (deadlock(error)) deadlocks.push(error);
    };
    one = await openOn(database, {}, undefined, note);
    other = await openOn(database, {}, undefined, note);
  }, 900_000);

  afterAll(async () => {
    await one?.close();
    await other?.close();
    await pool?.close();
    await dropDatabases();
  });

  async function mailbox(messages: number): Promise<string> {
    const agentId = `mailbox-${newId(Date.now())}`;
    await one.registerAgent({ agentId, role: "worker", capabilities: [], maxConcurrentTasks: 0 });
    for (let sent = 0; sent < messages; sent++) await one.sendMessages([message(agentId, agentId)]);
    return agentId;
  }

  const itWithLocks = locks ? it : () => {};
  itWithLocks("a second claimer skips what a first one is claiming, and does not wait", async () => {
    const agentId = await mailbox(2);
    const first = new mssql.Transaction(pool);
    await first.begin();
    try {
      const held = await first
        .request()
        .input("agentId", mssql.VarChar(128), agentId)
        .query(`SELECT TOP (1) arrival
        FROM dbo.messages WITH (UPDLOCK, ROWLOCK, READCOMMITTEDLOCK)
        WHERE receiver_no = (SELECT agent_no FROM dbo.agents WHERE agent_id = @agentId) AND status = 'queued' ORDER BY arrival`);
      expect(held.recordset).toHaveLength(1);
      const began = performance.now();
      const claimed = await other.claimMessages({
        agentId,
        maxMessages: 2,
        leaseMilliseconds: 60_000,
        maxBytes: 1_000_000,
      });
      expect(claimed.messages).toHaveLength(1);
      // Waiting would take the lock timeout of 5 s.
      expect(performance.now() - began).toBeLessThan(4_000);
    } finally {
      await first.rollback();
    }
  });

  itWithLocks("a claim holds about as many row locks as it claims rows", async () => {
    const agentId = await mailbox(MESSAGES);
    const text = bodyOf(buildProcedure("claim-messages.sql"));
    const claim = new mssql.Transaction(pool);
    await claim.begin();
    try {
      const item = {
        item: 0,
        agent_id: agentId,
        max_messages: CLAIMED,
        max_bytes: 1_000_000,
        lease: 60_000,
        claim_id: newId(Date.now()),
        types: null,
      };
      const request = claim.request();
      request.input("clockOffset", mssql.BigInt, 0);
      request.input("renewalMilliseconds", mssql.Int, 7_500);
      request.input("auditMessages", mssql.Bit, false);
      request.input("tended", mssql.Bit, false);
      await request.input("items", mssql.NVarChar(mssql.MAX), JSON.stringify([item])).query(text);
      const { recordset } = await claim.request().query(`SELECT COUNT(*) AS locks FROM sys.dm_tran_locks
        WHERE request_session_id = @@SPID AND resource_type IN ('KEY', 'RID', 'PAGE', 'XACT')
          AND resource_associated_entity_id IN (SELECT hobt_id FROM sys.partitions WHERE object_id = OBJECT_ID('dbo.messages'))`);
      // A row and its entries in the indexes that the claim moves; never pages, never the rest of the mailbox.
      expect(Number(recordset[0]?.locks)).toBeLessThanOrEqual(CLAIMED * 6 + 10);
    } finally {
      await claim.rollback();
    }
  });

  it(`meets no deadlock in ${MIXED_CALLS} mixed calls`, async () => {
    const random = new Random(printedSeed("two connections"));
    const agents = Array.from({ length: 12 }, (_, index) => `mixed-${index}`);
    const stores = [one, other];
    for (const [index, agentId] of agents.entries()) {
      const role = index < 2 ? "supervisor" : "worker";
      await one.registerAgent({ agentId, role, capabilities: ["work"], maxConcurrentTasks: 3 });
    }
    const refusals = new Map<string, number>();
    let left = MIXED_CALLS;
    const caller = async () => {
      while (left > 0) {
        left -= 1;
        const store = random.pick(stores);
        await mixedCall(store, random, agents).catch((error: unknown) => {
          const code = error instanceof Error && "code" in error ? String(error.code) : String(error);
          refusals.set(code, (refusals.get(code) ?? 0) + 1);
        });
      }
    };
    await Promise.all(Array.from({ length: CALLERS }, caller));
    expect(deadlocks).toEqual([]);
    // Only what a caller may be told when another was quicker.
    const allowed = ["LEASE_LOST", "TASK_ENDED", "AGENT_DEREGISTERED", "TASK_NOT_FOUND"];
    // It reads each text anew for each connection, some of them for longer than a call is tried.
    if (!locks) allowed.push("STORE_UNAVAILABLE");
    expect([...refusals.keys()].filter((code) => !allowed.includes(code))).toEqual([]);
  }, 1_200_000);
});

function message(sender: string, receiver: string, orderingKey?: string) {
  const messageId = newId(Date.now());
  return {
    messageId,
    sender,
    receiver,
    type: "notification",
    priority: "normal" as const,
    payload: { messageId },
    maxAttempts: 5,
    requestHash: messageId,
    ...(orderingKey === undefined ? {} : { orderingKey }),
  };
}

/** One call, with what follows from it: work is taken, done, given back; agents come and go; sweeps run. */
async function mixedCall(store: Store, random: Random, agents: readonly string[]): Promise<void> {
  const agentId = random.pick(agents);
  const worker = random.pick(agents.slice(2));
  const dice = random.next();
  if (dice < 0.25) {
    const key = random.chance(0.5) ? random.pick(["a", "b"]) : undefined;
    await store.sendMessages([message(random.pick(agents), agentId, key), message(agentId, random.pick(agents), key)]);
  } else if (dice < 0.5) await receiveAndSettle(store, random, agentId);
  else if (dice < 0.7) await assign(store, random, agents);
  else if (dice < 0.94) await work(store, random, worker);
  else if (dice < 0.97) {
    await store.deregisterAgent(worker);
    await store.registerAgent({ agentId: worker, role: "worker", capabilities: ["work"], maxConcurrentTasks: 3 });
  } else await store.sweep();
}

async function receiveAndSettle(store: Store, random: Random, agentId: string): Promise<void> {
  const claim = { agentId, maxMessages: random.between(1, 5), leaseMilliseconds: 30_000, maxBytes: 1_000_000 };
  const { messages } = await store.claimMessages(claim);
  const settlements = messages.map(({ messageId, attempt }) => {
    const outcome = random.pick(["complete", "complete", "retry", "dead_letter"] as const);
    return { messageId, attempt, outcome, delayMilliseconds: 0 };
  });
  if (settlements.length > 0) await store.settleMessages(agentId, settlements);
}

async function assign(store: Store, random: Random, agents: readonly string[]): Promise<void> {
  const taskId = newId(Date.now());
  const task = {
    taskId,
    supervisor: random.pick(agents.slice(0, 2)),
    taskType: "work",
    description: "",
    parameters: {},
    requiredCapabilities: ["work"],
    preferredCapabilities: [],
    priority: "normal" as const,
    timeoutSeconds: 300,
    maxRetries: 3,
    dependsOn: [] as string[],
    requestHash: taskId,
  };
  await store.assignTask(task);
  if (random.chance(0.2)) await store.assignTask({ ...task, taskId: newId(Date.now()), dependsOn: [taskId] });
  if (random.chance(0.2)) await store.cancelTask(taskId, undefined);
}

async function work(store: Store, random: Random, agentId: string): Promise<void> {
  const { tasks } = await store.heartbeat({ agentId });
  for (const { taskId, attempt } of tasks) {
    const dice = random.next();
    if (dice < 0.3) await store.startTask(taskId, { agentId, attempt });
    if (dice < 0.15) await store.failTask(taskId, { agentId, attempt, error: "by chance", retryable: true });
    else await store.completeTask(taskId, { agentId, attempt, result: { ok: true } });
  }
}
