import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { AgentClient } from "../../../src/client/agent-client.ts";
import type { AssignTaskInput } from "../../../src/lib/model/task.ts";
import { type LocalHost, startLocalHost } from "../../support/local-host.ts";
import { runFile } from "../../support/run-process.ts";

/** A worker that is a shell script: what it does with its task. */
describe("a worker on the command line", () => {
  let host: LocalHost;
  let client: AgentClient;
  let folder: string;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "agent-communication-"));
    host = await startLocalHost();
    client = new AgentClient({ baseUrl: host.baseUrl });
    await client.registerAgent({ agentId: "lead", role: "supervisor" });
    await client.registerAgent({ agentId: "hand", role: "worker", maxConcurrentTasks: 10 });
  });
  afterAll(async () => {
    rmSync(folder, { recursive: true, force: true });
    await host?.stop();
  });

  const run = (...args: string[]) =>
    runFile("src/cli/main.ts", args, { environment: { AGENT_COMMUNICATION_URL: host.baseUrl } });
  /** Runs with --json, expects success, and gives the parsed reply. */
  const json = async (...args: string[]): Promise<Record<string, unknown>> => {
    const { code, out, error } = await run(...args, "--json");
    expect([code, error]).toEqual([0, ""]);
    return JSON.parse(out);
  };
  const assign = (taskId: string, more: Partial<AssignTaskInput> = {}) =>
    client.assignTask({ taskId, taskType: "dig", supervisor: "lead", assignTo: "hand", ...more });
  const usage = (inputTokens: number) => JSON.stringify([{ model: "m", inputTokens, outputTokens: 1 }]);

  it("starts a task, says how far it is, and completes it with a result and its usage", async () => {
    await assign("w-1");
    const started = await run("tasks", "start", "w-1");
    expect([started.code, started.out]).toEqual([0, expect.stringMatching(/^status +running$/m)]);
    const { deadline } = await client.getTask("w-1");
    const progress = ["--percent", "40", "--note", "half way", "--extend-seconds", "3600", "--usage", usage(10)];
    const told = await json("tasks", "progress", "w-1", ...progress);
    expect(told).toMatchObject({ status: "running", cancelRequested: false });
    expect(Date.parse(String(told.deadline))).toBeGreaterThan(Date.parse(String(deadline)));
    expect(await client.getTask("w-1")).toMatchObject({ percent: 40, note: "half way" });
    writeFileSync(join(folder, "result.json"), '{"depth": 2}');
    const result = ["--result", `@${join(folder, "result.json")}`, "--usage", usage(15)];
    expect(await json("tasks", "complete", "w-1", ...result)).toMatchObject({ status: "completed" });
    const done = await client.getTask("w-1");
    expect(done).toMatchObject({ status: "completed", result: { depth: 2 }, usage: [{ inputTokens: 15 }] });
  });

  it("takes the next task: waits for it, starts it, and says what it is", async () => {
    await client.registerAgent({ agentId: "taker", role: "worker", maxConcurrentTasks: 2 });
    const none = await run("tasks", "take", "taker", "--wait-seconds", "0");
    expect([none.code, none.out, none.error]).toEqual([1, "", ""]);
    const taking = json("tasks", "take", "taker");
    const other = json("tasks", "take", "taker");
    for (const taskId of ["t-1", "t-2"]) await assign(taskId, { assignTo: "taker", parameters: { of: taskId } });
    const taken = [await taking, await other];
    expect(taken.map(({ taskId }) => taskId).sort()).toEqual(["t-1", "t-2"]);
    for (const { taskId, attempt, parameters } of taken) {
      expect([attempt, parameters]).toEqual([1, { of: taskId }]);
      expect((await client.getTask(String(taskId))).status).toBe("running");
    }
    const waiting = json("tasks", "wait", "t-1");
    await json("tasks", "complete", "t-1", "--result", "1");
    expect(await waiting).toMatchObject({ status: "completed", result: 1 });
    await json("tasks", "fail", "t-2", "no spade", "--not-retryable");
    expect((await run("tasks", "wait", "t-2")).code).toBe(1);
  });

  it("passes over a task that was cancelled before it was begun", async () => {
    await client.registerAgent({ agentId: "late", role: "worker", maxConcurrentTasks: 2 });
    await assign("c-1", { assignTo: "late" });
    await client.cancelTask("c-1");
    await assign("c-2", { assignTo: "late" });
    expect(await json("tasks", "take", "late")).toMatchObject({ taskId: "c-2" });
  });

  it("suspends a task until a question is answered; the next attempt finds its checkpoint", async () => {
    await assign("w-2");
    const question = ["--question", '{"text": "Here?", "options": ["yes", "no"]}', "--checkpoint", '{"hole": 3}'];
    const asked = await json("tasks", "suspend", "w-2", ...question, "--usage", usage(7));
    expect(asked).toMatchObject({ status: "input_required", questionId: expect.any(String) });
    await json("tasks", "answer", "w-2", "yes", "--agent", "lead");
    const task = await client.getTask("w-2");
    expect(task).toMatchObject({
      attempt: 2,
      status: "assigned",
      checkpoint: { hole: 3 },
      usage: [{ inputTokens: 7 }],
    });
    const late = await run("tasks", "complete", "w-2", "--attempt", "1");
    expect([late.code, late.error]).toEqual([1, expect.stringContaining("LEASE_LOST")]);
    const other = await run("tasks", "complete", "w-2", "--agent", "lead");
    expect([other.code, other.error]).toEqual([1, expect.stringContaining("LEASE_LOST")]);
    expect(await json("tasks", "complete", "w-2", "--agent", "hand", "--attempt", "2")).toMatchObject({
      status: "completed",
    });
  });

  it("suspends a task until a time, or until children have ended", async () => {
    await assign("w-3");
    const at = new Date(Date.now() + 3_600_000).toISOString();
    expect(await json("tasks", "suspend", "w-3", "--at", at)).toMatchObject({ status: "pending", availableAt: at });
    await assign("w-4", { children: { taskTypes: ["carry"] } });
    const tasks = '[{"taskType": "carry", "taskId": "w-4-a"}, {"taskType": "carry", "taskId": "w-4-b"}]';
    expect(await json("tasks", "suspend", "w-4", "--tasks", tasks)).toMatchObject({
      status: "blocked",
      taskIds: ["w-4-a", "w-4-b"],
    });
  });

  it("fails an attempt, or the task for good", async () => {
    await assign("w-5");
    expect(await json("tasks", "fail", "w-5", "a stone")).toMatchObject({ status: "pending" });
    await assign("w-6");
    const failed = await json("tasks", "fail", "w-6", "no such place", "--not-retryable", "--usage", usage(3));
    expect(failed).toMatchObject({ status: "failed" });
    expect(await client.getTask("w-6")).toMatchObject({ error: "no such place", usage: [{ inputTokens: 3 }] });
  });

  it("is told that a task is to be cancelled, and when no agent has it", async () => {
    await assign("w-7");
    await json("tasks", "start", "w-7");
    await client.cancelTask("w-7");
    expect(await json("tasks", "progress", "w-7")).toMatchObject({ cancelRequested: true });
    expect(await json("tasks", "fail", "w-7", "stopped")).toMatchObject({ status: "cancelled" });
    await client.assignTask({ taskId: "w-8", taskType: "dig", supervisor: "lead", requiredCapabilities: ["fly"] });
    const waiting = await run("tasks", "start", "w-8");
    expect([waiting.code, waiting.error]).toEqual([2, expect.stringContaining("no agent has task w-8")]);
  });

  it.each([
    [["suspend", "w-9"], "give one of --question, --at and --tasks"],
    [["suspend", "w-9", "--at", "2030-01-01T00:00:00Z", "--question", '{"text":"?"}'], "give one of"],
    [["complete", "w-9", "--result", "{oops"], "--result: is not valid JSON"],
    [["fail", "w-9"], "missing required argument 'error'"],
    [["progress", "w-9", "--percent", "half"], "must be a number"],
  ])("exit code 2, and nothing is said: %j", async (words, complaint) => {
    const { code, out, error } = await run("tasks", ...words);
    expect([code, out, error]).toEqual([2, "", expect.stringContaining(complaint)]);
  });

  it.each([
    [["suspend", "w-10", "--question", '{"text":""}'], "until.question.text"],
    [["suspend", "w-10", "--tasks", "[]", "--checkpoint", "1"], "until.tasks"],
    [["progress", "w-10", "--percent", "101"], "percent"],
    [["complete", "w-10", "--usage", '[{"inputTokens":-1,"outputTokens":0}]'], "0.inputTokens"],
  ])("exit code 1, and nothing changes: %j", async (words, field) => {
    await assign("w-10");
    const before = await client.getTask("w-10");
    const { code, out, error } = await run("tasks", ...words);
    expect([code, out, error]).toEqual([1, "", expect.stringContaining(field)]);
    expect((await client.getTask("w-10")).version).toBe(before.version);
  });

  it("completion knows the commands and their options", async () => {
    const { out } = await run("complete", "--", "tasks", "suspend", "--ch");
    expect(out).toContain("--checkpoint");
  });
});
