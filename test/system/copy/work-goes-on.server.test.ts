import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type mssql from "mssql";
import { OffsetClock } from "../../../src/lib/model/clock.ts";
import { openSqliteStore } from "../../../src/lib/store/sqlite/open.ts";
import type { Store } from "../../../src/lib/store/store.ts";
import { dropDatabases, openOn, serverEnvironment, takeDatabase, testPool } from "../../contract/mssql-under-test.ts";
import { CALM_SETTINGS } from "../../contract/store-under-test.ts";
import { everyPage, MINUTE, Scene } from "../../contract/support.ts";
import { recountMssql } from "../../support/recount-mssql.ts";
import { runFile } from "../../support/run-process.ts";
import { fillSource } from "./filled-source.ts";

/** After a copy: both stores say the same of everything, and in the new one the work goes on. */

const AGENTS = ["lead", "old-hand", "gone", "digger", "second", "resting", "post", "chief"];

describe("the store on a copy", () => {
  const clock = new OffsetClock();
  let folder = "";
  let source: Store;
  let copied: Store;
  let pool: mssql.ConnectionPool;
  let scene: Scene;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "agent-communication-copy-"));
    const file = join(folder, "agents.db");
    await fillSource(file, { leased: true });
    const database = await takeDatabase();
    const { code, error } = await runFile(
      "src/cli/main.ts",
      ["copy", "--from", "mock", "--to", "sql", "--include-leased"],
      {
        environment: { ...serverEnvironment(database), AGENT_MOCK_DATABASE: file },
        milliseconds: 240_000,
      },
    );
    expect([code, error]).toEqual([0, ""]);
    source = openSqliteStore({ file, settings: CALM_SETTINGS, clock });
    copied = await openOn(database, {}, clock);
    pool = await testPool(database);
    scene = new Scene({ store: copied, clock, close: () => copied.close() });
  }, 900_000);

  afterAll(async () => {
    await Promise.all([source?.close(), copied?.close(), pool?.close()]);
    await dropDatabases();
    await rm(folder, { recursive: true, force: true });
  }, 900_000);

  const bothSay = async (ask: (store: Store) => Promise<unknown>) => {
    expect(await ask(copied)).toEqual(await ask(source));
  };

  it("says the same of every agent", async () => {
    for (const agentId of AGENTS) await bothSay((store) => store.getAgent(agentId));
    await bothSay((store) => everyPage((page) => store.listAgents(page)));
    await bothSay((store) => store.registryStatistics());
  }, 900_000);

  it("says the same of every mailbox, in the same order", async () => {
    for (const agentId of AGENTS) await bothSay((store) => everyPage((page) => store.peekMessages(agentId, page)));
    for (const messageId of ["key-1", "normal", "left-behind", "large", "numbers", "again", "dead-1"]) {
      await bothSay((store) => store.getMessage(messageId));
    }
    await bothSay((store) => everyPage((page) => store.listDeadLetters(page)));
    await bothSay((store) => everyPage((page) => store.listMessageTypes(page)));
  }, 900_000);

  it("says the same of every task, its attempts and its history", async () => {
    const tasks = await everyPage((page) => source.listTasks(page));
    expect(await everyPage((page) => copied.listTasks(page))).toEqual(tasks);
    const archived = ["archived-1", "archived-2", "archived-3"];
    const some = tasks.map(({ taskId }) => taskId).filter((taskId) => !/^leaf-\d\d/.test(taskId));
    for (const taskId of [...some, ...archived]) {
      await bothSay((store) => store.getTask(taskId));
      await bothSay((store) => everyPage((page) => store.getAssignments(taskId, page)));
      await bothSay((store) => everyPage((page) => store.getTaskHistory(taskId, page)));
    }
    await bothSay((store) => store.coordinationStatistics());
  }, 900_000);

  it("says the same of questions, workflows and schedules", async () => {
    await bothSay((store) => everyPage((page) => store.listQuestions(page)));
    for (const workflowId of ["flow", "called-off-flow"]) await bothSay((store) => store.getWorkflow(workflowId));
    await bothSay((store) => everyPage((page) => store.listWorkflows(page)));
    await bothSay((store) => store.getSchedule("nightly"));
  }, 900_000);

  it("lets what waits go on: by answers, and by the ends of children", async () => {
    await scene.answer("asks", await scene.openQuestion("asks"), "second", "this");
    expect(await scene.look("asks")).toMatchObject({ status: "pending", resumedBy: "answered" });
    await scene.answer("open-gate", await scene.openQuestion("open-gate"), "lead", "yes");
    expect((await scene.look("open-gate")).status).toBe("completed");
    for (const taskId of ["part-b", "part-a"]) await copied.cancelTask(taskId, "no need");
    expect(await scene.look("parent")).toMatchObject({ status: "pending", resumedBy: "children_ended" });
    expect((await copied.cancelWorkflow("flow", "no more")).status).toBe("cancelled");
    expect((await copied.retryWorkflow("flow", "after all")).status).toBe("running");
    expect(await copied.deleteSchedule("nightly")).toBe(true);
  }, 900_000);

  it("lets leases be used: who held a message settles it, and the next of its key comes", async () => {
    expect(await scene.settle("post", { messageId: "key-1", attempt: 2 }, "complete")).toBe("lease_lost");
    expect(await scene.settle("post", { messageId: "key-1", attempt: 1 }, "complete")).toBe("completed");
    const { messages } = await scene.claim("post", { maxMessages: 50, leaseMilliseconds: MINUTE });
    const ids = messages.map(({ messageId }) => messageId);
    expect(ids).toContain("key-2");
    expect(ids).not.toContain("key-3");
    expect(await copied.redriveDeadLetters({ messageIds: ["dead-2"], dryRun: false })).toBe(1);
  }, 900_000);

  it("lets attempts be used: who held a task completes it", async () => {
    const running = await scene.held("running");
    expect(running).toEqual({ taskId: "running", agentId: "digger", attempt: 1 });
    expect((await scene.complete(running)).status).toBe("completed");
    expect((await scene.complete(await scene.held("assigned"))).status).toBe("completed");
    const called = await scene.held("called-off");
    expect((await scene.fail(called)).status).toBe("cancelled");
    expect((await copied.getAgent("digger")).performance.completed).toBe(
      (await source.getAgent("digger")).performance.completed + 1,
    );
  }, 900_000);

  it("hands waiting tasks out, knows a repeat, and does what the next sweep would have done", async () => {
    const repeat = scene.task("lead", { taskId: "another-id", requiredCapabilities: ["sing"] }, "task-key");
    expect(await copied.assignTask(repeat)).toMatchObject({ taskId: "keyed-task", duplicate: true });
    await copied.heartbeat({ agentId: "resting", status: "active" });
    expect(await scene.held("named")).toMatchObject({ agentId: "resting" });
    await scene.register({ role: "worker", agentId: "artist", capabilities: ["sing", "dance"], maxConcurrentTasks: 1 });
    // The highest in rank: it is the one of high priority.
    await scene.complete(await scene.held("pending"));
    expect((await scene.look("blocked-1")).status).not.toBe("blocked");
    // What the call that ended the hub had left of its dependents.
    await copied.sweep();
    for (const taskId of ["leaf-0", "leaf-119"]) expect((await scene.look(taskId)).status).not.toBe("blocked");
    // And the mailbox of one who had left an hour before.
    expect(await scene.read("left-behind")).toMatchObject({ status: "dead_lettered", reason: "RECEIVER_DEREGISTERED" });
    expect(await recountMssql(pool, { copied: true })).toEqual([]);
  }, 900_000);
});
