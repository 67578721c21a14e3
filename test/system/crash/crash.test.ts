import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { z } from "zod";
import { type LocalHost, startLocalHost } from "../../support/local-host.ts";
import { printedSeed, Random } from "../../support/random.ts";
import { recount, rowsOf } from "../../support/recount.ts";
import { AGENTS, Client, Gate, request, SUPERVISOR } from "./crowd.ts";
import { holdingsOf, Ledger } from "./ledger.ts";

/**
 * The real server is killed with SIGKILL again and again while clients work. After each kill the file is judged by
 * itself, and after each restart the server's own numbers beside it.
 */

const KILLS = 26;
const CLIENTS = 6;
/** Bounds the whole test on a fast machine. */
const MAX_CALLS_PER_CLIENT = 6_000;
/** Sweeping every second, so that kills also meet sweeps. */
const SETTINGS = { AGENT_SWEEP_SCHEDULE: "* * * * * *" };
const DRAIN_MILLISECONDS = 30_000;

const queueStatistics = z.object({ byStatus: z.record(z.string(), z.int()) });
const coordination = z.object({ byStatus: z.record(z.string(), z.int()) });
const agentReply = z.object({ activeTasks: z.int() });
const received = z.object({ messages: z.array(z.object({ messageId: z.string(), attempt: z.int() })) });

const seed = printedSeed("crash test");
const random = new Random(seed);
const ledger = new Ledger();
const gate = new Gate();
const clients = Array.from({ length: CLIENTS }, (_, index) => {
  return new Client({ gate, ledger, random: new Random(seed + index + 1), name: `c${index}` });
});

const OPEN =
  "SELECT * FROM messages JOIN message_bodies USING (arrival) WHERE status IN ('queued', 'leased') AND type = 'notification'";

let directory = "";
let file = "";
let host: LocalHost | undefined;
let work: Promise<unknown> = Promise.resolve();

async function start(): Promise<LocalHost> {
  host = await startLocalHost(SETTINGS, { database: file });
  return host;
}

/** @returns when it was killed */
async function kill(running: LocalHost): Promise<number> {
  const exited = once(running.process, "exit");
  running.process.kill("SIGKILL");
  await exited;
  return Date.now();
}

const countsOf = (sql: string) => Object.fromEntries(rowsOf(file, sql).map((row) => [String(row.what), Number(row.n)]));
const nonZero = (counts: Record<string, number>) =>
  Object.fromEntries(Object.entries(counts).filter(([, n]) => n !== 0));

/** What the server says of itself, beside the rows, read at a moment when nothing changed in between. */
async function compareStatistics(baseUrl: string): Promise<void> {
  for (let tries = 0; tries < 20; tries++) {
    const before = await statistics(baseUrl);
    const rows = {
      messages: countsOf("SELECT status AS what, count(*) AS n FROM messages GROUP BY 1"),
      tasks: countsOf("SELECT status AS what, count(*) AS n FROM tasks GROUP BY 1"),
      activeTasks: countsOf(`SELECT a.agent_id AS what, count(t.task_no) AS n FROM agents a
        LEFT JOIN tasks t ON t.agent_no = a.agent_no AND t.status IN ('assigned', 'running') GROUP BY 1`),
    };
    const after = await statistics(baseUrl);
    if (JSON.stringify(before) !== JSON.stringify(after)) continue;
    expect(after).toEqual({ messages: rows.messages, tasks: rows.tasks, activeTasks: nonZero(rows.activeTasks) });
    return;
  }
  throw new Error("the statistics never stand still");
}

