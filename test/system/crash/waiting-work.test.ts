import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { type LocalHost, startLocalHost } from "../../support/local-host.ts";
import { printedSeed, Random } from "../../support/random.ts";
import { recount, rowsOf } from "../../support/recount.ts";
import { STANDING_LAWS } from "../../support/waiting-laws.ts";
import { Gate, request } from "./crowd.ts";
import { auditFlows, auditUsage, FlowClient, LEAD } from "./flows.ts";

/**
 * The real server is killed with SIGKILL while tasks ask, are answered, make children, fail and are retried. After each kill the file is
 * judged by itself: nothing that was acknowledged is lost, nothing was done twice, and nothing waits for what will not come.
 */

const KILLS = 12;
const CLIENTS = 4;

const random = new Random(printedSeed("crash test of waiting work"));
const gate = new Gate();
const clients = Array.from({ length: CLIENTS }, (_, n) => new FlowClient(gate, `c${n}`));

let directory = "";
let file = "";
let host: LocalHost | undefined;
let work: Promise<unknown> = Promise.resolve();

async function start(): Promise<string> {
  host = await startLocalHost({ AGENT_SWEEP_SCHEDULE: "* * * * * *" }, { database: file });
  return host.baseUrl;
}

async function kill(running: LocalHost): Promise<void> {
  const exited = once(running.process, "exit");
  running.process.kill("SIGKILL");
  await exited;
}

function judge(): string[] {
  const waiting = STANDING_LAWS.flatMap((law) => rowsOf(file, law).map((row) => String(row.problem)));
  const flows = clients.flatMap((client) => auditFlows(file, client.flows));
  return [...recount(file), ...waiting, ...flows];
}

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "agent-communication-crash-"));
  file = join(directory, "agents.db");
  const baseUrl = await start();
  const workers = clients.map(({ agentId, skill }) => ({
    ...{ agentId, role: "worker", capabilities: [skill] },
    ...{ maxConcurrentTasks: 4, heartbeatTimeoutSeconds: 3_600 },
  }));
  for (const agent of [{ agentId: LEAD, role: "supervisor" }, ...workers]) {
    const answer = await request(baseUrl, "POST", "/agents", agent);
    if (answer.status !== 201) throw new Error(`not registered: ${JSON.stringify(answer)}`);
  }
  gate.open(baseUrl);
  work = Promise.all(clients.map((client) => client.run()));
  // Its failure is seen where it is waited for.
  work.catch(() => undefined);
}, 60_000);

afterAll(async () => {
  host?.process.kill("SIGKILL");
  await rm(directory, { recursive: true, force: true });
}, 60_000);

describe(`a server that is killed ${KILLS} times while tasks wait and go on`, () => {
  it("loses nothing that it has acknowledged, and does nothing twice", async () => {
    for (let round = 1; round <= KILLS; round++) {
      await new Promise((resolve) => setTimeout(resolve, random.between(30, 600)));
      if (host === undefined) throw new Error("no server");
      await kill(host);
      gate.close();
      // Answers that were already on their way arrive before the file is judged.
      await new Promise((resolve) => setTimeout(resolve, 30));
      expect({ round, broken: judge() }).toEqual({ round, broken: [] });
      gate.open(await start());
    }
  }, 240_000);

  it("then brings all of it to its end, and has booked what was used once", async () => {
    for (const client of clients) client.running = false;
    await work;
    await host?.stop({ keep: true });
    expect(judge()).toEqual([]);
    const flows = clients.flatMap((client) => client.flows);
    expect(flows.filter(({ completed }) => completed !== true)).toEqual([]);
    expect(flows.length).toBeGreaterThan(2 * CLIENTS);
    expect(clients.reduce((sum, { repeated }) => sum + repeated, 0)).toBeGreaterThan(KILLS / 2);
    const reports = clients.reduce((sum, client) => sum + client.reports, 0);
    expect(auditUsage(file, reports)).toEqual([]);
    expect(rowsOf(file, "SELECT task_id, status FROM tasks WHERE ended_at IS NULL")).toEqual([]);
  }, 120_000);
});
