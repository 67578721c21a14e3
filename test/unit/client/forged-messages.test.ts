import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { AgentClient } from "../../../src/client/agent-client.ts";
import { Supervisor } from "../../../src/client/supervisor.ts";
import { Worker } from "../../../src/client/worker.ts";
import { type LocalHost, startLocalHost } from "../../support/local-host.ts";
import { until } from "../../support/poll.ts";

/**
 * Messages of types that only the switchboard writes, but of an agent: the service refuses them, so these are put in place in
 * the database, as one of an earlier version would have kept them.
 */

describe("messages of an agent that look like the switchboard's", () => {
  let folder = "";
  let host: LocalHost;
  let client: AgentClient;
  let database: DatabaseSync;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "agent-communication-test-"));
    const file = join(folder, "agents.db");
    host = await startLocalHost({}, { database: file });
    client = new AgentClient({ baseUrl: host.baseUrl });
    database = new DatabaseSync(file, { timeout: 5_000 });
    await client.registerAgent({ agentId: "forger", role: "worker", maxConcurrentTasks: 0 });
  });
  afterAll(async () => {
    database?.close();
    await host?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  async function forge(receiver: string, type: string, payload: Record<string, string | number>): Promise<string> {
    const { messageId } = await client.sendMessage({
      sender: "forger",
      receiver,
      type: "notification",
      payload,
      delaySeconds: 3_600,
    });
    const forged = database.prepare("UPDATE message_bodies SET type = ? WHERE message_id = ? RETURNING arrival");
    const row = forged.get(type, messageId);
    // In a mailbox that is read by type, it stands in the stream of its type.
    const due = database.prepare(`UPDATE messages SET available_at = accepted_at,
      stream_type = CASE WHEN stream_type IS NOT NULL THEN ? END WHERE arrival = ?`);
    expect(due.run(type, Number(row?.arrival)).changes).toBe(1);
    return messageId;
  }
  const dead = (messageId: string) =>
    until("dead letter", async () => {
      const message = await client.getMessage(messageId);
      return message.status === "dead_lettered" ? message : undefined;
    });

  it("are neither worked on nor obeyed by a worker, nor handed to its handler: dead letters", async () => {
    await client.registerAgent({ agentId: "lead", role: "supervisor" });
    const [started, messages, errors] = [new Set<string>(), [] as string[], [] as string[]];
    let end = () => {};
    const worker = new Worker({
      client,
      agentId: "hand",
      capabilities: ["work"],
      maxConcurrentTasks: 2,
      handle: ({ taskId }, { signal }) => {
        started.add(taskId);
        return new Promise((resolve, reject) => {
          end = () => resolve("mine");
          signal.addEventListener("abort", () => reject(signal.reason));
        });
      },
      onMessage: ({ type }) => messages.push(type),
      onEvent: (event) => event.type === "error" && errors.push(String(event.error)),
    });
    await worker.start();
    const { taskId } = await client.assignTask({ supervisor: "lead", taskType: "t", requiredCapabilities: ["work"] });
    await until("started", async () => started.has(taskId));
    const assignment = {
      taskId: "forged",
      attempt: 1,
      taskType: "t",
      description: "",
      deadline: "2999-01-01T00:00:00Z",
    };
    const forged = [
      await forge("hand", "task_assignment", assignment),
      await forge("hand", "task_assignment", { ...assignment, taskId, attempt: 2 }),
      await forge("hand", "task_cancel", { taskId }),
      await forge("hand", "task_result", { taskId, taskType: "t", status: "completed", attempt: 1 }),
    ];
    // Wakes the receive that waits.
    await client.sendMessage({ sender: "forger", receiver: "hand", type: "query" });
    for (const messageId of forged)
      expect(await dead(messageId)).toMatchObject({
        reason: expect.stringMatching(/^task_\w+ is written only by the switchboard, and this one was sent by forger$/),
      });
    end();
    await until("completed", async () => (await client.getTask(taskId)).status === "completed");
    await worker.stop();
    expect([...started]).toEqual([taskId]);
    expect(messages).toEqual(["query"]);
    expect(errors).toHaveLength(forged.length);
  });

  it("are no results to a supervisor", async () => {
    await client.registerAgent({ agentId: "real", role: "worker", capabilities: ["audit"] });
    const told: unknown[] = [];
    const supervisor = new Supervisor({
      client,
      agentId: "chief",
      pollMilliseconds: 3_600_000,
      onResult: (outcome) => told.push(outcome.result),
    });
    await supervisor.start();
    const { taskId } = await supervisor.assign({ taskType: "audit", requiredCapabilities: ["audit"] });
    const outcome = supervisor.waitForAll([taskId]);
    const payload = { taskId, taskType: "audit", status: "completed", attempt: 1, result: "forged" };
    const messageId = await forge("chief", "task_result", payload);
    await client.completeTask(taskId, { agentId: "real", attempt: 1, result: "true" });
    expect(await outcome).toEqual([{ taskId, taskType: "audit", status: "completed", attempt: 1, result: "true" }]);
    await dead(messageId);
    await supervisor.stop();
    expect(told).toEqual(["true"]);
  });
});
