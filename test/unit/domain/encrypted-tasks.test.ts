import { existsSync } from "node:fs";
import { chmod } from "node:fs/promises";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { routes } from "../../../src/functions/route-table.ts";
import type { Caller } from "../../../src/lib/gates/caller.ts";
import { dispatch } from "../../../src/lib/http/dispatch.ts";
import type { AssignTaskInput } from "../../../src/lib/model/task.ts";
import { lineLog } from "../../../src/lib/trace/log.ts";
import { caught, DAY, only } from "../../contract/support.ts";
import { EncryptedServices } from "../../support/encrypted-services.ts";

/** Sensitive tasks: parameters and results are plain to worker and supervisor, and encrypted in the store, the archive included. */

const SECRET = "squeamish-ossifrage";
const RESULT = "answer-to-everything";

let under: EncryptedServices;
beforeEach(() => start());
afterEach(() => under.stop());

async function start(settings: Record<string, string> = {}): Promise<void> {
  under = await EncryptedServices.start(settings);
  const { registry } = under.services;
  await registry.register({ agentId: "lead", role: "supervisor" });
  await registry.register({ agentId: "w", role: "worker", maxConcurrentTasks: 10 });
}

const coordinator = () => under.services.coordinator;

function assign(more: Partial<AssignTaskInput> = {}, idempotencyKey?: string) {
  const task = { supervisor: "lead", taskType: "work", sensitive: true, parameters: { text: SECRET }, ...more };
  return coordinator().assign(
    { taskId: idempotencyKey === undefined ? "t-1" : undefined, ...task },
    { idempotencyKey },
  );
}

const complete = (taskId = "t-1", result: AssignTaskInput["parameters"] = { text: RESULT }) =>
  coordinator().complete(taskId, { agentId: "w", attempt: 1, result });

const receive = async (agentId: string) =>
  (await under.services.messages.receive(agentId, { maxMessages: 10 })).messages;

const versions = () =>
  under.rows(`SELECT (SELECT key_version FROM task_bodies) AS parameters, (SELECT key_version FROM task_outcomes) AS result,
    (SELECT key_version FROM message_bodies WHERE type = 'task_result') AS message`)[0] ?? {};

/** What a route answers an observer. */
async function observed(key: string, params: Record<string, string>): Promise<unknown> {
  const route = routes.find((one) => one.key === key);
  if (route === undefined) throw new Error(`there is no route ${key}`);
  const caller: Caller = {
    kind: "agent",
    agentId: "watcher",
    role: "observer",
    roles: ["observer"],
    credential: "token",
    credentialId: "watching",
  };
  const raw = {
    params,
    query: "",
    header: () => undefined,
    bytes: 0,
    body: undefined,
    signal: () => new AbortController().signal,
  };
  const log = lineLog((line) => {
    throw new Error(line);
  });
  return JSON.parse((await dispatch(under.services, route, raw, caller, log)).text);
}

