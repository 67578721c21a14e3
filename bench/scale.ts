import { join } from "node:path";
import type { Services } from "../src/lib/services.ts";
import { median, printTable } from "./figures.ts";
import { openServices, PAYLOAD, temporaryFolder } from "./services.ts";

/** What one operation costs in a large store compared with a small one, both open in the same process, in interleaved rounds. */

interface Size {
  messages: number;
  tasks: number;
  agents: number;
  /** Delayed and key-blocked messages in the measured mailbox, and waiting tasks that nobody can take. */
  delayed: number;
  blocked: number;
  waiting: number;
}

export const SMALL: Size = { messages: 1_000, tasks: 100, agents: 10, delayed: 0, blocked: 0, waiting: 0 };
const LARGE: Size = {
  messages: 1_000_000,
  tasks: 100_000,
  agents: 10_000,
  delayed: 50_000,
  blocked: 50_000,
  waiting: 10_000,
};

const MEASURED = "measured";
/** Agents share capability sets, as the members of a fleet do. */
const SETS = 8;

async function inParallel(count: number, width: number, action: (index: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  const lane = async () => {
    while (next < count) await action(next++);
  };
  await Promise.all(Array.from({ length: width }, lane));
}

async function fillAgents({ registry }: Services, size: Size): Promise<void> {
  await registry.register({ agentId: "lead", role: "supervisor" });
  await registry.register({
    agentId: MEASURED,
    role: "worker",
    capabilities: ["measured"],
    maxConcurrentTasks: 10_000,
  });
  await inParallel(size.agents, 128, (index) =>
    registry.register({
      agentId: `agent-${index}`,
      role: "worker",
      capabilities: ["common", `kind-${index % SETS}`],
      maxConcurrentTasks: 1_000,
    }),
  );
}

/** Nine of ten messages are history; one waits, so that every mailbox holds the same at both sizes. */
async function fillMessages({ messages }: Services, size: Size): Promise<void> {
  const perAgent = Math.round(size.messages / size.agents);
  const open = Math.ceil(perAgent / 10);
  await inParallel(size.agents, 16, async (index) => {
    const receiver = `agent-${index}`;
    for (let sent = 0; sent < perAgent; sent += 50) {
      const count = Math.min(50, perAgent - sent);
      const one = { sender: "lead", receiver, type: "query", payload: PAYLOAD };
      await messages.sendBatch({ messages: Array.from({ length: count }, () => one) });
      const left = sent + count - (perAgent - open);
      const maxMessages = Math.min(50, count - Math.max(0, Math.min(left, count)));
      if (maxMessages < 1) continue;
      const received = await messages.receive(receiver, { maxMessages });
      const settlements = received.messages.map(({ messageId, attempt }) => ({
        messageId,
        attempt,
        outcome: "complete" as const,
      }));
      await messages.settle({ agentId: receiver, settlements });
    }
  });
}

async function fillBehind({ messages }: Services, size: Size): Promise<void> {
  const batch = (extra: object) => ({
    messages: Array.from({ length: 100 }, () => ({
      sender: "lead",
      receiver: MEASURED,
      type: "query",
      payload: PAYLOAD,
      ...extra,
    })),
  });
  for (let sent = 0; sent < size.delayed; sent += 100) await messages.sendBatch(batch({ delaySeconds: 86_400 }));
  // All behind one delayed head.
  for (let sent = 0; sent < size.blocked; sent += 100) {
    await messages.sendBatch(batch({ orderingKey: "one-by-one", delaySeconds: sent === 0 ? 86_400 : 0 }));
  }
}

async function fillTasks({ coordinator }: Services, size: Size): Promise<void> {
  await inParallel(size.waiting, 64, () =>
    coordinator.assign({ supervisor: "lead", taskType: "rare", requiredCapabilities: ["nobody-has-this"] }),
  );
  await inParallel(size.tasks, 64, async (index) => {
    const task = await coordinator.assign({
      supervisor: "lead",
      taskType: "common",
      requiredCapabilities: ["common", `kind-${index % SETS}`],
    });
    const { taskId, attempt } = task;
    if (task.assignedTo === undefined) throw new Error("the task was not assigned");
    await coordinator.complete(taskId, { agentId: task.assignedTo, attempt });
  });
}

async function fill(file: string, size: Size): Promise<Services> {
  return await fillServices(await openServices(file), size);
}

/** Fills an empty store to that size. @returns the services */
export async function fillServices(services: Services, size: Size): Promise<Services> {
  const startedAt = performance.now();
  await fillAgents(services, size);
  await fillMessages(services, size);
  await fillTasks(services, size);
  await fillBehind(services, size);
  const { queue, coordination } = await services.monitor.metrics();
  const tasks = Object.values(coordination.byStatus).reduce((sum, count) => sum + count, 0);
  const seconds = ((performance.now() - startedAt) / 1_000).toFixed(0);
  console.log(`filled: ${queue.totalMessages} messages, ${tasks} tasks, ${size.agents} agents in ${seconds} s`);
  return services;
}

export const VERBS = ["send", "receive", "complete", "assign", "heartbeat"] as const;
type Verb = (typeof VERBS)[number];
export type Costs = Record<Verb, number>;

/** Microseconds per operation; `width` operations at a time share a commit. */
export async function measure(services: Services, count: number, width: number): Promise<Costs> {
  const { messages, coordinator, registry } = services;
  const costs = {} as Costs;
  const timed = async (verb: Verb, action: (index: number) => Promise<unknown>) => {
    const startedAt = performance.now();
    await inParallel(count, width, action);
    costs[verb] = ((performance.now() - startedAt) * 1_000) / count;
  };
  const held: { messageId: string; attempt: number }[] = [];
  const assigned: { taskId: string; attempt: number; agentId: string }[] = [];
  const one = { sender: "lead", receiver: MEASURED, type: "query", payload: PAYLOAD };
  await timed("send", () => messages.send(one));
  await timed("receive", async () => {
    const received = await messages.receive(MEASURED);
    for (const message of received.messages) held.push(message);
  });
  await timed("complete", (index) => {
    const { messageId, attempt } = held[index] ?? { messageId: "none", attempt: 1 };
    return messages.complete(messageId, { agentId: MEASURED, attempt });
  });
  await timed("assign", async () => {
    const task = await coordinator.assign({ supervisor: "lead", taskType: "common", requiredCapabilities: ["common"] });
    if (task.assignedTo !== undefined)
      assigned.push({ taskId: task.taskId, attempt: task.attempt, agentId: task.assignedTo });
  });
  await timed("heartbeat", () => registry.heartbeat(MEASURED));
  // Leaves the fleet as it was.
  await inParallel(assigned.length, 64, (index) => {
    const { taskId, ...rest } = assigned[index] ?? { taskId: "none", attempt: 1, agentId: "none" };
    return coordinator.complete(taskId, rest);
  });
  return costs;
}

export async function benchScale(rounds: number): Promise<void> {
  const folder = temporaryFolder();
  const small = await fill(join(folder, "small.db"), SMALL);
  const large = await fill(join(folder, "large.db"), LARGE);
  for (const [width, count, target] of [
    [1, 300, "≤ 1.2"],
    [32, 3_200, "≤ 1.5"],
  ] as const) {
    const inSmall: Costs[] = [];
    const inLarge: Costs[] = [];
    for (let round = -1; round < rounds; round += 1) {
      const costs = [await measure(small, count, width), await measure(large, count, width)] as const;
      if (round >= 0) {
        inSmall.push(costs[0]);
        inLarge.push(costs[1]);
      }
    }
    printTable(
      `Cost at 1,000,000 messages, 100,000 tasks, 10,000 agents compared with 1,000 / 100 / 10; ${width} per commit (µs, ${rounds} interleaved rounds, medians)`,
      ["operation", "small", "large", "ratio", "target"],
      VERBS.map((verb) => {
        const before = inSmall.map((costs) => costs[verb]);
        const after = inLarge.map((costs) => costs[verb]);
        const ratios = after.map((cost, index) => cost / (before[index] ?? Number.NaN));
        return [verb, median(before).toFixed(0), median(after).toFixed(0), median(ratios).toFixed(2), target];
      }),
    );
  }
  await small.store.close();
  await large.store.close();
}
