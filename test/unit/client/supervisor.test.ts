import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import { AgentClient } from "../../../src/client/agent-client.ts";
import type { TaskOutcome } from "../../../src/client/payloads.ts";
import { Supervisor, type SupervisorOptions } from "../../../src/client/supervisor.ts";
import { type LocalHost, startLocalHost } from "../../support/local-host.ts";
import { until } from "../../support/poll.ts";

describe("Supervisor", () => {
  let host: LocalHost;
  let client: AgentClient;
  const supervisors: Supervisor[] = [];
  let round = 0;
  let worker: string;
  let agentId: string;

  beforeAll(async () => {
    host = await startLocalHost();
    client = new AgentClient({ baseUrl: host.baseUrl });
  });
  afterAll(async () => {
    await host?.stop();
  });
  beforeEach(async () => {
    round++;
    worker = `worker-${round}`;
    agentId = `supervisor-${round}`;
    await client.registerAgent({ agentId: worker, role: "worker", maxConcurrentTasks: 10, capabilities: [worker] });
  });
  afterEach(async () => {
    await Promise.all(supervisors.splice(0).map((supervisor) => supervisor.stop()));
  });

  async function start(options: Partial<SupervisorOptions> = {}): Promise<Supervisor> {
    const supervisor = new Supervisor({ client, agentId, capabilities: ["planning"], ...options });
    supervisors.push(supervisor);
    await supervisor.start();
    return supervisor;
  }
  const complete = (taskId: string, result: string) =>
    client.completeTask(taskId, { agentId: worker, attempt: 1, result });

  it("waits for results in its mailbox, and completes their messages", async () => {
    const told: TaskOutcome[] = [];
    // So rare that only the message can have brought the result.
    const supervisor = await start({ pollMilliseconds: 3_600_000, onResult: (outcome) => told.push(outcome) });
    const first = await supervisor.assign({ taskType: "a", requiredCapabilities: [worker] });
    const second = await supervisor.assign({ taskType: "b", requiredCapabilities: [worker] });
    expect([first.status, first.assignedTo]).toEqual(["assigned", worker]);
    const outcomes = supervisor.waitForAll([first.taskId, second.taskId]);
    await client.failTask(second.taskId, { agentId: worker, attempt: 1, error: "no", retryable: false });
    await complete(first.taskId, "yes");
    expect(await outcomes).toEqual([
      { taskId: first.taskId, taskType: "a", status: "completed", attempt: 1, result: "yes" },
      { taskId: second.taskId, taskType: "b", status: "failed", attempt: 1, error: "no" },
    ]);
    await until("messages completed", async () => (await client.queueStatistics()).byStatus.completed >= 4);
    expect((await client.peekMessages(agentId)).messages).toEqual([]);
    expect(told.map(({ taskId }) => taskId).sort()).toEqual([first.taskId, second.taskId].sort());
  });

  it("registers with a heartbeat timeout of its own", async () => {
    await start({ heartbeatTimeoutSeconds: 3_600 });
    expect(await client.getAgent(agentId)).toMatchObject({ heartbeatTimeoutSeconds: 3_600 });
  });

  it("finds the result of a task that ended before anybody waited", async () => {
    const supervisor = await start({ pollMilliseconds: 3_600_000 });
    const { taskId } = await supervisor.assign({ taskType: "a", requiredCapabilities: [worker] });
    await complete(taskId, "early");
    await until("message gone", async () => (await client.peekMessages(agentId)).messages.length === 0);
    expect(await supervisor.waitFor(taskId)).toMatchObject({ status: "completed", result: "early" });
    // The next one is asked for at once, too.
    expect(await supervisor.waitFor(taskId)).toMatchObject({ status: "completed", result: "early" });
  });

  it("finds the result when somebody else took its message", async () => {
    // A mailbox of another supervisor: the message of this task never comes here.
    await client.registerAgent({ agentId: `other-${round}`, role: "supervisor" });
    const supervisor = await start({ pollMilliseconds: 50 });
    const task = { supervisor: `other-${round}`, taskType: "a", requiredCapabilities: [worker] };
    const { taskId } = await client.assignTask(task);
    const outcome = supervisor.waitFor(taskId);
    await complete(taskId, "elsewhere");
    expect(await outcome).toMatchObject({ status: "completed", result: "elsewhere" });
  });

  it("rejects for a task that is unknown, for a signal that aborts, and when it stops", async () => {
    const supervisor = await start();
    await expect(supervisor.waitFor("no-such-task")).rejects.toMatchObject({ code: "TASK_NOT_FOUND" });
    const { taskId } = await supervisor.assign({ taskType: "a", requiredCapabilities: [worker] });
    const reason = new Error("no patience");
    await expect(supervisor.waitFor(taskId, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    const controller = new AbortController();
    const waiting = expect(supervisor.waitFor(taskId, { signal: controller.signal })).rejects.toBe(reason);
    controller.abort(reason);
    await waiting;
    const open = expect(supervisor.waitFor(taskId)).rejects.toMatchObject({ name: "AbortError" });
    await supervisor.stop();
    await open;
    await expect(supervisor.waitFor(taskId)).rejects.toMatchObject({ name: "AbortError" });
  });

  it("creates a workflow and is told of its end by one message", async () => {
    const supervisor = await start({ pollMilliseconds: 3_600_000 });
    const work = { taskType: "a", requiredCapabilities: [worker] };
    const { workflowId, taskIds } = await supervisor.createWorkflow({
      tasks: [
        { ...work, ref: "one" },
        { ...work, ref: "two", dependsOn: ["one"] },
        { ...work, ref: "undo", dependsOn: [{ ref: "two", when: "failed" }] },
      ],
    });
    const ended = supervisor.waitForWorkflow(workflowId);
    await complete(taskIds.one ?? "", "1");
    await complete(taskIds.two ?? "", "2");
    expect(await ended).toMatchObject({ workflowId, status: "completed", counts: { completed: 2, notNeeded: 1 } });
    await until("message gone", async () => (await client.peekMessages(agentId)).messages.length === 0);
    expect(await supervisor.waitForWorkflow(workflowId)).toMatchObject({ status: "completed" });
    await expect(supervisor.waitForWorkflow("no-such-workflow")).rejects.toMatchObject({ code: "NOT_FOUND" });
    const second = await supervisor.createWorkflow({ tasks: [{ ...work, ref: "one" }] });
    expect(await supervisor.cancelWorkflow(second.workflowId, "no")).toMatchObject({ status: "cancelled" });
    expect(await supervisor.retryWorkflow(second.workflowId, "yes")).toMatchObject({ status: "running" });
    expect(await supervisor.cancelWorkflow(second.workflowId, "no")).toMatchObject({ status: "cancelled" });
    const open = await supervisor.createWorkflow({ tasks: [{ ...work, ref: "one" }] });
    const waiting = expect(supervisor.waitForWorkflow(open.workflowId)).rejects.toMatchObject({ name: "AbortError" });
    await supervisor.stop();
    await waiting;
  });

  it("cancels, and reads the statistics", async () => {
    const supervisor = await start();
    const { taskId } = await supervisor.assign({ taskType: "a", requiredCapabilities: [worker] });
    expect((await supervisor.cancel(taskId, "not needed")).status).toBe("cancelled");
    expect(await supervisor.waitFor(taskId)).toMatchObject({ status: "cancelled" });
    const { activeAgents, metrics, byStatus } = await supervisor.statistics();
    expect(activeAgents).toBeGreaterThan(0);
    expect(metrics.tasksAssigned).toBeGreaterThan(0);
    expect(byStatus.cancelled).toBeGreaterThan(0);
  });

  it("gives other messages to its handler", async () => {
    const seen: unknown[] = [];
    await start({ onMessage: (message) => void seen.push(message.payload) });
    const message = { sender: worker, receiver: agentId, type: "query", payload: { help: true } };
    const { messageId } = await client.sendMessage(message);
    await until("completed", async () => (await client.getMessage(messageId)).status === "completed");
    expect(seen).toEqual([{ help: true }]);
  });
});
