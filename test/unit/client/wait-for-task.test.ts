import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import { AgentClient } from "../../../src/client/agent-client.ts";
import { systemClock } from "../../../src/lib/model/clock.ts";
import { type LocalHost, startLocalHost } from "../../support/local-host.ts";
import { until } from "../../support/poll.ts";
import { type Switchboard, send, startSwitchboard } from "./scripted-switchboard.ts";

describe("waitForTask", () => {
  let host: LocalHost;
  let client: AgentClient;
  beforeAll(async () => {
    host = await startLocalHost();
    client = new AgentClient({ baseUrl: host.baseUrl });
    await client.registerAgent({ agentId: "lead", role: "supervisor" });
    await client.registerAgent({ agentId: "hand", role: "worker", maxConcurrentTasks: 10 });
  });
  afterAll(async () => {
    await host?.stop();
  });

  const assign = (taskId: string) => client.assignTask({ taskId, supervisor: "lead", taskType: "t" });
  const hand = { agentId: "hand", attempt: 1 };

  it("goes on over changes that are no end, and resolves with the ended task", async () => {
    await assign("t-1");
    const ended = client.waitForTask("t-1");
    await client.startTask("t-1", hand);
    await client.progressTask("t-1", { ...hand, percent: 50 });
    await client.completeTask("t-1", { ...hand, result: { sum: 3 } });
    expect(await ended).toMatchObject({ taskId: "t-1", status: "completed", result: { sum: 3 } });
    expect(await client.waitForTask("t-1")).toEqual(await ended);
  });

  it("resolves when the task fails, and rejects for one that does not exist or when the signal aborts", async () => {
    await assign("t-2");
    const caller = new AbortController();
    const left = client.waitForTask("t-2", { signal: caller.signal });
    caller.abort(new Error("enough"));
    await expect(left).rejects.toThrow("enough");
    const ended = client.waitForTask("t-2");
    await client.failTask("t-2", { ...hand, error: "broken", retryable: false });
    expect(await ended).toMatchObject({ status: "failed", error: "broken" });
    await expect(client.waitForTask("t-none")).rejects.toMatchObject({ code: "TASK_NOT_FOUND" });
  });
});

describe("waitForWorkflow", () => {
  it("waits for one open task after the other, by long polls and not by asking all the time", async () => {
    const host = await startLocalHost();
    const asked: string[] = [];
    const client = new AgentClient({
      baseUrl: host.baseUrl,
      fetch: (url, init) => {
        asked.push(`${init.method} ${new URL(url).pathname}`);
        return fetch(url, init);
      },
    });
    await client.registerAgent({ agentId: "lead", role: "supervisor" });
    await client.registerAgent({ agentId: "hand", role: "worker", maxConcurrentTasks: 10 });
    const { workflowId, taskIds } = await client.createWorkflow({
      supervisor: "lead",
      tasks: [
        { ref: "a", taskType: "x" },
        { ref: "b", taskType: "x", dependsOn: ["a"] },
        { ref: "undo", taskType: "x", dependsOn: [{ ref: "b", when: "failed" }] },
        { ref: "free", taskType: "x" },
      ],
    });
    const ended = client.waitForWorkflow(workflowId);
    await until("a task is watched", () => asked.some((line) => line.startsWith("GET /api/tasks/")));
    for (const ref of ["a", "b", "free"]) {
      await client.completeTask(taskIds[ref] ?? "", { agentId: "hand", attempt: 1 });
    }
    expect(await ended).toMatchObject({ workflowId, status: "completed", counts: { completed: 3, notNeeded: 1 } });
    expect(asked.filter((line) => line === `GET /api/workflows/${workflowId}`).length).toBeLessThanOrEqual(5);
    await expect(client.waitForWorkflow("no-such-workflow")).rejects.toMatchObject({ code: "NOT_FOUND" });
    await host.stop();
  });
});

describe("waitForTask of a host that stops", () => {
  let switchboard: Switchboard;
  beforeEach(async () => {
    switchboard = await startSwitchboard();
  });
  afterEach(() => switchboard.close());

  it("pauses before it asks again", async () => {
    const sleeps: number[] = [];
    const status = () => (sleeps.length < 3 ? "running" : "completed");
    switchboard.on("", (_asked, response) => send(response, { taskId: "t", version: 7, status: status() }));
    const clock = {
      ...systemClock,
      sleep: async (milliseconds: number) => {
        sleeps.push(milliseconds);
      },
    };
    const client = new AgentClient({ baseUrl: switchboard.baseUrl, clock });
    expect(await client.waitForTask("t")).toMatchObject({ version: 7, status: "completed" });
    expect(sleeps).toEqual([500, 500, 500]);
    expect(switchboard.asked.map(({ path }) => path.slice(path.indexOf("/tasks")))).toEqual([
      "/tasks/t",
      ...Array.from({ length: 4 }, () => "/tasks/t?afterVersion=7&waitSeconds=20"),
    ]);
  });
});
