import { afterAll, afterEach, beforeAll, describe, expect, it } from "@jest/globals";
import { AgentClient } from "../../../src/client/agent-client.ts";
import type { AssignedTask } from "../../../src/client/payloads.ts";
import type { TaskHandler } from "../../../src/client/task-context.ts";
import { Worker } from "../../../src/client/worker.ts";
import type { WorkerEvent } from "../../../src/client/worker-options.ts";
import { type LocalHost, startLocalHost } from "../../support/local-host.ts";
import { until } from "../../support/poll.ts";

describe("a worker whose handler suspends", () => {
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

  async function begin(handle: TaskHandler, options: { children?: { taskTypes: string[] } } = {}) {
    round += 1;
    const [agentId, supervisor, skill] = [`w-${round}`, `s-${round}`, `skill-${round}`];
    await client.registerAgent({ agentId: supervisor, role: "supervisor" });
    const worker = new Worker({
      client,
      agentId,
      capabilities: [skill],
      handle,
      onEvent: (event) => events.push(event),
    });
    workers.push(worker);
    await worker.start();
    const { taskId } = await client.assignTask({
      supervisor,
      taskType: "deploy",
      requiredCapabilities: [skill],
      ...options,
    });
    return { taskId, supervisor, agentId };
  }

  const reached = (taskId: string, status: string) =>
    until(`${taskId} is ${status}`, async () => {
      const task = await client.getTask(taskId);
      return task.status === status ? task : undefined;
    });

  it("asks, and goes on with the answer and what it left itself", async () => {
    const seen: AssignedTask[] = [];
    const { taskId, supervisor } = await begin((task, context) => {
      seen.push(task);
      if (task.resume === undefined) return context.ask({ text: "Deploy?", options: ["yes", "no"] }, { built: 7 });
      return { deployed: task.resume.answer, ...Object(task.resume.checkpoint) };
    });
    const { question } = await reached(taskId, "input_required");
    expect(events.map(({ type }) => type)).toContain("task_suspended");
    await client.answerTask(taskId, { agentId: supervisor, questionId: question?.questionId ?? "", answer: "yes" });
    expect((await reached(taskId, "completed")).result).toEqual({ deployed: "yes", built: 7 });
    expect(seen.map(({ attempt, resume }) => [attempt, resume?.reason])).toEqual([
      [1, undefined],
      [2, "answered"],
    ]);
  });

  it("makes children, and goes on when they have ended", async () => {
    const seen: (string | undefined)[] = [];
    const { taskId, supervisor, agentId } = await begin(
      (task, context) => {
        if (task.taskType === "part") return { of: task.parameters };
        seen.push(task.resume?.reason);
        if (task.resume !== undefined)
          return {
            ...Object(task.resume.checkpoint),
            of: task.resume.children?.map(({ ref, result }) => [ref ?? "", result ?? null]),
          };
        const requiredCapabilities = [`skill-${round}`];
        return context.spawn(
          [1, 2, 3].map((n) => ({ ref: `p${n}`, taskType: "part", parameters: n, requiredCapabilities })),
          { parts: 3 },
        );
      },
      { children: { taskTypes: ["part"] } },
    );
    expect((await reached(taskId, "completed")).result).toEqual({
      parts: 3,
      of: [1, 2, 3].map((n) => [`p${n}`, { of: n }]),
    });
    expect(seen).toEqual([undefined, "children_ended"]);
    const { tasks } = await client.listTasks({ parentTaskId: taskId });
    expect(tasks.map(({ status, assignedTo, supervisor: of }) => [status, assignedTo, of])).toEqual(
      Array(3).fill(["completed", agentId, supervisor]),
    );
  });

  it("waits for a time, with its slot free meanwhile", async () => {
    const { taskId, agentId } = await begin((task, context) => {
      const at = new Date(Date.now() + 12_000).toISOString();
      return task.resume === undefined ? context.suspend({ until: { at }, checkpoint: "c" }) : task.resume;
    });
    const waiting = await reached(taskId, "pending");
    expect(waiting).toMatchObject({ attempt: 1, checkpoint: "c" });
    expect((await client.getAgent(agentId)).activeTasks).toBe(0);
    expect((await reached(taskId, "completed")).result).toEqual({ reason: "time", checkpoint: "c" });
  }, 40_000);

  it("fails the task for good when the service refuses what it asks", async () => {
    const { taskId } = await begin((_task, context) => context.ask({ text: "?", askedOf: ["nobody-at-all"] }));
    const task = await reached(taskId, "failed");
    expect(task.error).toMatch(/the suspension was refused: .*nobody-at-all/);
    expect(task.attempt).toBe(1);
  });

  it("fails the task for good when what it asks is no JSON, and does not leave it running", async () => {
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    const circular: { self?: unknown } = {};
    circular.self = circular;
    const odd: TaskHandler[] = [
      (_task, context) => context.suspend(proxy as never),
      (_task, context) => context.suspend(null as never),
      (_task, context) =>
        context.suspend(Object.defineProperty({}, "until", { enumerable: true, get: () => proxy }) as never),
      (_task, context) => context.ask(proxy as never),
      (_task, context) => context.ask({ text: "?" }, circular as never),
      (_task, context) => context.spawn([proxy as never]),
    ];
    for (const handle of odd) {
      const { taskId } = await begin(handle);
      const task = await reached(taskId, "failed");
      expect([task.attempt, task.error]).toEqual([1, expect.stringContaining("the suspension was refused: ")]);
    }
  });

  it("tells its next process the same when that takes over an attempt that was not started", async () => {
    const { taskId, supervisor, agentId } = await begin((task, context) =>
      task.resume === undefined ? context.ask({ text: "Deploy?" }, "before") : task.resume,
    );
    const { question } = await reached(taskId, "input_required");
    await Promise.all(workers.splice(0).map((worker) => worker.stop({ graceMilliseconds: 0 })));
    await client.heartbeat(agentId, { status: "active" });
    await client.answerTask(taskId, { agentId: supervisor, questionId: question?.questionId ?? "", answer: "yes" });
    await reached(taskId, "assigned");
    // Its assignment message was leased by a process that is gone.
    await client.receiveMessages(agentId, { types: ["task_assignment"], leaseSeconds: 600 });
    const { requiredCapabilities } = await client.getTask(taskId);
    const worker = new Worker({ client, agentId, capabilities: requiredCapabilities, handle: (task) => task.resume });
    workers.push(worker);
    await worker.start();
    const expected = { reason: "answered", checkpoint: "before", answer: "yes", answeredBy: supervisor };
    expect((await reached(taskId, "completed")).result).toEqual({ ...expected, questionId: question?.questionId });
  });
});
