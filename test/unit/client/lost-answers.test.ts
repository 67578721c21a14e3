import { afterAll, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import { AgentClient } from "../../../src/client/agent-client.ts";
import { isUnreachable } from "../../../src/client/transport.ts";
import { type LocalHost, startLocalHost } from "../../support/local-host.ts";
import { type CuttingProxy, startCuttingProxy } from "./cutting-proxy.ts";

/** The connection is cut between the service's commit and its answer: the client asks again, and nothing is done twice. */
describe("lost answers", () => {
  let host: LocalHost;
  let proxy: CuttingProxy;
  /** Behind the proxy. */
  let client: AgentClient;
  /** Past it, to look at what really happened. */
  let direct: AgentClient;

  beforeAll(async () => {
    host = await startLocalHost();
    proxy = await startCuttingProxy(host.port);
    client = new AgentClient({ baseUrl: proxy.baseUrl });
    direct = new AgentClient({ baseUrl: host.baseUrl });
  });
  afterAll(async () => {
    await proxy?.close();
    await host?.stop();
  });

  let supervisor: string;
  let worker: string;
  let round = 0;
  beforeEach(async () => {
    round++;
    supervisor = `supervisor-${round}`;
    worker = `worker-${round}`;
    await direct.registerAgent({ agentId: supervisor, role: "supervisor" });
    await direct.registerAgent({
      agentId: worker,
      role: "worker",
      capabilities: [`skill-${round}`],
      maxConcurrentTasks: 5,
    });
  });

  const send = (through: AgentClient) =>
    through.sendMessage({ sender: supervisor, receiver: worker, type: "notification", payload: { round } });
  const assign = (through: AgentClient) =>
    through.assignTask({ supervisor, taskType: "work", requiredCapabilities: [`skill-${round}`] });

  for (const bytes of [0, 40]) {
    it(`sends once, though three answers are lost after ${bytes} bytes`, async () => {
      const before = proxy.lost();
      proxy.cut(3, bytes);
      const { messageId, duplicate } = await send(client);
      expect(proxy.lost() - before).toBe(3);
      expect(duplicate).toBe(true);
      const { messages } = await direct.peekMessages(worker);
      expect(messages.map((message) => message.messageId)).toEqual([messageId]);
    });
  }

  it("sends a batch once", async () => {
    proxy.cut(1);
    const message = { sender: supervisor, receiver: worker, type: "notification" };
    const { results } = await client.sendMessages([message, { ...message, messageId: `own-${round}` }]);
    expect(results.map(({ duplicate }) => duplicate)).toEqual([true, true]);
    const { messages } = await direct.peekMessages(worker);
    expect(messages.map(({ messageId }) => messageId)).toEqual(results.map(({ messageId }) => messageId));
    expect(results[1]?.messageId).toBe(`own-${round}`);
  });

  it("repeats a send with an Idempotency-Key by its key", async () => {
    proxy.cut(1);
    const idempotencyKey = `key-${round}`;
    const body = { sender: supervisor, receiver: worker, type: "notification" };
    const { duplicate } = await client.sendMessage(body, { idempotencyKey });
    expect(duplicate).toBe(true);
    expect((await direct.peekMessages(worker)).messages).toHaveLength(1);
  });

  it("assigns once", async () => {
    proxy.cut(1);
    const { taskId, attempt } = await assign(client);
    const { tasks } = await direct.listTasks({ supervisor });
    expect(tasks.map((task) => [task.taskId, task.attempt])).toEqual([[taskId, attempt]]);
    expect((await direct.getAgent(worker)).activeTasks).toBe(1);
  });

  it("loses no lease: the repeat of a receive gives what the first one leased", async () => {
    const { messageId } = await send(direct);
    proxy.cut(1);
    const { messages } = await client.receiveMessages(worker);
    expect(messages.map((message) => [message.messageId, message.attempt])).toEqual([[messageId, 1]]);
  });

  it("settles once, and the repeat reads as the first answer", async () => {
    await send(direct);
    const [message] = (await direct.receiveMessages(worker)).messages;
    proxy.cut(1);
    const reply = await client.completeMessage(message?.messageId ?? "", { agentId: worker, attempt: 1 });
    expect(reply.status).toBe("completed");
  });

  it("completes a task once: one result message, one count", async () => {
    const { taskId, attempt } = await assign(direct);
    proxy.cut(2);
    const reply = await client.completeTask(taskId, { agentId: worker, attempt, result: { answer: 42 } });
    expect(reply.status).toBe("completed");
    const results = (await direct.peekMessages(supervisor)).messages.filter(({ type }) => type === "task_result");
    expect(results.map(({ payload }) => payload)).toEqual([
      { taskId, taskType: "work", status: "completed", attempt, version: 2, result: { answer: 42 } },
    ]);
    const agent = await direct.getAgent(worker);
    expect([agent.activeTasks, agent.performance.completed]).toEqual([0, 1]);
  });

  it("uses one retry for a failure whose answer was lost", async () => {
    const { taskId, attempt } = await assign(direct);
    proxy.cut(1);
    await client.failTask(taskId, { agentId: worker, attempt, error: "broken" });
    const task = await direct.getTask(taskId);
    expect([task.retriesUsed, task.attempt]).toEqual([1, 1]);
  });

  it("does not repeat a redrive, which would take the next dead letters", async () => {
    const { messageId } = await send(direct);
    await direct.receiveMessages(worker);
    await direct.deadLetterMessage(messageId, { agentId: worker, attempt: 1, reason: "no use" });
    const before = proxy.lost();
    proxy.cut(5);
    const error = await client.redriveDeadLetters({ filter: { receiver: worker } }).catch((thrown: unknown) => thrown);
    proxy.cut(0);
    expect(isUnreachable(error)).toBe(true);
    expect(proxy.lost() - before).toBe(1);
    expect((await direct.getMessage(messageId)).status).toBe("queued");
  });

  it("gives up when the budget ends, and says that nothing answered", async () => {
    proxy.cut(1_000);
    const hasty = new AgentClient({ baseUrl: proxy.baseUrl, retryBudgetMilliseconds: 300 });
    const error = await hasty.getAgent(worker).catch((thrown: unknown) => thrown);
    proxy.cut(0);
    expect(isUnreachable(error)).toBe(true);
    expect(error).toMatchObject({ code: "STORE_UNAVAILABLE" });
  });
});
