import { describe, expect, it } from "@jest/globals";
import { type StoreFactory, useStore } from "../store-under-test.ts";
import { at, caught, HOUR, MINUTE, only, SECOND } from "../support.ts";

/** Deadlines, retries and their backoff (design section 3.5 and section 4, Task). */
export function expiryContract(open: StoreFactory): void {
  describe("deadlines and retries", () => {
    const stage = useStore(open);

    async function assigned(options = {}) {
      const scene = stage.scene();
      const supervisor = await scene.supervisor();
      const worker = await scene.worker(1);
      const held = await scene.assign(supervisor, { timeoutSeconds: 60, maxRetries: 2, ...options });
      return { scene, supervisor, worker, held };
    }

    it.each(["assigned", "running"])(
      "an %s task past its deadline is requeued by the sweep with backoff",
      async (state) => {
        const { scene, worker, held } = await assigned();
        if (state === "running") await scene.start(held);
        await scene.pass(50 * SECOND);
        expect((await scene.look(held.taskId)).status).toBe(state);
        scene.advance(11 * SECOND);
        const before = scene.store.now();
        const report = await scene.store.sweep();
        expect(report.tasksTimedOut).toBeGreaterThanOrEqual(1);
        expect(report.tasksRequeued).toBeGreaterThanOrEqual(1);
        const task = await scene.look(held.taskId);
        expect(task).toMatchObject({ status: "pending", attempt: 1, retriesUsed: 1 });
        expect(task).not.toHaveProperty("assignedTo");
        expect(task).not.toHaveProperty("deadline");
        expect(at(task.availableAt)).toBeGreaterThanOrEqual(before + 500);
        expect(at(task.availableAt)).toBeLessThanOrEqual(scene.store.now() + 1_500);
        expect((await scene.store.getAgent(worker)).activeTasks).toBe(0);
        expect(only(await scene.assignments(held.taskId)).outcome).toBe("timed_out");
        expect(await caught(scene.complete(held))).toBe("LEASE_LOST");
        await scene.pass(2 * SECOND);
        expect(await scene.held(held.taskId)).toMatchObject({ agentId: worker, attempt: 2 });
      },
    );

    it("until the sweep takes the task back a late completion, start and progress count", async () => {
      const done = await assigned();
      done.scene.advance(HOUR);
      expect((await done.scene.complete(done.held)).status).toBe("completed");
      const late = await assigned();
      late.scene.advance(HOUR);
      expect((await late.scene.start(late.held)).status).toBe("running");
      await late.scene.progress(late.held, { extendSeconds: 120 });
      await late.scene.store.sweep();
      expect((await late.scene.look(late.held.taskId)).status).toBe("running");
    });

    it("past maxRetries the task fails and the supervisor is told, once", async () => {
      const { scene, supervisor, held } = await assigned({ maxRetries: 1 });
      await scene.pass(61 * SECOND);
      expect(await scene.results(supervisor, held.taskId)).toEqual([]);
      await scene.pass(2 * SECOND);
      expect(await scene.held(held.taskId)).toMatchObject({ attempt: 2 });
      await scene.pass(61 * SECOND);
      const task = await scene.look(held.taskId);
      expect(task).toMatchObject({ status: "failed", attempt: 2, retriesUsed: 1 });
      expect(task.error?.length).toBeGreaterThan(0);
      const result = only(await scene.results(supervisor, held.taskId));
      expect(result.payload).toMatchObject({ status: "failed", attempt: 2, error: task.error });
      await scene.pass(HOUR);
      expect(await scene.results(supervisor, held.taskId)).toHaveLength(1);
    });

    it("backoff doubles from one second, with jitter, up to five minutes", async () => {
      const { scene, held } = await assigned({ maxRetries: 100 });
      let current = held;
      const nominals = [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300];
      for (const [i, nominal] of nominals.entries()) {
        const before = scene.store.now();
        await scene.fail(current);
        const after = scene.store.now();
        const task = await scene.look(held.taskId);
        expect(task).toMatchObject({ status: "pending", retriesUsed: i + 1 });
        expect(at(task.availableAt)).toBeGreaterThanOrEqual(before + nominal * 0.5 * SECOND);
        expect(at(task.availableAt)).toBeLessThanOrEqual(Math.min(after + nominal * 1.5 * SECOND, after + 5 * MINUTE));
        await scene.pass(nominal * 1.5 * SECOND);
        current = await scene.held(held.taskId);
      }
    });

    it("the jitter spreads what failed together", async () => {
      const scene = stage.scene();
      const supervisor = await scene.supervisor();
      await scene.worker(30);
      const waits = new Set<number>();
      for (let i = 0; i < 30; i++) {
        const held = await scene.assign(supervisor);
        const before = scene.store.now();
        await scene.fail(held);
        waits.add(Math.round((at((await scene.look(held.taskId)).availableAt) - before) / 10));
      }
      expect(waits.size).toBeGreaterThan(5);
    });

    it("each attempt uses one retry; the attempt is not the retry count", async () => {
      const { scene, held, worker } = await assigned({ maxRetries: 5 });
      await scene.fail(held);
      await scene.pass(2 * SECOND);
      const second = await scene.held(held.taskId);
      const other = await scene.worker(1);
      await scene.store.deregisterAgent(worker);
      expect(await scene.look(held.taskId)).toMatchObject({ attempt: 3, retriesUsed: 1, assignedTo: other });
      expect(second.attempt).toBe(2);
      await scene.pass(61 * SECOND);
      expect(await scene.look(held.taskId)).toMatchObject({ retriesUsed: 2, status: "pending" });
      await scene.pass(3 * SECOND);
      expect(await scene.look(held.taskId)).toMatchObject({ attempt: 4, retriesUsed: 2, status: "assigned" });
    });

    it("maxRetries 0 fails at the first failure", async () => {
      const { scene, held } = await assigned({ maxRetries: 0 });
      expect((await scene.fail(held, { error: "once" })).status).toBe("failed");
      expect(await scene.look(held.taskId)).toMatchObject({ status: "failed", error: "once", retriesUsed: 0 });
    });

    it("a new attempt has a new deadline, counted from its assignment", async () => {
      const { scene, held } = await assigned();
      const first = await scene.look(held.taskId);
      await scene.fail(held);
      await scene.pass(30 * SECOND);
      const second = await scene.look(held.taskId);
      expect(at(second.deadline)).toBe(at(second.assignedAt) + 60 * SECOND);
      expect(at(second.deadline)).toBeGreaterThan(at(first.deadline));
    });

    it("two sweeps at once use one retry", async () => {
      const { scene, held } = await assigned();
      scene.advance(61 * SECOND);
      await Promise.all([scene.store.sweep(), scene.store.sweep(), scene.store.sweep()]);
      const { items } = await scene.store.getTaskHistory(held.taskId, { limit: 10 });
      expect(items.filter((item) => item.event === "requeued")).toHaveLength(1);
      expect((await scene.look(held.taskId)).retriesUsed).toBe(1);
    });
  });
}
