import { describe, expect, it } from "@jest/globals";
import { type StoreFactory, useStore } from "../store-under-test.ts";
import { everyPage, type Scene } from "../support.ts";

/** Sets of capabilities that come and go: workers get the tasks that they can do, also those of a set that was left. */
export function capabilitySetsContract(open: StoreFactory): void {
  describe("sets of capabilities", () => {
    const stage = useStore(open);

    /** Whether a new task of the scene's skill and that capability is assigned at once. */
    async function isAssigned(scene: Scene, supervisor: string, capability: string): Promise<boolean> {
      const taskId = await scene.submit(supervisor, { requiredCapabilities: [scene.skill, capability] });
      const { assignedTo } = await scene.look(taskId);
      if (assignedTo !== undefined) await scene.complete(await scene.held(taskId));
      else await scene.store.cancelTask(taskId, undefined);
      return assignedTo !== undefined;
    }

    it("of a worker that comes back are met again, whether the demand is known or new", async () => {
      const scene = stage.scene();
      const [supervisor, worker] = [await scene.supervisor(), await scene.worker(1, ["known", "new"])];
      expect(await isAssigned(scene, supervisor, "known")).toBe(true);
      await scene.store.deregisterAgent(worker);
      expect(await isAssigned(scene, supervisor, "known")).toBe(false);
      expect(await isAssigned(scene, supervisor, "new")).toBe(false);
      await scene.worker(1, ["known", "new"], worker);
      expect(await isAssigned(scene, supervisor, "known")).toBe(true);
      expect(await isAssigned(scene, supervisor, "new")).toBe(true);
    });

    it("that a worker has left are not met, and are again when another takes them up", async () => {
      const scene = stage.scene();
      const [supervisor, worker] = [await scene.supervisor(), await scene.worker(1, ["old"])];
      expect(await isAssigned(scene, supervisor, "old")).toBe(true);
      await scene.worker(1, ["young"], worker);
      expect(await isAssigned(scene, supervisor, "old")).toBe(false);
      expect(await isAssigned(scene, supervisor, "young")).toBe(true);
      await scene.worker(1, ["old"]);
      expect(await isAssigned(scene, supervisor, "old")).toBe(true);
    });

    it("of one that is no worker are met when it becomes one, and not when it ceases to be", async () => {
      const scene = stage.scene();
      const supervisor = await scene.supervisor();
      const capabilities = [scene.skill, "both"];
      const { agentId } = await scene.register({ role: "observer", capabilities });
      expect(await isAssigned(scene, supervisor, "both")).toBe(false);
      await scene.register({ role: "worker", capabilities, agentId });
      expect(await isAssigned(scene, supervisor, "both")).toBe(true);
      await scene.register({ role: "observer", capabilities, agentId });
      expect(await isAssigned(scene, supervisor, "both")).toBe(false);
    });

    it("of agents that have left are found by the list", async () => {
      const scene = stage.scene();
      const worker = await scene.worker();
      await scene.store.deregisterAgent(worker);
      const listed = await everyPage((page) => scene.store.listAgents({ ...page, capability: scene.skill }));
      expect(listed.map(({ agentId }) => agentId)).toEqual([worker]);
    });

    it("that were left and are used again hand the waiting task to the worker that registers", async () => {
      const scene = stage.scene();
      const [supervisor, worker] = [await scene.supervisor(), await scene.worker(1, ["left"])];
      await scene.store.deregisterAgent(worker);
      const taskId = await scene.submit(supervisor, { requiredCapabilities: [scene.skill, "left"] });
      await scene.worker(1, ["left"], worker);
      expect((await scene.held(taskId)).agentId).toBe(worker);
    });

    it("of workers that come and go at once leave no worker without work", async () => {
      const scene = stage.scene();
      const supervisor = await scene.supervisor();
      const workers = await Promise.all(Array.from({ length: 8 }, () => scene.worker(1, ["busy"])));
      for (let round = 0; round < 5; round++) {
        await Promise.all(
          workers.map(async (worker) => {
            await scene.store.deregisterAgent(worker);
            await scene.worker(1, ["busy"], worker);
          }),
        );
        expect(await isAssigned(scene, supervisor, "busy")).toBe(true);
      }
    });
  });
}
