import { describe, expect, it } from "@jest/globals";
import { type StoreFactory, useStore } from "../store-under-test.ts";
import { caught, type Held, HOUR, only, payloadField, type Scene, SECOND } from "../support.ts";

/** Cancelling in every state (design section 4, Task). */
export function cancellationContract(open: StoreFactory): void {
  describe("cancelling", () => {
    const stage = useStore(open);

    async function begin(capacity = 1) {
      const scene = stage.scene();
      return { scene, supervisor: await scene.supervisor(), worker: await scene.worker(capacity) };
    }

    async function expectCancelled(scene: Scene, supervisor: string, taskId: string): Promise<void> {
      expect((await scene.look(taskId)).status).toBe("cancelled");
      const message = only(await scene.results(supervisor, taskId));
      expect(message.payload).toMatchObject({ taskId, status: "cancelled" });
    }

    it("ends a pending task at once", async () => {
      const { scene, supervisor, worker } = await begin(0);
      const taskId = await scene.submit(supervisor);
      expect(await scene.store.cancelTask(taskId, "no need")).toMatchObject({ taskId, status: "cancelled" });
      await expectCancelled(scene, supervisor, taskId);
      await scene.store.heartbeat({ agentId: worker, maxConcurrentTasks: 5 });
      await scene.pass(HOUR);
      expect(await scene.look(taskId)).toMatchObject({ status: "cancelled", attempt: 0 });
    });

    it("ends a blocked task at once, whatever its dependency does then", async () => {
      const { scene, supervisor } = await begin(2);
      const held = await scene.assign(supervisor);
      const blocked = await scene.submit(supervisor, { dependsOn: [held.taskId] });
      expect((await scene.store.cancelTask(blocked, undefined)).status).toBe("cancelled");
      await scene.complete(held);
      await scene.store.sweep();
      await expectCancelled(scene, supervisor, blocked);
    });

    it("ends an assigned task at once and frees the slot", async () => {
      const { scene, supervisor, worker } = await begin();
      const held = await scene.assign(supervisor);
      const next = await scene.submit(supervisor);
      expect((await scene.store.cancelTask(held.taskId, undefined)).status).toBe("cancelled");
      await expectCancelled(scene, supervisor, held.taskId);
      expect(only(await scene.assignments(held.taskId)).outcome).toBe("cancelled");
      expect((await scene.held(next)).agentId).toBe(worker);
      expect(await caught(scene.start(held))).toBe("LEASE_LOST");
      expect(await caught(scene.complete(held))).toBe("LEASE_LOST");
    });

    it("ends a task that waits for its next attempt at once", async () => {
      const { scene, supervisor } = await begin();
      const held = await scene.assign(supervisor);
      await scene.start(held);
      await scene.fail(held);
      expect((await scene.store.cancelTask(held.taskId, undefined)).status).toBe("cancelled");
      await scene.pass(HOUR);
      await expectCancelled(scene, supervisor, held.taskId);
    });

    it("of a running task is a request that the worker learns of in three ways", async () => {
      const { scene, supervisor, worker } = await begin();
      const held = await scene.assign(supervisor);
      await scene.start(held);
      const reply = await scene.store.cancelTask(held.taskId, "changed our minds");
      expect(reply).toMatchObject({ taskId: held.taskId, status: "running", cancelRequested: true });
      expect(await scene.look(held.taskId)).toMatchObject({ status: "running", cancelRequested: true });
      const { tasks } = await scene.store.heartbeat({ agentId: worker });
      expect(tasks).toEqual([{ taskId: held.taskId, attempt: 1, cancelRequested: true }]);
      expect(await scene.progress(held, { percent: 5 })).toMatchObject({ status: "running", cancelRequested: true });
      expect((await scene.start(held)).cancelRequested).toBe(true);
      const message = only(await scene.waiting(worker, "task_cancel"));
      expect(message).toMatchObject({ sender: "system", receiver: worker });
      expect([payloadField(message, "taskId"), payloadField(message, "attempt")]).toEqual([held.taskId, 1]);
      expect(await scene.results(supervisor, held.taskId)).toEqual([]);
    });

    it("of a running task repeated answers again and tells the worker once", async () => {
      const { scene, supervisor, worker } = await begin();
      const held = await scene.assign(supervisor);
      await scene.start(held);
      const first = await scene.store.cancelTask(held.taskId, undefined);
      expect(await scene.store.cancelTask(held.taskId, undefined)).toEqual(first);
      expect(await scene.waiting(worker, "task_cancel")).toHaveLength(1);
    });

    async function requested(options = {}) {
      const team = await begin();
      const held = await team.scene.assign(team.supervisor, { timeoutSeconds: 60, maxRetries: 5, ...options });
      await team.scene.start(held);
      await team.scene.store.cancelTask(held.taskId, "stop");
      return { ...team, held };
    }

    it("requested, a completion still counts", async () => {
      const { scene, supervisor, held } = await requested();
      expect((await scene.complete(held)).status).toBe("completed");
      expect(only(await scene.results(supervisor, held.taskId)).payload).toMatchObject({ status: "completed" });
    });

    const endings: [string, (scene: Scene, held: Held) => Promise<unknown>][] = [
      ["a retryable failure", (scene, held) => scene.fail(held)],
      ["a final failure", (scene, held) => scene.fail(held, { retryable: false })],
      ["its deadline", (scene) => scene.pass(61 * SECOND)],
      ["its agent deregistering", (scene, held) => scene.store.deregisterAgent(held.agentId)],
    ];

    it.each(endings)("requested, %s makes it cancelled", async (_name, end) => {
      const { scene, supervisor, held } = await requested();
      await scene.worker(1);
      await end(scene, held);
      await expectCancelled(scene, supervisor, held.taskId);
      expect((await scene.store.getAgent(held.agentId)).activeTasks).toBe(0);
      await scene.pass(HOUR);
      expect(await scene.look(held.taskId)).toMatchObject({ status: "cancelled", attempt: 1 });
    });

    it("requested, a failure says cancelled, and its repeat too", async () => {
      const { scene, held } = await requested();
      const reply = await scene.fail(held);
      expect(reply.status).toBe("cancelled");
      expect(await scene.fail(held)).toEqual(reply);
      expect(await caught(scene.complete(held))).toBe("LEASE_LOST");
    });

    it("a cancelled task answers again and changes nothing", async () => {
      const { scene, supervisor } = await begin();
      const held = await scene.assign(supervisor);
      const first = await scene.store.cancelTask(held.taskId, "one");
      const before = await scene.look(held.taskId);
      scene.advance(SECOND);
      expect(await scene.store.cancelTask(held.taskId, "two")).toEqual(first);
      expect(await scene.look(held.taskId)).toEqual(before);
      expect(await scene.results(supervisor, held.taskId)).toHaveLength(1);
    });

    it("a completed or failed task is TASK_ENDED", async () => {
      const { scene, supervisor } = await begin(2);
      const [done, failed] = [await scene.assign(supervisor), await scene.assign(supervisor)];
      await scene.complete(done);
      await scene.fail(failed, { retryable: false });
      for (const held of [done, failed]) {
        const before = await scene.look(held.taskId);
        expect(await caught(scene.store.cancelTask(held.taskId, undefined))).toBe("TASK_ENDED");
        expect(await scene.look(held.taskId)).toEqual(before);
      }
    });

    it("is told in the history", async () => {
      const { scene, held } = await requested();
      await scene.fail(held);
      const { items } = await scene.store.getTaskHistory(held.taskId, { limit: 10 });
      expect(items.map((item) => item.event)).toEqual([
        "cancelled",
        "cancel_requested",
        "started",
        "assigned",
        "created",
      ]);
    });

    it("many times at once ends it once", async () => {
      const { scene, supervisor } = await begin();
      const held = await scene.assign(supervisor);
      const replies = await Promise.all(
        Array.from({ length: 5 }, () => scene.store.cancelTask(held.taskId, undefined)),
      );
      expect(new Set(replies.map((reply) => reply.status))).toEqual(new Set(["cancelled"]));
      expect(await scene.results(supervisor, held.taskId)).toHaveLength(1);
    });
  });

  describe("cancelling and silence", () => {
    const stage = useStore(open, { heartbeatIntervalSeconds: 30, heartbeatTimeoutSeconds: 90 });

    it("requested, its agent's silence makes it cancelled", async () => {
      const scene = stage.scene();
      const supervisor = await scene.supervisor();
      await scene.worker();
      const held = await scene.assign(supervisor, { timeoutSeconds: 86_400 });
      await scene.start(held);
      await scene.store.cancelTask(held.taskId, undefined);
      await scene.pass(95 * SECOND);
      expect(await scene.look(held.taskId)).toMatchObject({ status: "cancelled", attempt: 1 });
      expect(await scene.results(supervisor, held.taskId)).toHaveLength(1);
    });
  });
}
