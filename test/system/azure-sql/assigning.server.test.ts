import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type mssql from "mssql";
import { OffsetClock } from "../../../src/lib/model/clock.ts";
import { newId } from "../../../src/lib/model/ids.ts";
import type { Store } from "../../../src/lib/store/store.ts";
import { dropDatabases, openOn, takeDatabase, testPool } from "../../contract/mssql-under-test.ts";
import { newWorkflow } from "../../contract/new-workflow.ts";
import { newTask, Scene } from "../../contract/support.ts";
import { recountMssql } from "../../support/recount-mssql.ts";

/** Assigning and handing out by two processes at once: what one transaction does not see, another one must. */

const ROUNDS = Number(process.env.ASSIGNING_ROUNDS ?? 4);
const TASKS = 24;
const CAPACITIES = [1, 2, 4];
const CAPACITY = 7;

describe("two processes assign", () => {
  let pool: mssql.ConnectionPool;
  let stores: readonly Store[];
  let supervisor = "";

  beforeAll(async () => {
    const database = await takeDatabase();
    pool = await testPool(database);
    stores = [openOn(database), openOn(database)];
    supervisor = await register("supervisor", "", 1);
  }, 900_000);

  afterAll(async () => {
    for (const store of stores) await store.close();
    await pool.close();
    await dropDatabases();
  });

  const store = (turn: number): Store => stores[turn % stores.length] as Store;

  async function register(role: "supervisor" | "worker", skill: string, capacity: number): Promise<string> {
    const agentId = `${role}-${newId(Date.now())}`;
    await store(0).registerAgent({ agentId, role, capabilities: [skill || "none"], maxConcurrentTasks: capacity });
    return agentId;
  }

  const task = (skill: string, more = {}) =>
    newTask({ supervisor, taskType: "work", description: "do it", requiredCapabilities: [skill], ...more });

  /** Tasks of a skill by status. */
  async function standing(skill: string): Promise<Map<string, { taskId: string; agentId: string; attempt: number }[]>> {
    const { tasks } = await pages();
    const of = new Map<string, { taskId: string; agentId: string; attempt: number }[]>();
    for (const { status, taskId, assignedTo, attempt, requiredCapabilities } of tasks) {
      if (!requiredCapabilities.includes(skill)) continue;
      const held = { taskId, agentId: assignedTo ?? "", attempt };
      of.set(status, [...(of.get(status) ?? []), held]);
    }
    return of;
  }

  async function pages() {
    const tasks = [];
    let cursor: string | undefined;
    do {
      const page = await store(0).listTasks({ limit: 200, cursor });
      tasks.push(...page.items);
      cursor = page.nextCursor ?? undefined;
    } while (cursor !== undefined);
    return { tasks };
  }

  it("never beyond a capacity, and no task waits while there is room", async () => {
    for (let round = 0; round < ROUNDS; round++) {
      const skill = `skill-${newId(Date.now())}`;
      for (const capacity of CAPACITIES) await register("worker", skill, capacity);
      await Promise.all(Array.from({ length: TASKS }, (_, turn) => store(turn).assignTask(task(skill))));
      for (let left = TASKS; left > 0; ) {
        const now = await standing(skill);
        const held = now.get("assigned") ?? [];
        expect(held).toHaveLength(Math.min(CAPACITY, left));
        expect(now.get("pending") ?? []).toHaveLength(left - held.length);
        // Ends make room and new attempts at once: no sweep helps.
        await Promise.all(
          held.map(({ taskId, ...by }, turn) => store(turn).completeTask(taskId, { ...by, result: turn })),
        );
        left -= held.length;
      }
    }
    expect(await recountMssql(pool)).toEqual([]);
  }, 900_000);

  it("while room is made: a task that comes in between does not wait", async () => {
    const skill = `skill-${newId(Date.now())}`;
    const agentId = await register("worker", skill, 1);
    let held = await store(0).assignTask(task(skill));
    for (let round = 0; round < 4 * ROUNDS; round++) {
      const [, next] = await Promise.all([
        store(round).completeTask(held.taskId, { agentId, attempt: held.attempt }),
        store(round + 1).assignTask(task(skill)),
      ]);
      const { status, attempt, assignedTo } = await store(0).getTask(next.taskId);
      expect({ status, attempt, assignedTo }).toEqual({ status: "assigned", attempt: 1, assignedTo: agentId });
      held = { ...next, attempt };
    }
    expect(await recountMssql(pool)).toEqual([]);
  }, 900_000);

  it("what depends on a task that ends in the same moment: no dependent is forgotten", async () => {
    const skill = `skill-${newId(Date.now())}`;
    const agentId = await register("worker", skill, 1_000);
    for (let round = 0; round < 4 * ROUNDS; round++) {
      const held = await store(0).assignTask(task(skill));
      const fails = round % 2 === 1;
      const by = { agentId, attempt: held.attempt };
      const [, ...dependents] = await Promise.all([
        fails
          ? store(round).failTask(held.taskId, { ...by, error: "no", retryable: false })
          : store(round).completeTask(held.taskId, by),
        ...[1, 2, 3].map((turn) => store(round + turn).assignTask(task(skill, { dependsOn: [held.taskId] }))),
      ]);
      for (const { taskId } of dependents) {
        expect((await store(0).getTask(taskId)).status).toBe(fails ? "failed" : "assigned");
      }
    }
    expect(await recountMssql(pool)).toEqual([]);
  }, 900_000);

  it("a workflow that is stopped as it is made: no hand-out of another process sees its tasks waiting", async () => {
    const scene = new Scene({ store: store(0), clock: new OffsetClock(), close: async () => {} });
    const owner = await scene.supervisor();
    const agentId = await scene.worker(1_000);
    const lost = await scene.assign(owner);
    await scene.fail(lost, { retryable: false });
    let going = true;
    // Ends make room, and hand out what waits. (A sweep would not do: it tells what was lost before it hands out.)
    const handOut = async () => {
      while (going) {
        const { taskId, attempt } = await store(1).assignTask(scene.task(owner));
        await store(1).completeTask(taskId, { agentId, attempt });
      }
    };
    const create = async () => {
      for (let round = 0; round < 4 * ROUNDS; round++) {
        const flow = newWorkflow(scene, owner, [
          ...Array.from({ length: 20 }, (_, index) => ({ ref: `free-${index}`, taskType: "x" })),
          { ref: "behind", taskType: "x", dependsOn: [lost.taskId] },
        ]);
        await store(0).createWorkflow(flow);
        const { tasks } = await store(0).getWorkflow(flow.workflowId);
        expect(tasks.filter(({ status, attempt }) => attempt > 0 || status === "assigned")).toEqual([]);
      }
    };
    await Promise.all([create().finally(() => (going = false)), handOut(), handOut()]);
    expect(await recountMssql(pool)).toEqual([]);
  }, 900_000);

  it("the same task at once: it is created once, and all are answered the same", async () => {
    const skill = `skill-${newId(Date.now())}`;
    await register("worker", skill, 1_000);
    for (let round = 0; round < ROUNDS; round++) {
      const same = task(skill);
      const replies = await Promise.all([0, 1].map((turn) => store(turn).assignTask(same)));
      expect(replies.filter(({ duplicate }) => !duplicate)).toHaveLength(1);
      const [first, second] = replies.map(({ duplicate: _, ...reply }) => reply);
      expect(second).toEqual(first);
      expect((await store(0).getAssignments(same.taskId, { limit: 2 })).items).toHaveLength(1);
    }
    expect(await recountMssql(pool)).toEqual([]);
  }, 900_000);
});
