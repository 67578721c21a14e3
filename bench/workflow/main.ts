import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import type { Services } from "../../src/lib/services.ts";
import { median, medianRatio, printTable, rate, ratio, whole } from "../figures.ts";
import { type Costs, fillServices, measure, SMALL, VERBS } from "../scale.ts";
import { openServices, temporaryFolder } from "../services.ts";
import {
  askAndResume,
  assignTasks,
  createWide,
  FAN,
  registerBoth,
  runFan,
  sendTwoBatches,
  startAndComplete,
} from "./ours.ts";
import { openPgBoss, type Peer } from "./pg-boss.ts";

/** Workflows and waiting tasks of the embedded store; the plain verbs beside those of another checkout; fans beside pg-boss. */

export interface WorkflowPeers {
  /** Another checkout of this repository, with its packages installed. */
  against?: string | undefined;
  pgBoss?: string | undefined;
  postgres?: string | undefined;
}

/** Of each a round, so that both ways of a pair meet the same minute. */
const PER_ROUND: PerRound = { workflows: 10, tasks: 100 };
const FANS = 10;

interface PerRound {
  workflows: number;
  tasks: number;
}

async function milliseconds(count: number, action: (index: number) => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  for (let index = 0; index < count; index += 1) await action(index);
  return (performance.now() - startedAt) / count;
}

export async function benchWorkflows(rounds: number, peers: WorkflowPeers): Promise<void> {
  const folder = temporaryFolder();
  const services = await openServices(join(folder, "costs.db"));
  await benchCosts(services, rounds, PER_ROUND);
  await services.store.close();
  await benchFans(rounds, join(folder, "fans.db"), peers);
  if (peers.against !== undefined) await benchAgainst(rounds, folder, peers.against);
}

/** The cost of workflows compared with messages, and of a question compared with a plain task, on either engine. */
export async function benchCosts(services: Services, rounds: number, { workflows, tasks }: PerRound): Promise<void> {
  await registerBoth(services);
  const figures = { batches: [], workflow: [], plain: [], asked: [] } as Record<string, number[]>;
  for (let round = -1; round < rounds; round += 1) {
    const batches = await milliseconds(workflows, () => sendTwoBatches(services));
    const made: string[] = [];
    const workflow = await milliseconds(workflows, async () => made.push(await createWide(services)));
    for (const workflowId of made) await services.workflows.cancel(workflowId);
    const [plainTasks, asking] = [await assignTasks(services, tasks), await assignTasks(services, tasks)];
    const plain = await milliseconds(tasks, (index) => startAndComplete(services, plainTasks[index] ?? ""));
    for (const taskId of asking) await services.coordinator.start(taskId, { agentId: "worker", attempt: 1 });
    const asked = await milliseconds(tasks, (index) => askAndResume(services, asking[index] ?? ""));
    for (const taskId of asking) await services.coordinator.complete(taskId, { agentId: "worker", attempt: 2 });
    // The first round warms up the compiler and the page cache.
    if (round < 0) continue;
    for (const [name, value] of Object.entries({ batches, workflow, plain, asked })) figures[name]?.push(value);
  }
  const row = (label: string, name: string, base: string, target: string) => {
    const [values, bases] = [figures[name] ?? [], figures[base] ?? []];
    return [label, median(values).toFixed(2), median(bases).toFixed(2), ratio(medianRatio(values, bases)), target];
  };
  printTable(
    `Workflows and tasks that wait: milliseconds, one caller (${rounds} interleaved rounds, medians)`,
    ["", "it", "compared with", "ratio", "target"],
    [
      row("a workflow of 200 tasks; two batches of 100 messages", "workflow", "batches", "≤ 1.5"),
      row("suspend, answer and start again; start and complete", "asked", "plain", "≤ 3"),
    ],
  );
}

async function benchFans(rounds: number, file: string, { pgBoss, postgres }: WorkflowPeers): Promise<void> {
  const services = await openServices(file);
  await registerBoth(services);
  const peer: Peer | undefined =
    pgBoss === undefined || postgres === undefined ? undefined : await openPgBoss(pgBoss, postgres);
  const [ours, theirs]: [number[], number[]] = [[], []];
  const fans = (run: () => Promise<void>) => async () => {
    for (let fan = 0; fan < FANS; fan += 1) await run();
  };
  for (let round = -1; round < rounds; round += 1) {
    const own = await rate(
      FANS * FAN,
      fans(() => runFan(services)),
    );
    const other =
      peer === undefined
        ? Number.NaN
        : await rate(
            FANS * FAN,
            fans(() => peer.runFan()),
          );
    if (round < 0) continue;
    ours.push(own);
    theirs.push(other);
  }
  await peer?.stop();
  await services.store.close();
  printTable(
    `Fan-out and fan-in of ${FAN} tasks, created and worked off by one process: tasks/s (${rounds} interleaved rounds, medians)`,
    ["", "agent-communication", "pg-boss", "ratio", "target"],
    [["one flow after the other", whole(median(ours)), whole(median(theirs)), ratio(medianRatio(ours, theirs)), "≥ 3"]],
  );
}

/** The verbs of those who use none of it, in turn with the other checkout's. */
async function benchAgainst(rounds: number, folder: string, against: string): Promise<void> {
  const other = (await import(pathToFileURL(join(resolve(against), "bench/services.ts")).href)) as {
    openServices(file: string): Promise<Services>;
  };
  const now = await fillServices(await openServices(join(folder, "now.db")), SMALL);
  const before = await fillServices(await other.openServices(join(folder, "before.db")), SMALL);
  for (const [width, count] of [
    [1, 500],
    [32, 6_400],
  ] as const) {
    const [ofNow, ofBefore]: [Costs[], Costs[]] = [[], []];
    for (let round = -1; round < rounds; round += 1) {
      // Who goes first takes turns, too.
      const order = round % 2 === 0 ? [now, before] : [before, now];
      for (const services of order) {
        const costs = await measure(services, count, width);
        if (round >= 0) (services === now ? ofNow : ofBefore).push(costs);
      }
    }
    printTable(
      `Those who use none of it, beside the other checkout; ${width} per commit (µs, ${rounds} interleaved rounds, medians)`,
      ["operation", "before", "now", "ratio", "target"],
      VERBS.map((verb) => {
        const [values, bases] = [ofNow.map((costs) => costs[verb]), ofBefore.map((costs) => costs[verb])];
        return [verb, median(bases).toFixed(0), median(values).toFixed(0), ratio(medianRatio(values, bases)), "≤ 1.03"];
      }),
    );
  }
  await now.store.close();
  await before.store.close();
}
