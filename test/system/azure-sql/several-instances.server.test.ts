import { once } from "node:events";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type mssql from "mssql";
import { z } from "zod";
import {
  dropDatabases,
  isBabelfish,
  serverEnvironment,
  takeDatabase,
  testPool,
} from "../../contract/mssql-under-test.ts";
import { type LocalHost, startLocalHost } from "../../support/local-host.ts";
import { until } from "../../support/poll.ts";
import { printedSeed, Random } from "../../support/random.ts";
import { recountMssql } from "../../support/recount-mssql.ts";
import { type Answer, Client, Gate, PATIENT_MILLISECONDS, request } from "../crash/crowd.ts";
import { Ledger } from "../crash/ledger.ts";
import { holdingsOfDatabase } from "./holdings.ts";

/**
 * Four server processes on one database, each sweeping every second and maintaining every five, and a crowd that acts for
 * 32 workers and 4 supervisors. Two of the processes are killed with SIGKILL in the middle, and started again.
 */

const SERVERS = 4;
const CLIENTS_PER_SERVER = 4;
const WORKERS = 32;
const SUPERVISORS = 4;
const CAPACITY = 2;
const SETTINGS = { AGENT_SWEEP_SCHEDULE: "* * * * * *", AGENT_MAINTENANCE_SCHEDULE: "*/5 * * * * *" };
/** How long the crowd works before the first kill, between kills, and after the last restart; and how many calls of each at least. */
const PHASE_MILLISECONDS = 6_000;
const PHASE_CALLS = 3;
const DRAIN_MILLISECONDS = 600_000;

const cast = {
  supervisors: Array.from({ length: SUPERVISORS }, (_, index) => `planner-${index}`),
  workers: Array.from({ length: WORKERS }, (_, index) => `worker-${index}`),
};
const received = z.object({ messages: z.array(z.object({ messageId: z.string(), attempt: z.int() })) });
const beat = z.object({ tasks: z.array(z.object({ taskId: z.string(), attempt: z.int() })) });

const wait = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** A place where a server runs: it comes back on the same port. */
interface Place {
  host: LocalHost;
  gate: Gate;
  clients: Client[];
}

