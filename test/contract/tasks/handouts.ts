import { describe, expect, it } from "@jest/globals";
import { type StoreFactory, useStore } from "../store-under-test.ts";
import { HOUR, type Scene, SECOND } from "../support.ts";

/** Waiting tasks: who gets them when something frees (design sections 3.6 and 4, Task). */
export function handoutsContract(open: StoreFactory): void {
  describe("waiting tasks", () => {
    const stage = useStore(open);

    async function begin() {
      const scene = stage.scene();
      return { scene, supervisor: await scene.supervisor() };
    }

    async function assignedOf(scene: Scene, taskIds: readonly string[]): Promise<string[]> {
      const assigned: string[] = [];
      for (const taskId of taskIds) if ((await scene.look(taskId)).status === "assigned") assigned.push(taskId);
      return assigned;
    }

    it("are handed out when an agent arrives", async () => {
      const { scene, supervisor } = await begin();
      const taskId = await scene.submit(supervisor);
      const worker = await scene.worker(1);
      expect(await scene.held(taskId)).toMatchObject({ agentId: worker, attempt: 1 });
    });

    it("are handed out when a slot frees: by completing, failing, cancelling, releasing", async () => {
      const { scene, supervisor } = await begin();
      const worker = await scene.worker(1);
      const held = await scene.assign(supervisor);
      const [second, third, fourth] = [
        await scene.submit(supervisor),
        await scene.submit(supervisor),
        await scene.submit(supervisor),
      ];
      await scene.complete(held);
      expect((await scene.held(second)).agentId).toBe(worker);
      await scene.fail(await scene.held(second), { retryable: false });
      expect((await scene.held(third)).agentId).toBe(worker);
      await scene.store.cancelTask(third, undefined);
      expect((await scene.held(fourth)).agentId).toBe(worker);
      const other = await scene.worker(1);
      await scene.store.deregisterAgent(worker);
      expect(await scene.held(fourth)).toMatchObject({ agentId: other, attempt: 2 });
    });

    it("go in rank order: priority's head start, then arrival", async () => {
      const { scene, supervisor } = await begin();
      const [low, normal, high, urgent, late] = [
        await scene.submit(supervisor, { priority: "low" }),
        await scene.submit(supervisor, { priority: "normal" }),
        await scene.submit(supervisor, { priority: "high" }),
        await scene.submit(supervisor, { priority: "urgent" }),
        await scene.submit(supervisor, { priority: "normal" }),
      ];
      const worker = await scene.worker(1);
      for (const expected of [urgent, high, normal, late, low]) {
        expect(await assignedOf(scene, [low, normal, high, urgent, late])).toEqual([expected]);
        await scene.complete({ taskId: expected, agentId: worker, attempt: 1 });
      }
    });

    it("do not starve: what has waited longer than the difference of head starts goes first", async () => {
      const { scene, supervisor } = await begin();
      const low = await scene.submit(supervisor, { priority: "low" });
      scene.advance(60_000);
      const normal = await scene.submit(supervisor, { priority: "normal" });
      scene.advance(539_000);
      const high = await scene.submit(supervisor, { priority: "high" });
      const order: string[] = [];
      const worker = await scene.worker(1);
      for (let i = 0; i < 3; i++) {
        for (const taskId of await assignedOf(scene, [low, normal, high])) {
          order.push(taskId);
          await scene.complete({ taskId, agentId: worker, attempt: 1 });
        }
      }
      // low came 60 s before normal and 599 s before high: before the one, behind the other (which needs 600 s).
      expect(order).toEqual([high, low, normal]);
    });

    it("are handed out at most 10 a call, the highest ranks first; the sweep does the rest", async () => {
      const { scene, supervisor } = await begin();
      const low: string[] = [];
      const urgent: string[] = [];
      for (let i = 0; i < 9; i++) low.push(await scene.submit(supervisor, { priority: "low" }));
      for (let i = 0; i < 7; i++) urgent.push(await scene.submit(supervisor, { priority: "urgent" }));
      const agentId = await scene.worker(100);
      const assigned = await assignedOf(scene, [...urgent, ...low]);
      expect(assigned).toEqual([...urgent, ...low.slice(0, 3)]);
      expect((await scene.store.getAgent(agentId)).activeTasks).toBe(10);
      const report = await scene.store.sweep();
      expect(report.tasksAssigned).toBe(6);
      expect(await assignedOf(scene, [...urgent, ...low])).toHaveLength(16);
    });

    it("are handed out by the call that has unblocked them, however many", async () => {
      const { scene, supervisor } = await begin();
      await scene.worker(40);
      const first = await scene.assign(supervisor);
      const dependsOn = [first.taskId];
      const waiting: string[] = [];
      for (let i = 0; i < 34; i++) waiting.push(await scene.submit(supervisor, { dependsOn }));
      await scene.complete(first);
      expect(await assignedOf(scene, waiting)).toEqual(waiting);
    });

    it("wait for an agent that has what they need, without holding up the others", async () => {
      const { scene, supervisor } = await begin();
      const rare = await scene.submit(supervisor, { priority: "urgent", requiredCapabilities: [scene.id("rare")] });
      for (let i = 0; i < 15; i++)
        await scene.submit(supervisor, { priority: "urgent", requiredCapabilities: [scene.id("rare")] });
      const plain = await scene.submit(supervisor, { priority: "low" });
      await scene.worker(1);
      expect((await scene.look(plain)).status).toBe("assigned");
      expect((await scene.look(rare)).status).toBe("pending");
      await scene.worker(1, [scene.id("rare")]);
      expect((await scene.look(rare)).status).toBe("assigned");
    });

    it("of different demands share an agent in rank order", async () => {
      const { scene, supervisor } = await begin();
      const a = await scene.submit(supervisor, { requiredCapabilities: [scene.skill, "a"], priority: "normal" });
      const b = await scene.submit(supervisor, { requiredCapabilities: [scene.skill, "b"], priority: "urgent" });
      const plain = await scene.submit(supervisor, { priority: "high" });
      const agentId = await scene.worker(1, ["a", "b@2"]);
      for (const taskId of [b, plain, a]) {
        expect(await assignedOf(scene, [a, b, plain])).toEqual([taskId]);
        await scene.complete({ taskId, agentId, attempt: 1 });
      }
    });

    it("a new task does not overtake one that waits with a higher rank", async () => {
      const { scene, supervisor } = await begin();
      const worker = await scene.worker(1);
      const held = await scene.assign(supervisor);
      const waiting = await scene.submit(supervisor, { priority: "urgent" });
      await scene.complete(held);
      const later = await scene.submit(supervisor, { priority: "low" });
      expect((await scene.held(waiting)).agentId).toBe(worker);
      expect((await scene.look(later)).status).toBe("pending");
    });

    it("in backoff are not handed out before their time, then by the sweep or the next free slot", async () => {
      const { scene, supervisor } = await begin();
      const worker = await scene.worker(1);
      const held = await scene.assign(supervisor);
      await scene.fail(held);
      await scene.store.sweep();
      expect((await scene.look(held.taskId)).status).toBe("pending");
      await scene.pass(2 * SECOND);
      expect(await scene.held(held.taskId)).toMatchObject({ agentId: worker, attempt: 2 });
    });

    it("many waiting, many slots: nothing is left lying, nobody is over capacity", async () => {
      const { scene, supervisor } = await begin();
      const ids: string[] = [];
      for (let i = 0; i < 60; i++) ids.push(await scene.submit(supervisor));
      const workers = await Promise.all([3, 5, 7, 11].map((capacity) => scene.worker(capacity)));
      await scene.store.sweep();
      expect(await assignedOf(scene, ids)).toHaveLength(26);
      for (const [i, capacity] of [3, 5, 7, 11].entries()) {
        expect((await scene.store.getAgent(workers[i] ?? "")).activeTasks).toBe(capacity);
      }
      scene.advance(HOUR);
    });
  });
}
