import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import { AgentClient } from "../../../src/client/agent-client.ts";
import { HandlerAborted, PermanentError } from "../../../src/client/handler-errors.ts";
import { Worker } from "../../../src/client/worker.ts";
import type { WorkerEvent, WorkerOptions } from "../../../src/client/worker-options.ts";
import { type LocalHost, startLocalHost } from "../../support/local-host.ts";
import { until } from "../../support/poll.ts";

describe("Worker", () => {
  let host: LocalHost;
  let client: AgentClient;
  const workers: Worker[] = [];
  let round = 0;
  let agentId: string;
  let supervisor: string;
  let events: WorkerEvent[];

  beforeAll(async () => {
    host = await startLocalHost({
      AGENT_HEARTBEAT_INTERVAL: "0.5",
      AGENT_HEARTBEAT_TIMEOUT: "5",
      AGENT_SWEEP_SCHEDULE: "* * * * * *",
    });
    client = new AgentClient({ baseUrl: host.baseUrl });
  });
  afterAll(async () => {
    await host?.stop();
  });
  beforeEach(async () => {
    round++;
    agentId = `worker-${round}`;
    supervisor = `supervisor-${round}`;
    events = [];
    await client.registerAgent({ agentId: supervisor, role: "supervisor" });
  });
  afterEach(async () => {
    await Promise.all(workers.splice(0).map((worker) => worker.stop({ graceMilliseconds: 0 })));
  });

  async function start(options: Partial<WorkerOptions>): Promise<Worker> {
    const worker = new Worker({
      client,
      agentId,
      capabilities: [`skill-${round}`],
      handle: () => null,
      onEvent: (event) => events.push(event),
      ...options,
    });
    workers.push(worker);
    await worker.start();
    return worker;
  }

  const assign = (
    more: { taskType?: string; parameters?: { n: number }; timeoutSeconds?: number; maxRetries?: number } = {},
  ) => client.assignTask({ supervisor, taskType: "work", requiredCapabilities: [`skill-${round}`], ...more });
  const ended = (taskId: string, status: string) =>
    until(`task ${status}`, async () => {
      const task = await client.getTask(taskId);
      return task.status === status ? task : undefined;
    });

  it("registers with a heartbeat timeout of its own, and beats three times in it", async () => {
    await start({ heartbeatTimeoutSeconds: 10 });
    const { heartbeatTimeoutSeconds, lastHeartbeatAt } = await client.getAgent(agentId);
    expect(heartbeatTimeoutSeconds).toBe(10);
    const beaten = await until("a heartbeat", async () => {
      const agent = await client.getAgent(agentId);
      return agent.lastHeartbeatAt === lastHeartbeatAt ? undefined : agent;
    });
    const apart = Date.parse(beaten.lastHeartbeatAt) - Date.parse(lastHeartbeatAt);
    // A third of ten seconds, where the service's own interval is half a second.
    expect(apart).toBeGreaterThan(1_500);
    expect(beaten.status).toBe("active");
  });

  it("does as many tasks at once as it may, and never more", async () => {
    let now = 0;
    let most = 0;
    const gate = Promise.withResolvers<void>();
    await start({
      maxConcurrentTasks: 3,
      handle: async (task) => {
        most = Math.max(most, ++now);
        if (now === 3) gate.resolve();
        // The first three wait for each other; who comes later only lets the others run.
        await Promise.race([gate.promise, client.clock.sleep(5_000)]);
        await client.clock.sleep(20);
        now--;
        return {
          square:
            typeof task.parameters === "object" && task.parameters !== null && !Array.isArray(task.parameters)
              ? Number(task.parameters.n) ** 2
              : null,
        };
      },
    });
    const assigned = await Promise.all(Array.from({ length: 10 }, (_, n) => assign({ parameters: { n } })));
    const done = await Promise.all(assigned.map(({ taskId }) => ended(taskId, "completed")));
    expect(done.map(({ result }) => result)).toEqual(Array.from({ length: 10 }, (_, n) => ({ square: n ** 2 })));
    expect(done.map(({ attempt }) => attempt)).toEqual(Array(10).fill(1));
    expect(most).toBe(3);
    expect((await client.getAgent(agentId)).activeTasks).toBe(0);
  });

  it("reports progress, moves the deadline, and leaves no assignment in its mailbox", async () => {
    const looked = Promise.withResolvers<void>();
    await start({
      handle: async (_task, { progress, extend }) => {
        await progress(40, "reading");
        await extend(3_000);
        await looked.promise;
      },
    });
    const { taskId } = await assign({ timeoutSeconds: 60 });
    const task = await until("extended", async () => {
      const found = await client.getTask(taskId);
      return Date.parse(found.deadline ?? "") - Date.now() > 2_000_000 ? found : undefined;
    });
    expect([task.status, task.percent, task.note]).toEqual(["running", 40, "reading"]);
    expect((await client.peekMessages(agentId)).messages).toEqual([]);
    looked.resolve();
    expect((await ended(taskId, "completed")).result).toBeUndefined();
  });

  it("retries what a handler throws, and does not retry a PermanentError", async () => {
    await start({
      handle: (task) => {
        if (task.taskType === "hopeless") throw new PermanentError("there is no such repository");
        if (task.attempt === 1) throw new Error("the network was down");
        return "second time lucky";
      },
    });
    const hopeless = await assign({ taskType: "hopeless" });
    const failed = await ended(hopeless.taskId, "failed");
    expect([failed.error, failed.attempt, failed.retriesUsed]).toEqual(["there is no such repository", 1, 0]);
    const lucky = await assign();
    const done = await ended(lucky.taskId, "completed");
    expect([done.result, done.attempt, done.retriesUsed]).toEqual(["second time lucky", 2, 1]);
  });

  it("fails a task whose result the service refuses, and says why", async () => {
    await start({ handle: () => "x".repeat(300 * 1024) });
    const { taskId } = await assign();
    const task = await ended(taskId, "failed");
    expect(task.error).toContain("the result was refused");
    expect(task.attempt).toBe(1);
  });

  for (const obeys of [true, false]) {
    it(`sees a cancel as an abort; ${obeys ? "obeying ends the task" : "a result still counts"}`, async () => {
      const reasons: unknown[] = [];
      const running = Promise.withResolvers<void>();
      await start({
        handle: async (_task, { signal }) => {
          running.resolve();
          await client.clock.sleep(20_000, signal);
          reasons.push(signal.reason);
          if (obeys) signal.throwIfAborted();
          return "done all the same";
        },
      });
      const { taskId } = await assign();
      await running.promise;
      expect((await client.cancelTask(taskId, "changed our mind")).status).toBe("running");
      await ended(taskId, obeys ? "cancelled" : "completed");
      expect(reasons).toEqual([expect.objectContaining({ name: "HandlerAborted", why: "cancelled" })]);
      expect(reasons[0]).toBeInstanceOf(HandlerAborted);
      await until("mailbox empty", async () => (await client.peekMessages(agentId)).messages.length === 0);
    });
  }

  it("stops the handler of an attempt that timed out, and does the next one", async () => {
    const whys: unknown[] = [];
    await start({
      handle: async (task, { signal }) => {
        if (task.attempt > 1) return `attempt ${task.attempt}`;
        await client.clock.sleep(20_000, signal);
        whys.push(signal.reason instanceof HandlerAborted ? signal.reason.why : signal.reason);
        return "too late";
      },
    });
    const { taskId } = await assign({ timeoutSeconds: 1 });
    const task = await ended(taskId, "completed");
    expect([task.result, task.attempt]).toEqual(["attempt 2", 2]);
    expect(whys).toEqual(["lost"]);
    expect(events).toContainEqual({ type: "task_lost", taskId, attempt: 1 });
  });

  it("registers again when somebody deregistered it, and does its task anew", async () => {
    const started = Promise.withResolvers<void>();
    let attempts = 0;
    await start({
      handle: async (task, { signal }) => {
        attempts++;
        started.resolve();
        if (task.attempt === 1) await client.clock.sleep(20_000, signal);
        return task.attempt;
      },
    });
    const { taskId } = await assign();
    await started.promise;
    await client.deregisterAgent(agentId);
    const task = await ended(taskId, "completed");
    // A release by deregistering uses no retry.
    expect([task.result, task.retriesUsed, attempts]).toEqual([2, 0, 2]);
    expect((await client.getAgent(agentId)).status).toBe("active");
    expect(events).toContainEqual({ type: "deregistered" });
  });

  it("handles other messages; throwing returns them, a PermanentError dead-letters them", async () => {
    const seen: string[] = [];
    await start({
      onMessage: (message) => {
        seen.push(`${message.type} ${message.attempt}`);
        if (message.type === "broken") throw new PermanentError("no use");
        if (message.type === "moody" && message.attempt === 1) throw new Error("not now");
      },
    });
    const send = async (type: string) =>
      (await client.sendMessage({ sender: supervisor, receiver: agentId, type, payload: {} })).messageId;
    const ids = { query: await send("query"), moody: await send("moody"), broken: await send("broken") };
    const read = async (messageId: string, status: string) =>
      until(status, async () => {
        const message = await client.getMessage(messageId);
        return message.status === status ? message : undefined;
      });
    expect((await read(ids.query, "completed")).attempt).toBe(1);
    expect((await read(ids.moody, "completed")).attempt).toBe(2);
    expect(await read(ids.broken, "dead_lettered")).toMatchObject({ attempt: 1, reason: "no use" });
    expect(seen.sort()).toEqual(["broken 1", "moody 1", "moody 2", "query 1"]);
  });

  it("leaves other messages in the mailbox when it has no handler for them", async () => {
    await start({});
    const { messageId } = await client.sendMessage({ sender: supervisor, receiver: agentId, type: "query" });
    const { taskId } = await assign();
    await ended(taskId, "completed");
    expect((await client.getMessage(messageId)).status).toBe("queued");
  });

  it("stop: finishes what it has, takes nothing new", async () => {
    const release = Promise.withResolvers<void>();
    const started = Promise.withResolvers<void>();
    const worker = await start({
      handle: async () => {
        started.resolve();
        await release.promise;
        return "finished";
      },
    });
    const first = await assign();
    await started.promise;
    const stopping = worker.stop();
    expect(worker.stop()).toBe(stopping);
    await until("draining", async () => (await client.getAgent(agentId)).status === "draining");
    const second = await assign();
    expect(second.status).toBe("pending");
    release.resolve();
    await stopping;
    expect(await client.getTask(first.taskId)).toMatchObject({ status: "completed", result: "finished" });
    expect((await client.getTask(second.taskId)).status).toBe("pending");
    expect(events.at(-1)).toEqual({ type: "stopped" });
  });

  for (const deregister of [false, true]) {
    it(`stop past its grace: aborts the handler and gives the task back${deregister ? " without using a retry" : ""}`, async () => {
      const started = Promise.withResolvers<void>();
      const whys: unknown[] = [];
      const worker = await start({
        handle: async (_task, { signal }) => {
          started.resolve();
          signal.addEventListener("abort", () => whys.push(signal.reason.why));
          // A handler that does not listen: its attempt is given back over its head.
          await new Promise(() => undefined);
        },
      });
      const { taskId } = await assign();
      await started.promise;
      await worker.stop({ graceMilliseconds: 10, deregister });
      expect(whys).toEqual(["stopping"]);
      const task = await client.getTask(taskId);
      expect([task.status, task.retriesUsed]).toEqual(["pending", deregister ? 0 : 1]);
      expect((await client.getAgent(agentId)).status).toBe(deregister ? "deregistered" : "draining");
    });
  }

  it("refuses to start when registering is refused", async () => {
    await expect(start({ agentId: "system" })).rejects.toMatchObject({ code: "INVALID_REQUEST" });
    workers.pop();
  });
});