describe("four servers on one database, two of them killed", () => {
  const ledger = new Ledger();
  const places: Place[] = [];
  let environment: Record<string, string> = {};
  let pool: mssql.ConnectionPool;
  /** Whether the server reads each text anew for each connection, some of them for longer than a call is tried. */
  let patient = false;
  let work: Promise<unknown> = Promise.resolve();
  /** Workers seen above their capacity, by any of the looks during the run. */
  const overloaded: string[] = [];

  const rows = async (sql: string) => (await pool.request().query(sql)).recordset as Record<string, unknown>[];

  async function look(): Promise<void> {
    const sql = `SELECT l.agent_id, l.active_tasks, l.max_concurrent_tasks,
        (SELECT COUNT(*) FROM dbo.tasks AS t WHERE t.agent_no = l.agent_no AND t.status IN ('assigned', 'running')) AS live
      FROM dbo.agent_loads AS l`;
    for (const row of await rows(sql)) {
      const { agent_id: agentId, active_tasks: active, live } = row;
      if (Number(active) > CAPACITY || Number(live) > CAPACITY || active !== live) {
        overloaded.push(`${String(agentId)} counts ${String(active)} and holds ${String(live)} of ${CAPACITY}`);
      }
    }
  }

  /** A part of the run in which everybody has done something, also where a server takes half a minute to read its texts. */
  async function phase(): Promise<void> {
    const clients = places.flatMap((place) => place.clients);
    const before = clients.map(({ calls }) => calls);
    await wait(PHASE_MILLISECONDS);
    const ended = () => clients.every(({ calls }, index) => calls >= (before[index] ?? 0) + PHASE_CALLS);
    await until("every client has gone on", ended, DRAIN_MILLISECONDS);
  }

  async function killAndRestart(place: Place): Promise<void> {
    const exited = once(place.host.process, "exit");
    place.host.process.kill("SIGKILL");
    await exited;
    place.gate.close();
    await look();
    place.host = await startLocalHost({ ...environment, AGENT_HTTP_PORT: String(place.host.port) });
    place.gate.open(place.host.baseUrl);
  }

  beforeAll(async () => {
    const seed = printedSeed("several instances");
    const database = await takeDatabase();
    environment = { ...serverEnvironment(database), ...SETTINGS };
    pool = await testPool(database);
    patient = await isBabelfish();
    for (let index = 0; index < SERVERS; index++) {
      const gate = new Gate();
      const clients = Array.from({ length: CLIENTS_PER_SERVER }, (_, n) => {
        const random = new Random(seed + index * CLIENTS_PER_SERVER + n);
        return new Client({ gate, ledger, random, name: `s${index}c${n}`, cast, patient });
      });
      places.push({ host: await startLocalHost(environment), gate, clients });
    }
    const agents = [
      ...cast.supervisors.map((agentId) => ({ agentId, role: "supervisor" })),
      ...cast.workers.map((agentId) => ({ agentId, role: "worker", maxConcurrentTasks: CAPACITY })),
    ];
    const registered = agents.map((agent, index) => {
      const baseUrl = places[index % SERVERS]?.host.baseUrl ?? "";
      return request(baseUrl, "POST", "/agents", { capabilities: ["work"], ...agent }, {}, PATIENT_MILLISECONDS);
    });
    for (const answer of await Promise.all(registered)) expect(answer.status).toBe(201);
    for (const place of places) place.gate.open(place.host.baseUrl);
    work = Promise.all(places.flatMap(({ clients }) => clients.map((client) => client.run(10_000))));
  }, 900_000);

  afterAll(async () => {
    for (const { host, gate } of places) {
      gate.running = false;
      gate.open(host.baseUrl);
      host.process.kill("SIGKILL");
    }
    await work;
    await pool?.close();
    await dropDatabases();
  }, 900_000);

  it("keeps every worker within its capacity while servers die and come back", async () => {
    await phase();
    for (const place of places.slice(0, 2)) {
      await look();
      await killAndRestart(place);
      await phase();
    }
    await look();
    for (const { gate } of places) gate.running = false;
    await work;
    expect(overloaded).toEqual([]);
    const calls = places.flatMap(({ clients }) => clients.map((client) => client.calls));
    expect(Math.min(...calls)).toBeGreaterThan(5);
    // What the servers said of it goes with what was wrong.
    const said = ledger.wrong.length === 0 ? [] : places.flatMap(({ host }) => errorsIn(host.output()));
    expect({ wrong: ledger.wrong, said }).toEqual({ wrong: [], said: [] });
  }, 1_800_000);

  it("loses no message, leases none twice at once, ends no task twice; every counter equals its rows", async () => {
    const end = performance.now() + DRAIN_MILLISECONDS;
    const agents = [...cast.supervisors, ...cast.workers];
    const open = `SELECT (SELECT COUNT(*) FROM dbo.messages WHERE status IN ('queued', 'leased') AND type = 'notification') AS messages,
      (SELECT COUNT(*) FROM dbo.tasks WHERE ended_at IS NULL) AS tasks`;
    for (;;) {
      const [left] = await rows(open);
      if (Number(left?.messages) === 0 && Number(left?.tasks) === 0) break;
      if (performance.now() > end) throw new Error(`still open: ${JSON.stringify(left)}`);
      await Promise.all(
        agents.map((agentId, index) => drain(places[index % SERVERS]?.host.baseUrl ?? "", agentId, patient)),
      );
    }
    expect(ledger.audit(await holdingsOfDatabase(rows), Date.now())).toEqual([]);
    const twice = await rows(`SELECT task_no FROM dbo.task_events WHERE event IN ('completed', 'failed', 'cancelled')
      GROUP BY task_no HAVING COUNT(*) > 1`);
    expect(twice).toEqual([]);
    for (const { host } of places) expect(await host.stop()).toBe(0);
    expect(await recountMssql(pool)).toEqual([]);
  }, 1_200_000);
});

const errorsIn = (output: string) =>
  output
    .split("\n")
    .filter((line) => line.includes('"error"'))
    .slice(0, 5);

/** Completes what an agent has: its messages and its tasks. @param patient whether a 503 is no fault */
async function drain(baseUrl: string, agentId: string, patient: boolean): Promise<void> {
  const claim = { maxMessages: 50, leaseSeconds: 60 };
  const call = async (path: string, body: unknown): Promise<Answer> => {
    const answer = await request(baseUrl, "POST", path, body, {}, PATIENT_MILLISECONDS);
    return answer.status === 503 && patient ? call(path, body) : answer;
  };
  const { body } = await call(`/agents/${agentId}/messages/receive`, claim);
  const settlements = received.parse(body).messages.map(({ messageId, attempt }) => {
    return { messageId, attempt, outcome: "complete" };
  });
  if (settlements.length > 0) await call("/messages/settle", { agentId, settlements });
  const answer = await call(`/agents/${agentId}/heartbeat`, {});
  for (const { taskId, attempt } of beat.parse(answer.body).tasks) {
    await call(`/tasks/${taskId}/complete`, { agentId, attempt, result: { ok: true } });
  }
}
