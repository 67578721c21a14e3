import { z } from "zod";
import type { Services } from "../../src/lib/services.ts";
import { PAYLOAD } from "../services.ts";

/** What is done with workflows and with tasks that wait, by the in-process API. */

export const WORKER = "worker";
export const LEAD = "lead";

export async function registerBoth({ registry }: Services): Promise<void> {
  await registry.register({ agentId: LEAD, role: "supervisor" });
  await registry.register({ agentId: WORKER, role: "worker", capabilities: ["work"], maxConcurrentTasks: 1_000 });
}

/** Two batches of 100 messages of 200 bytes. */
export async function sendTwoBatches({ messages }: Services): Promise<void> {
  const one = { sender: LEAD, receiver: WORKER, type: "query", payload: PAYLOAD };
  for (let batch = 0; batch < 2; batch += 1) {
    await messages.sendBatch({ messages: Array.from({ length: 100 }, () => one) });
  }
}

/** A workflow of 200 tasks of 200 bytes: one, 198 that wait for it, and one that waits for those. */
export async function createWide({ workflows }: Services): Promise<string> {
  const sides = Array.from({ length: 198 }, (_, index) => `side-${index}`);
  const { workflowId } = await workflows.create({
    supervisor: LEAD,
    tasks: [taskOf("root", []), ...sides.map((ref) => taskOf(ref, ["root"])), taskOf("join", sides)],
  });
  return workflowId;
}

function taskOf(ref: string, dependsOn: string[]) {
  return { ref, taskType: "work", requiredCapabilities: ["work"], parameters: PAYLOAD, dependsOn };
}

/** As workflows of `FAN` tasks go: created, received by the worker as they become free, completed. */
export const FAN = 50;

export async function runFan({ workflows, messages, coordinator }: Services): Promise<void> {
  const sides = Array.from({ length: FAN - 2 }, (_, index) => `side-${index}`);
  await workflows.create({
    supervisor: LEAD,
    tasks: [taskOf("root", []), ...sides.map((ref) => taskOf(ref, ["root"])), taskOf("join", sides)],
  });
  for (let done = 0; done < FAN; ) {
    const received = await messages.receive(WORKER, { maxMessages: 50, types: ["task_assignment"] });
    if (received.messages.length === 0) throw new Error("nothing was handed out");
    await Promise.all(received.messages.map(({ payload }) => coordinator.complete(...endingOf(payload))));
    done += received.messages.length;
  }
}

const assignmentSchema = z.object({ taskId: z.string(), attempt: z.int() });

function endingOf(payload: unknown): [string, { agentId: string; attempt: number; result: { ok: boolean } }] {
  const { taskId, attempt } = assignmentSchema.parse(payload);
  return [taskId, { agentId: WORKER, attempt, result: { ok: true } }];
}

/** Assigns tasks to be measured on. */
export async function assignTasks({ coordinator }: Services, count: number): Promise<string[]> {
  const replies = await Promise.all(
    Array.from({ length: count }, () =>
      coordinator.assign({ supervisor: LEAD, taskType: "work", requiredCapabilities: ["work"], parameters: PAYLOAD }),
    ),
  );
  return replies.map(({ taskId }) => taskId);
}

export async function startAndComplete({ coordinator }: Services, taskId: string, attempt = 1): Promise<void> {
  await coordinator.start(taskId, { agentId: WORKER, attempt });
  await coordinator.complete(taskId, { agentId: WORKER, attempt, result: { ok: true } });
}

/** A started task asks, is answered, and is started again by its worker. */
export async function askAndResume({ questions, coordinator }: Services, taskId: string): Promise<void> {
  const until = { question: { text: "Deploy?", options: ["yes", "no"] } };
  const { questionId } = await questions.suspend(taskId, { agentId: WORKER, attempt: 1, checkpoint: PAYLOAD, until });
  if (questionId === undefined) throw new Error("nothing was asked");
  await questions.answer(taskId, { agentId: LEAD, questionId, answer: "yes" });
  await coordinator.start(taskId, { agentId: WORKER, attempt: 2 });
}