async function statistics(baseUrl: string) {
  const read = async (path: string) => (await request(baseUrl, "GET", path)).body;
  const activeTasks: Record<string, number> = {};
  for (const agentId of AGENTS) activeTasks[agentId] = agentReply.parse(await read(`/agents/${agentId}`)).activeTasks;
  return {
    messages: nonZero(queueStatistics.parse(await read("/stats/queue")).byStatus),
    tasks: nonZero(coordination.parse(await read("/stats/coordination")).byStatus),
    activeTasks: nonZero(activeTasks),
  };
}

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "agent-communication-crash-"));
  file = join(directory, "agents.db");
  const { baseUrl } = await start();
  for (const agentId of AGENTS) {
    const role = agentId === SUPERVISOR ? "supervisor" : "worker";
    const agent = { agentId, role, capabilities: ["work"], maxConcurrentTasks: 3 };
    const answer = await request(baseUrl, "POST", "/agents", agent);
    if (answer.status !== 201) throw new Error(`not registered: ${JSON.stringify(answer)}`);
  }
  gate.open(baseUrl);
  work = Promise.all(clients.map((client) => client.run(MAX_CALLS_PER_CLIENT)));
}, 60_000);

afterAll(async () => {
  gate.running = false;
  gate.open(host?.baseUrl ?? "");
  host?.process.kill("SIGKILL");
  await work;
  await rm(directory, { recursive: true, force: true });
}, 60_000);

describe(`a server that is killed ${KILLS} times under load`, () => {
  it("loses nothing that it has acknowledged, and its counters equal their rows after every kill", async () => {
    for (let round = 1; round <= KILLS; round++) {
      await new Promise((resolve) => setTimeout(resolve, random.between(50, 700)));
      const running = host;
      if (running === undefined) throw new Error("no server");
      const killedAt = await kill(running);
      gate.close();
      // Answers that were already on their way arrive before the file is judged.
      await new Promise((resolve) => setTimeout(resolve, 30));
      expect({ round, counters: recount(file) }).toEqual({ round, counters: [] });
      expect({ round, broken: ledger.audit(holdingsOf(file), killedAt) }).toEqual({ round, broken: [] });
      const { baseUrl } = await start();
      await compareStatistics(baseUrl);
      gate.open(baseUrl);
    }
  }, 240_000);

  it("was under load from all of them, and answers were lost", () => {
    expect(clients.filter(({ calls }) => calls < 50)).toEqual([]);
    expect(clients.reduce((sum, { repeated }) => sum + repeated, 0)).toBeGreaterThan(KILLS);
    expect(ledger.sent.size).toBeGreaterThan(500);
    expect(ledger.completed.size).toBeGreaterThan(200);
    expect(ledger.finishedTasks.size).toBeGreaterThan(50);
  });

  it("then delivers the rest: every accepted message reads as completed in the end", async () => {
    const running = host;
    if (running === undefined) throw new Error("no server");
    // Opened as well, for clients that wait at it because the test above ended early.
    gate.running = false;
    gate.open(running.baseUrl);
    await work;
    const end = performance.now() + DRAIN_MILLISECONDS;
    while (rowsOf(file, OPEN).length > 0) {
      if (performance.now() > end) throw new Error(`still open: ${JSON.stringify(rowsOf(file, OPEN).slice(0, 3))}`);
      await Promise.all(AGENTS.map((agentId) => drain(running.baseUrl, agentId)));
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    for (const messageId of [...ledger.sent.keys()].filter(() => random.chance(0.1))) {
      const answer = await request(running.baseUrl, "GET", `/messages/${messageId}`);
      expect({ messageId, answer }).toMatchObject({
        answer: { status: 200, body: { messageId, status: "completed" } },
      });
    }
    expect(ledger.audit(holdingsOf(file), Date.now())).toEqual([]);
  }, 60_000);

  it("and stops cleanly when it is asked to", async () => {
    const code = await host?.stop({ keep: true });
    expect(code).toBe(0);
    expect(recount(file)).toEqual([]);
  }, 30_000);
});

async function drain(baseUrl: string, agentId: string): Promise<void> {
  const claim = { maxMessages: 50, leaseSeconds: 60 };
  const { body } = await request(baseUrl, "POST", `/agents/${agentId}/messages/receive`, claim);
  const settlements = received.parse(body).messages.map(({ messageId, attempt }) => {
    return { messageId, attempt, outcome: "complete" };
  });
  if (settlements.length > 0) await request(baseUrl, "POST", "/messages/settle", { agentId, settlements });
}
