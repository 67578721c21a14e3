import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { mkdtemp, realpath, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { helpIfAsked } from "../scripts/help.ts";
import { AgentClient, isAgentCommunicationError, printable } from "../src/client/index.ts";
import { admit } from "./credentials.ts";
import { INTERRUPTED_TASK, planTasks, SUPERVISOR, WORKERS } from "./plan.ts";
import { Processes, type Say } from "./processes.ts";
import { type Service, startService } from "./service.ts";

/**
 * npm run demo [-- folder] [--out report.md] [--credentials]
 *
 * Starts the service, a supervisor and five workers, each a process of its own; has them examine a folder; kills one
 * worker in the middle of its task; and checks that all tasks were completed all the same. Exit code 0 only then.
 * With AGENT_COMMUNICATION_MODE=sql the service is three processes on the database of AZURE_SQL_…, of which one is killed,
 * too, and started again. With --credentials the service asks every process for the token that an admin has issued to it.
 */

const LOG_FILE = "agent_communication_demo.log";
const KILL_WITHIN_MILLISECONDS = 60_000;

interface Kill {
  agentId: string;
  pid: number | undefined;
}

function makeSay(): { say: Say; close: () => Promise<void> } {
  const began = performance.now();
  const log = createWriteStream(LOG_FILE, { flags: "w" });
  return {
    say: (who, said) => {
      // Lines of the processes, which print what others sent them.
      const line = printable(said);
      const seconds = ((performance.now() - began) / 1_000).toFixed(1).padStart(5);
      console.log(`${seconds} s  ${who.padEnd(13)} ${line}`);
      log.write(`${new Date().toISOString()} ${who} ${line}\n`);
    },
    close: async () => {
      log.end();
      await once(log, "finish");
    },
  };
}

/** Waits until the task is held at half, and kills the process of whoever has it. */
async function killInTheMiddle(
  client: AgentClient,
  processes: Processes,
  stopped: AbortSignal,
): Promise<Kill | undefined> {
  const end = performance.now() + KILL_WITHIN_MILLISECONDS;
  while (performance.now() < end && !stopped.aborted) {
    const task = await findTask(client, INTERRUPTED_TASK);
    if (task?.status === "running" && task.attempt === 1 && task.note === "held at half" && task.assignedTo) {
      return { agentId: task.assignedTo, pid: processes.kill(task.assignedTo) };
    }
    await sleep(50);
  }
  return undefined;
}

/** Where the service is several processes, one of them dies as well; its agents wait until it is back. */
async function killService(service: Service, say: Say): Promise<void> {
  const killed = await service.killAndRestart();
  if (killed === undefined) return;
  say("demo", `killed ${killed.name} (process ${killed.pid}) of the service, and started it again`);
}

/** The supervisor may not have assigned it yet. */
async function findTask(client: AgentClient, taskId: string) {
  try {
    return await client.getTask(taskId);
  } catch (error) {
    if (isAgentCommunicationError(error, "TASK_NOT_FOUND")) return undefined;
    throw error;
  }
}

/** What is not as it should be, asked from the service itself. */
async function findFaults(client: AgentClient, folder: string, kill: Kill | undefined): Promise<string[]> {
  const faults: string[] = [];
  for (const { taskId } of planTasks(folder)) {
    const task = await findTask(client, taskId);
    if (task?.status !== "completed") faults.push(`${taskId} is ${task?.status ?? "unknown"}, not completed`);
  }
  if (kill === undefined) return [...faults, `nobody was killed: ${INTERRUPTED_TASK} never reached its middle`];
  const { assignments } = await client.getAssignments(INTERRUPTED_TASK);
  const [first, ...others] = assignments;
  if (first?.chosen !== kill.agentId || first.outcome !== "agent_inactive") {
    faults.push(`the first attempt at ${INTERRUPTED_TASK} did not end by the death of ${kill.agentId}`);
  }
  const last = others.at(-1);
  if (last === undefined || last.chosen === kill.agentId || last.outcome !== "completed") {
    faults.push(`no other worker completed ${INTERRUPTED_TASK}`);
  }
  return faults;
}

interface Options {
  folder: string;
  report: string;
  credentials: boolean;
}

async function run({ folder, report, credentials }: Options, say: Say, interrupted: AbortSignal): Promise<boolean> {
  const scratch = await mkdtemp(join(tmpdir(), "agent-communication-demo-"));
  const processes = new Processes(say);
  const stopped = new AbortController();
  interrupted.addEventListener("abort", () => {
    stopped.abort();
    void processes.stopAll();
  });
  try {
    const service = await startService(processes, join(scratch, "agents.db"), credentials);
    const [url = ""] = service.urls;
    const client = new AgentClient({ baseUrl: url, token: service.adminToken });
    const admitted = async (agentId: string, role: "worker" | "supervisor") =>
      credentials ? await admit(client, agentId, role) : {};
    for (const [index, { agentId, capabilities }] of WORKERS.entries()) {
      const nearest = service.urls[index % service.urls.length] ?? url;
      const environment = await admitted(agentId, "worker");
      processes.start(agentId, "demo/worker.ts", [nearest, agentId, capabilities.join(",")], environment);
    }
    await waitForWorkers(client, stopped.signal);
    const arguments_ = [url, folder, report];
    const environment = await admitted(SUPERVISOR, "supervisor");
    const supervisor = processes.start("supervisor", "demo/supervisor.ts", arguments_, environment);
    const supervised = once(supervisor, "exit").finally(() => stopped.abort());
    const kill = await killInTheMiddle(client, processes, stopped.signal);
    if (kill !== undefined)
      say("demo", `killed ${kill.agentId} (process ${kill.pid}) in the middle of ${INTERRUPTED_TASK}`);
    await killService(service, say);
    const [code] = await supervised;
    const faults = await findFaults(client, folder, kill);
    if (code !== 0) faults.push(`the supervisor ended with ${code}`);
    for (const fault of faults) say("demo", `FAULT: ${fault}`);
    if (faults.length === 0)
      say("demo", `all ${planTasks(folder).length} tasks completed, ${INTERRUPTED_TASK} by another worker`);
    return faults.length === 0;
  } finally {
    await processes.stopAll();
    await rm(scratch, { recursive: true, force: true });
  }
}

/** Work is handed out by load: it is more even when all are there. */
async function waitForWorkers(client: AgentClient, stopped: AbortSignal): Promise<void> {
  const end = performance.now() + KILL_WITHIN_MILLISECONDS;
  while (performance.now() < end && !stopped.aborted) {
    const { agents } = await client.listAgents({ role: "worker", status: "active" });
    // Without capabilities it has been admitted, and its process is not there yet.
    const there = new Set(agents.filter((agent) => agent.capabilities.length > 0).map(({ agentId }) => agentId));
    if (WORKERS.every(({ agentId }) => there.has(agentId))) return;
    await sleep(100);
  }
  throw new Error("the workers did not come up");
}

const USAGE = `Usage: npm run demo [-- folder] [--out report.md] [--credentials]

Starts the service, a supervisor and five workers, each a process of its own, has them examine a folder (default: this
repository), kills one worker in the middle of its task, and checks that every task was completed all the same.

  folder          what is examined
  --out <file>    where the report goes (default: demo-report.md)
  --credentials   the service asks every process for its token
  -h, --help      print this

With AGENT_COMMUNICATION_MODE=sql the service is three processes on the database that AZURE_SQL_* name; one is killed, too.
Exit codes: 0 every task was completed; 1 not; 2 wrong arguments.`;

helpIfAsked(USAGE);

function readArguments() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: { out: { type: "string" }, credentials: { type: "boolean", default: false } },
    });
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`);
    process.exit(2);
  }
}

const { values, positionals } = readArguments();
const given = resolve(positionals[0] ?? fileURLToPath(new URL("..", import.meta.url)));
const isFolder = await stat(given)
  .then((found) => found.isDirectory())
  .catch(() => false);
if (!isFolder) {
  console.error(`${given} is not a folder.\n\n${USAGE}`);
  process.exit(2);
}
const folder = await realpath(given);
const report = resolve(values.out ?? "demo-report.md");
const interrupted = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => interrupted.abort());
const { say, close } = makeSay();
say("demo", `five workers and a supervisor examine ${folder}; everything is also in ${LOG_FILE}`);
try {
  process.exitCode = (await run({ folder, report, credentials: values.credentials }, say, interrupted.signal)) ? 0 : 1;
} catch (error) {
  say("demo", `FAULT: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
if (process.exitCode === 0) say("demo", `read ${report}`);
await close();
