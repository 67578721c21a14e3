import { afterAll, afterEach, beforeAll, describe, expect, it } from "@jest/globals";
import { AgentClient } from "../../../src/client/agent-client.ts";
import type { TaskContext, TaskHandler } from "../../../src/client/task-context.ts";
import { Worker } from "../../../src/client/worker.ts";
import type { WorkerEvent } from "../../../src/client/worker-options.ts";
import type { ModelUsage } from "../../../src/lib/model/usage.ts";
import { type LocalHost, startLocalHost } from "../../support/local-host.ts";
import { until } from "../../support/poll.ts";

const used = (inputTokens: number, model = "m"): ModelUsage => ({ model, inputTokens, outputTokens: 1 });

describe("a worker whose handler uses models", () => {
  let host: LocalHost;
  let client: AgentClient;
  const workers: Worker[] = [];
  const events: WorkerEvent[] = [];
  let round = 0;

  beforeAll(async () => {
    host = await startLocalHost({ AGENT_SWEEP_SCHEDULE: "* * * * * *" });
    client = new AgentClient({ baseUrl: host.baseUrl });
  });
  afterEach(async () => {
    await Promise.all(workers.splice(0).map((worker) => worker.stop({ graceMilliseconds: 0 })));
    events.length = 0;
  });
  afterAll(async () => {
    await host?.stop();
  });

  async function begin(handle: TaskHandler, task: object = {}) {
    round += 1;
    const [agentId, supervisor, skill] = [`w-${round}`, `s-${round}`, `skill-${round}`];
    await client.registerAgent({ agentId: supervisor, role: "supervisor" });
    const onEvent = (event: WorkerEvent) => events.push(event);
    const worker = new Worker({ client, agentId, capabilities: [skill], handle, onEvent });
    workers.push(worker);
    await worker.start();
    const body = { supervisor, taskType: "think", requiredCapabilities: [skill], ...task };
    const { taskId } = await client.assignTask(body);
    return { taskId, supervisor, agentId };
  }

  const reached = (taskId: string, status: string) =>
    until(`${taskId} is ${status}`, async () => {
      const task = await client.getTask(taskId);
      return task.status === status ? task : undefined;
    });
  const inputs = (usage: readonly { model?: string | undefined; inputTokens: number }[] | undefined) =>
    Object.fromEntries((usage ?? []).map(({ model = "", inputTokens }) => [model, inputTokens]));
  const logged = () => events.flatMap((event) => (event.type === "log" ? [event.line] : []));

  it("adds calls up, tells them while it runs, and the rest with the end", async () => {
    let seen: unknown;
    const { taskId, supervisor } = await begin(async (task, context) => {
      await context.addUsage(used(10));
      await context.addUsage([used(5), used(7, "other")]);
      await context.addUsage(undefined);
      seen = inputs((await client.getTask(task.taskId)).usage);
      void context.addUsage(used(100));
      return "done";
    });
    const { usage } = await reached(taskId, "completed");
    expect(seen).toEqual({ m: 15, other: 7 });
    expect(inputs(usage)).toEqual({ m: 115, other: 7 });
    const { usage: lines } = await client.usage({ by: ["model"], supervisor });
    expect(inputs(lines)).toEqual({ m: 115, other: 7 });
    expect(logged()).toEqual([]);
  });

  it("takes totals as totals", async () => {
    const { taskId } = await begin(async (_task, context) => {
      await context.reportUsage(used(10));
      await context.reportUsage([used(25)]);
      await context.reportUsage(used(20));
    });
    expect(inputs((await reached(taskId, "completed")).usage)).toEqual({ m: 25 });
  });

  it("tells it with a failure and a suspension, and each attempt counts for itself", async () => {
    const { taskId, supervisor } = await begin(
      (task, context) => {
        void context.addUsage(used(10));
        if (task.attempt === 1) return context.ask({ text: "Go on?" });
        throw new Error("no");
      },
      { maxRetries: 0 },
    );
    const { question } = await reached(taskId, "input_required");
    await client.answerTask(taskId, { agentId: supervisor, questionId: question?.questionId ?? "", answer: "yes" });
    expect(inputs((await reached(taskId, "failed")).usage)).toEqual({ m: 20 });
  });

  it("has a place for more models than an attempt may name, and more than one call takes", async () => {
    const { taskId } = await begin((_task, context) => {
      void context.addUsage(Array.from({ length: 40 }, (_, n) => used(1, `m${n}`)));
    });
    const { usage = [] } = await reached(taskId, "completed");
    expect(usage).toHaveLength(32);
    expect(usage.reduce((sum, { inputTokens }) => sum + inputTokens, 0)).toBe(40);
    expect(usage[0]).toMatchObject({ inputTokens: 9 });
  });

  it("does not fail for what is no usage, and says so", async () => {
    const odd = [
      { model: "m" },
      { inputTokens: -1 },
      { outputTokens: 0.5 },
      { model: "a b" },
      { provider: 5 },
      7,
      "x",
      null,
    ];
    const { taskId } = await begin(async (_task, context) => {
      for (const usage of odd) await context.addUsage(usage as never);
      const hostile = Object.defineProperty({}, "model", {
        get: () => {
          throw new Error("hidden");
        },
      });
      await context.addUsage(hostile as never);
      return 1;
    });
    const { usage, result } = await reached(taskId, "completed");
    expect(result).toBe(1);
    expect(inputs(usage)).toEqual({ m: 0 });
    expect(logged().filter((line) => line.startsWith("usage is left out: "))).toHaveLength(7);
  });

  it("delivers the result all the same when the service refuses its usage", async () => {
    const { taskId } = await begin(async (task, { client: own, addUsage }) => {
      for (let n = 0; n < 32; n += 8) {
        const usage = Array.from({ length: 8 }, (_, place) => used(1, `own-${n + place}`));
        await own.reportUsage(task.taskId, { agentId: `w-${round}`, attempt: task.attempt, usage });
      }
      void addUsage(used(1, "one-too-many"));
      return "done";
    });
    const { result, usage } = await reached(taskId, "completed");
    expect([result, usage?.length]).toEqual(["done", 32]);
    expect(logged().filter((line) => line.startsWith("usage not reported: "))).not.toEqual([]);
  });

  it("tells the usage of an attempt that was lost", async () => {
    let context: TaskContext | undefined;
    const { taskId, supervisor } = await begin(
      async (task, given) => {
        if (task.attempt > 1) return "second";
        context = given;
        await until("the attempt is lost", async () => given.signal.aborted || undefined);
        await given.addUsage(used(40));
        return "too late";
      },
      { timeoutSeconds: 1 },
    );
    await reached(taskId, "completed");
    await until("the usage is there", async () => {
      const { usage } = await client.usage({ by: ["model"], supervisor });
      return inputs(usage).m === 40 ? true : undefined;
    });
    expect(context?.signal.aborted).toBe(true);
  });
});
