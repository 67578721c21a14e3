import { describe, expect, it } from "@jest/globals";
import { type StoreFactory, useStore } from "../store-under-test.ts";
import { at, caught, only, SECOND } from "../support.ts";

/** Attempts that have to be started by a time, and are given to others where they are not. */
export function startTimeoutsContract(open: StoreFactory): void {
  describe("startTimeoutSeconds", () => {
    const stage = useStore(open);

    it("is read with the task, and as a time with its assignment; after the start as a number alone", async () => {
      const scene = stage.scene();
      const supervisor = await scene.supervisor();
      const worker = await scene.worker();
      const held = await scene.assign(supervisor, { startTimeoutSeconds: 20.5, timeoutSeconds: 100 });
      const task = await scene.look(held.taskId);
      expect(task).toMatchObject({ startTimeoutSeconds: 20.5, timeoutSeconds: 100, status: "assigned" });
      expect(at(task.startDeadline) - at(task.assignedAt)).toBe(20_500);
      expect(at(task.deadline) - at(task.assignedAt)).toBe(100_000);
      const message = only(await scene.waiting(worker, "task_assignment"));
      expect(message.payload).toMatchObject({ startDeadline: task.startDeadline, deadline: task.deadline });
      const listed = await scene.store.listTasks({ limit: 10, supervisor });
      expect(only(listed.items).startDeadline).toBe(task.startDeadline);
      await scene.start(held);
      const started = await scene.look(held.taskId);
      expect(started).toMatchObject({ startTimeoutSeconds: 20.5, status: "running", deadline: task.deadline });
      expect(started).not.toHaveProperty("startDeadline");
    });

    it("is absent where the task has none", async () => {
      const scene = stage.scene();
      const supervisor = await scene.supervisor();
      const worker = await scene.worker();
      const held = await scene.assign(supervisor, { timeoutSeconds: 100 });
      const task = await scene.look(held.taskId);
      expect([Object.hasOwn(task, "startTimeoutSeconds"), Object.hasOwn(task, "startDeadline")]).toEqual([
        false,
        false,
      ]);
      expect(only(await scene.waiting(worker, "task_assignment")).payload).not.toHaveProperty("startDeadline");
      await scene.pass(99 * SECOND);
      expect(await scene.look(held.taskId)).toMatchObject({ status: "assigned", attempt: 1 });
    });

    it("gives what was not started to another agent in the same sweep: released, no retry, no mark", async () => {
      const scene = stage.scene();
      const supervisor = await scene.supervisor();
      const slow = await scene.worker();
      const held = await scene.assign(supervisor, { startTimeoutSeconds: 20, timeoutSeconds: 1_000 });
      await scene.pass(19 * SECOND);
      expect(await scene.look(held.taskId)).toMatchObject({ status: "assigned", attempt: 1 });
      const other = await scene.worker();
      scene.advance(2 * SECOND);
      expect(await scene.store.sweep()).toMatchObject({ tasksNotStarted: 1, tasksTimedOut: 0 });
      const task = await scene.look(held.taskId);
      expect(task).toMatchObject({ status: "assigned", assignedTo: other, attempt: 2, retriesUsed: 0 });
      expect(at(task.startDeadline) - at(task.assignedAt)).toBe(20_000);
      const message = only(await scene.waiting(other, "task_assignment"));
      expect(message.payload).toMatchObject({ attempt: 2, startDeadline: task.startDeadline });
      expect(await scene.waiting(slow, "task_assignment")).toEqual([]);
      expect(await scene.store.getAgent(slow)).toMatchObject({
        activeTasks: 0,
        performance: { failed: 0, lost: 1, released: 1, successRate: null },
      });
      const [first] = await scene.assignments(held.taskId);
      expect(first).toMatchObject({ chosen: slow, outcome: "released" });
      expect(await caught(scene.start(held))).toBe("LEASE_LOST");
      expect((await scene.store.sweep()).tasksNotStarted).toBe(0);
    });

    it("says why in the history", async () => {
      const scene = stage.scene();
      const supervisor = await scene.supervisor();
      await scene.worker();
      const held = await scene.assign(supervisor, { startTimeoutSeconds: 20 });
      await scene.pass(21 * SECOND);
      const { items } = await scene.store.getTaskHistory(held.taskId, { limit: 10 });
      expect(items.find(({ event }) => event === "requeued")).toMatchObject({ attempt: 1, detail: "NOT_STARTED" });
    });

    it("counts no more once the attempt was started, by a progress, too", async () => {
      const scene = stage.scene();
      const supervisor = await scene.supervisor();
      await scene.worker(2);
      const [started, progressed] = [
        await scene.assign(supervisor, { startTimeoutSeconds: 20, timeoutSeconds: 1_000 }),
        await scene.assign(supervisor, { startTimeoutSeconds: 20, timeoutSeconds: 1_000 }),
      ];
      await scene.start(started);
      await scene.progress(progressed, { percent: 1 });
      await scene.pass(900 * SECOND);
      for (const { taskId } of [started, progressed]) {
        expect(await scene.look(taskId)).toMatchObject({ status: "running", attempt: 1 });
      }
    });

    it("a start that comes before the sweep counts, however late", async () => {
      const scene = stage.scene();
      const supervisor = await scene.supervisor();
      await scene.worker();
      const held = await scene.assign(supervisor, { startTimeoutSeconds: 20, timeoutSeconds: 1_000 });
      scene.advance(60 * SECOND);
      await scene.start(held);
      await scene.store.sweep();
      expect(await scene.look(held.taskId)).toMatchObject({ status: "running", attempt: 1 });
    });

    it("holds for what is handed out later, too", async () => {
      const scene = stage.scene();
      const supervisor = await scene.supervisor();
      const taskId = await scene.submit(supervisor, { startTimeoutSeconds: 20, timeoutSeconds: 1_000 });
      await scene.pass(60 * SECOND);
      expect(await scene.look(taskId)).toMatchObject({ status: "pending", startTimeoutSeconds: 20 });
      expect(await scene.look(taskId)).not.toHaveProperty("startDeadline");
      await scene.worker();
      expect(await scene.look(taskId)).toMatchObject({ status: "assigned", attempt: 1 });
      await scene.pass(21 * SECOND);
      // The only agent that fits gets it again.
      expect(await scene.look(taskId)).toMatchObject({ status: "assigned", attempt: 2, retriesUsed: 0 });
    });

    it("uses a retry like any other release past 20 within an hour, and the task fails when none is left", async () => {
      const scene = stage.scene();
      const supervisor = await scene.supervisor();
      await scene.worker();
      const taskId = await scene.submit(supervisor, { startTimeoutSeconds: 2, timeoutSeconds: 1_000, maxRetries: 1 });
      for (let n = 0; n < 20; n++) await scene.pass(3 * SECOND);
      expect(await scene.look(taskId)).toMatchObject({ status: "assigned", attempt: 21, retriesUsed: 0 });
      await scene.pass(3 * SECOND);
      expect(await scene.look(taskId)).toMatchObject({ status: "assigned", attempt: 22, retriesUsed: 1 });
      await scene.pass(3 * SECOND);
      expect(await scene.look(taskId)).toMatchObject({ status: "failed", error: "NOT_STARTED", attempt: 22 });
      expect(only(await scene.results(supervisor, taskId)).payload).toMatchObject({ error: "NOT_STARTED" });
    });
  });
}