describe("a sensitive task", () => {
  it("is plain to its worker, its supervisor and whoever reads it", async () => {
    await assign();
    const assignment = only(await receive("w"));
    expect(assignment).toMatchObject({ type: "task_assignment", sensitive: true, sender: "system" });
    expect(assignment.payload).toMatchObject({ taskId: "t-1", parameters: { text: SECRET }, sensitive: true });
    expect(await complete()).toMatchObject({ status: "completed" });
    const result = only(await receive("lead"));
    expect(result).toMatchObject({ type: "task_result", sensitive: true });
    expect(result.payload).toMatchObject({ taskId: "t-1", result: { text: RESULT }, sensitive: true });
    const seen = { parameters: { text: SECRET }, result: { text: RESULT }, sensitive: true };
    const read = await coordinator().get("t-1");
    const listed = only((await coordinator().list()).tasks);
    for (const task of [read, listed]) {
      expect(task).toMatchObject(seen);
      expect(Object.keys(task).filter((name) => /key|undecryptable/i.test(name))).toEqual([]);
    }
  });

  it("is encrypted in the store, and still in the archive, where it is as plain to its readers", async () => {
    await assign();
    await complete();
    expect(Object.values(versions()).map((version) => typeof version)).toEqual(["string", "string", "string"]);
    under.clock.advance(31 * DAY);
    await under.services.monitor.cleanupAndMaintenance();
    expect(under.rows("SELECT count(*) AS n FROM tasks")).toEqual([{ n: 0 }]);
    const seen = { archived: true, parameters: { text: SECRET }, result: { text: RESULT }, sensitive: true };
    expect(await coordinator().get("t-1")).toMatchObject(seen);
    await under.restart();
    expect(await coordinator().get("t-1")).toMatchObject(seen);
    expect(await under.holds(SECRET)).toBe(false);
    expect(await under.holds(RESULT)).toBe(false);
  });

  it("has its result encrypted by a process that did not create it, too", async () => {
    await assign();
    await under.restart();
    await complete();
    expect(versions().result).toEqual(expect.any(String));
    expect(await under.holds(RESULT)).toBe(false);
  });

  it("may end without a result, or fail: nothing else of it is encrypted", async () => {
    await assign();
    await coordinator().fail("t-1", { agentId: "w", attempt: 1, error: "broken", retryable: false });
    const task = await coordinator().get("t-1");
    expect(task).toMatchObject({ status: "failed", error: "broken", sensitive: true, parameters: { text: SECRET } });
    expect(task).not.toHaveProperty("result");
    expect(only(await receive("lead"))).not.toHaveProperty("sensitive");
  });

  it("is recognised as a repeat, by id and by key, after rotations, too", async () => {
    await assign();
    const keyed = await assign({}, "key-1");
    for (let round = 0; round < 2; round++) {
      expect(await assign()).toMatchObject({ taskId: "t-1", duplicate: true });
      expect(await assign({}, "key-1")).toMatchObject({ taskId: keyed.taskId, duplicate: true });
      expect(await caught(assign({ parameters: "other" }))).toBe("IDEMPOTENCY_MISMATCH");
      await under.services.keyRotation.rotate({ newVersion: true });
    }
    expect(String(under.rows("SELECT request_hash FROM tasks WHERE task_id = 't-1'")[0]?.request_hash)).toMatch(
      /^k1\./,
    );
  });

  it("that was tampered with is never handed out, and reads as undecryptable, others beside it as ever", async () => {
    await assign();
    await assign({ taskId: "t-2", parameters: "two" });
    under.tamper(
      "UPDATE task_bodies SET parameters = (SELECT parameters FROM task_bodies WHERE task_no = 1) WHERE task_no = 2",
    );
    expect((await receive("w")).map(({ payload }) => payload)).toMatchObject([{ taskId: "t-1" }]);
    const { tasks } = await coordinator().list();
    expect(tasks).toMatchObject([
      { taskId: "t-2", parameters: null, undecryptable: true },
      { taskId: "t-1", parameters: { text: SECRET } },
    ]);
    const dead = only((await under.services.deadLetters.list()).messages);
    expect(dead).toMatchObject({ reason: "UNDECRYPTABLE", payload: null });
  });

  it("whose result was swapped for that of another reads without one", async () => {
    await assign();
    await assign({ taskId: "t-2" });
    await complete();
    await complete("t-2", "two");
    under.tamper(
      "UPDATE task_outcomes SET result = (SELECT result FROM task_outcomes WHERE task_no = 1) WHERE task_no = 2",
    );
    const task = await coordinator().get("t-2");
    expect(task).toMatchObject({ undecryptable: true, parameters: { text: SECRET } });
    expect(task).not.toHaveProperty("result");
  });

  it("needs its key for what is in it, and for nothing else", async () => {
    await assign();
    await assign({ taskId: "t-2", sensitive: undefined });
    await chmod(under.keyFile, 0o644);
    await under.restart();
    expect(await caught(assign({ taskId: "t-3" }))).toBe("KEY_UNAVAILABLE");
    expect(await caught(coordinator().get("t-3"))).toBe("TASK_NOT_FOUND");
    expect(await caught(coordinator().get("t-1"))).toBe("KEY_UNAVAILABLE");
    expect(await caught(complete())).toBe("KEY_UNAVAILABLE");
    // An observer is not shown contents, and has nothing decrypted.
    expect(await observed("GET /tasks/{taskId}", { taskId: "t-1" })).toMatchObject({
      parameters: null,
      sensitive: true,
    });
    expect(await observed("GET /tasks", {})).toMatchObject({ tasks: [{ taskId: "t-2" }, { taskId: "t-1" }] });
    expect(await observed("GET /agents/{agentId}/messages", { agentId: "w" })).toMatchObject({
      messages: [{ payload: null }, { payload: null }],
    });
    expect((await receive("w")).map(({ payload }) => payload)).toMatchObject([{ taskId: "t-2" }]);
    expect(await caught(coordinator().start("t-1", { agentId: "w", attempt: 1 }))).toBe("accepted");
    expect(await caught(complete("t-2"))).toBe("accepted");
    await chmod(under.keyFile, 0o600);
    await under.restart();
    expect(await caught(complete())).toBe("accepted");
  });
});

