import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { z } from "zod";
import { AgentClient } from "../../../src/client/agent-client.ts";
import { SWITCHBOARD_PAYLOADS } from "../../../src/lib/http/switchboard-payloads.ts";
import { type LocalHost, startLocalHost } from "../../support/local-host.ts";

/** What the switchboard writes is what the document says: a client in another language is generated from that. */
describe("payloads of the switchboard", () => {
  let host: LocalHost;
  let client: AgentClient;

  beforeAll(async () => {
    host = await startLocalHost();
    client = new AgentClient({ baseUrl: host.baseUrl });
    await client.registerAgent({ agentId: "lead", role: "supervisor" });
    await client.registerAgent({ agentId: "hand", role: "worker", capabilities: ["work"], maxConcurrentTasks: 9 });
  });
  afterAll(() => host?.stop());

  const assign = (taskId: string, more: object = {}) =>
    client.assignTask({ supervisor: "lead", taskId, taskType: "work", requiredCapabilities: ["work"], ...more });

  /** The payloads of the next messages of a type. */
  async function received(agentId: string, type: string): Promise<unknown[]> {
    const { messages } = await client.receiveMessages(agentId, { types: [type], maxMessages: 50, waitSeconds: 10 });
    expect(messages.length).toBeGreaterThan(0);
    return messages.map(({ payload }) => payload);
  }

  /** The payloads have the fields of the schema and no others. */
  function matches(name: keyof typeof SWITCHBOARD_PAYLOADS, payloads: unknown[]): void {
    const { shape } = SWITCHBOARD_PAYLOADS[name];
    for (const payload of payloads) expect(z.strictObject(shape).parse(payload)).toEqual(payload);
  }

  it("task_assignment: plain, with a time to start, with dependencies, and resumed", async () => {
    await assign("first", { startTimeoutSeconds: 60, parameters: { a: 1 } });
    const payloads = await received("hand", "task_assignment");
    await client.startTask("first", { agentId: "hand", attempt: 1 });
    await client.completeTask("first", { agentId: "hand", attempt: 1, result: [1, 2] });
    await assign("second", { dependsOn: ["first"] });
    payloads.push(...(await received("hand", "task_assignment")));
    await client.startTask("second", { agentId: "hand", attempt: 1 });
    const until = { question: { text: "Go on?", options: ["yes", "no"] } };
    const asked = await client.suspendTask("second", { agentId: "hand", attempt: 1, checkpoint: { at: 3 }, until });
    matches("TaskQuestionPayload", await received("lead", "task_question"));
    await client.answerTask("second", { agentId: "lead", questionId: asked.questionId ?? "", answer: "yes" });
    payloads.push(...(await received("hand", "task_assignment")));
    matches("TaskAssignmentPayload", payloads);
    expect(payloads).toMatchObject([
      { taskId: "first", startDeadline: expect.any(String) },
      { taskId: "second", dependencies: [{ taskId: "first", status: "completed", result: [1, 2] }] },
      { taskId: "second", attempt: 2, resume: { reason: "answered", answer: "yes", checkpoint: { at: 3 } } },
    ]);
  });

  it("task_cancel and task_result: completed, failed and cancelled", async () => {
    await assign("third", { maxRetries: 0 });
    await client.startTask("third", { agentId: "hand", attempt: 1 });
    await client.cancelTask("third", "not needed");
    matches("TaskCancelPayload", await received("hand", "task_cancel"));
    await client.failTask("third", { agentId: "hand", attempt: 1, error: "cancelled" });
    await assign("fourth", { maxRetries: 0 });
    await client.startTask("fourth", { agentId: "hand", attempt: 1 });
    await client.failTask("fourth", { agentId: "hand", attempt: 1, error: "broken" });
    const results = await received("lead", "task_result");
    matches("TaskResultPayload", results);
    expect(results).toMatchObject([
      { taskId: "first", status: "completed", result: [1, 2] },
      { taskId: "third", status: "cancelled" },
      { taskId: "fourth", status: "failed", error: "broken" },
    ]);
  });

  it("workflow_result", async () => {
    await client.createWorkflow({
      supervisor: "lead",
      tasks: [{ ref: "only", taskType: "work", requiredCapabilities: ["none"] }],
      workflowId: "w1",
    });
    await client.cancelWorkflow("w1");
    const results = await received("lead", "workflow_result");
    matches("WorkflowResultPayload", results);
    expect(results).toMatchObject([{ workflowId: "w1", status: "cancelled" }]);
  });
});