describe("a task that is not sensitive", () => {
  it("is kept as it is, and its result, too", async () => {
    await assign({ sensitive: undefined });
    await complete();
    expect(versions()).toEqual({ parameters: null, result: null, message: null });
    const task = await coordinator().get("t-1");
    expect(task).toMatchObject({ parameters: { text: SECRET }, result: { text: RESULT } });
    expect(task).not.toHaveProperty("sensitive");
  });

  it("has its result encrypted where meanwhile everything is, and keeps its parameters as they were", async () => {
    await assign({ sensitive: undefined });
    await under.restart({ AGENT_ENCRYPT: "all" });
    await complete();
    expect(versions()).toEqual({ parameters: null, result: expect.any(String), message: expect.any(String) });
    await under.restart();
    expect(await coordinator().get("t-1")).toMatchObject({
      parameters: { text: SECRET },
      result: { text: RESULT },
      sensitive: true,
    });
    expect(only((await receive("lead")).filter(({ type }) => type === "task_result")).payload).toMatchObject({
      result: { text: RESULT },
    });
  });

  it("is encrypted from the start where everything is", async () => {
    await under.stop();
    await start({ AGENT_ENCRYPT: "all" });
    await assign({ sensitive: undefined });
    await complete();
    expect(await under.holds(SECRET)).toBe(false);
    expect(await under.holds(RESULT)).toBe(false);
  });

  it("is weighed by a preview without any key", async () => {
    const preview = { supervisor: "lead", taskType: "work", sensitive: true, parameters: SECRET };
    expect(await coordinator().preview(preview)).toMatchObject({ chosen: "w" });
    expect(await under.holds(SECRET)).toBe(false);
    expect(existsSync(under.keyFile)).toBe(false);
  });
});

describe("the result of a sensitive task that another one depends on", () => {
  const dependency = { taskId: "t-1", status: "completed", result: { text: RESULT } };

  async function dependent(more: Partial<AssignTaskInput> = {}): Promise<void> {
    await assign();
    await complete();
    await receive("w");
    await assign({ taskId: "t-2", dependsOn: ["t-1"], sensitive: false, parameters: "plain", ...more });
  }

  it.each([true, false])("is plain to the worker of that one, sensitive itself or not (%s)", async (sensitive) => {
    await dependent({ sensitive });
    expect(await under.holds(RESULT)).toBe(false);
    const message = only(await receive("w"));
    expect(message).toMatchObject({ sensitive: true, payload: { parameters: "plain", dependencies: [dependency] } });
    expect(JSON.stringify(message)).not.toMatch(/[kK]ey|e1\./);
    expect(await under.services.messages.get(message.messageId)).toMatchObject({
      payload: { dependencies: [dependency] },
    });
    expect(await coordinator().dependencies("t-2")).toEqual({ dependencies: [dependency] });
  });

  it("is plain from the archive, too", async () => {
    await assign();
    await complete();
    under.clock.advance(31 * DAY);
    await under.services.monitor.cleanupAndMaintenance();
    await under.services.registry.heartbeat("w", {});
    await receive("w");
    await assign({ taskId: "t-2", dependsOn: ["t-1"], sensitive: false });
    expect(only(await receive("w")).payload).toMatchObject({ dependencies: [dependency] });
  });

  it("is not told to observers", async () => {
    await dependent();
    const { messageId } = only((await under.services.messages.peek("w")).messages);
    const seen = [
      await observed("GET /messages/{messageId}", { messageId }),
      await observed("GET /tasks/{taskId}", { taskId: "t-2" }),
    ];
    expect(JSON.stringify(seen)).not.toContain(RESULT);
  });

  it("that is not what was stored puts the assignment aside, and is by reference when it is read", async () => {
    await dependent();
    under.tamper("UPDATE task_outcomes SET result = '\"e1.x\"'");
    expect(await coordinator().dependencies("t-2")).toEqual({
      dependencies: [{ taskId: "t-1", status: "completed", truncated: true }],
    });
    expect(await receive("w")).toEqual([]);
    expect(only((await under.services.deadLetters.list({ receiver: "w" })).messages)).toMatchObject({
      reason: "UNDECRYPTABLE",
    });
  });
});
