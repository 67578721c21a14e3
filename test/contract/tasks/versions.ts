import { describe, expect, it } from "@jest/globals";
import { type StoreFactory, useStore } from "../store-under-test.ts";
import { DAY, type Scene } from "../support.ts";

/** What those who watch tasks ask for (design section 12, Watching). */
export function versionsContract(open: StoreFactory): void {
  describe("versions of tasks", () => {
    const stage = useStore(open);

    async function versionOf(scene: Scene, taskId: string): Promise<number | undefined> {
      const found = await scene.store.findTaskVersions([taskId]);
      expect(found.length).toBeLessThanOrEqual(1);
      return found[0]?.version;
    }

    it("are found for many tasks at once, those that nobody has created left out", async () => {
      const scene = stage.scene();
      const supervisor = await scene.supervisor();
      const waiting = await scene.submit(supervisor);
      await scene.worker(1);
      const versions = await Promise.all(
        [waiting, await scene.submit(supervisor)].map(async (taskId) => ({
          taskId,
          version: (await scene.look(taskId)).version,
        })),
      );
      const [first, second] = versions.map(({ taskId }) => taskId);
      const found = await scene.store.findTaskVersions([
        String(second),
        scene.fresh("nobody"),
        String(first),
        String(first),
        String(first).toUpperCase(),
      ]);
      const byId = (a: { taskId: string }, b: { taskId: string }) => (a.taskId < b.taskId ? -1 : 1);
      expect(found.sort(byId)).toEqual(versions.sort(byId));
      expect(await scene.store.findTaskVersions([])).toEqual([]);
    });

    it("grow with every transition, and are those that the task and its result message have", async () => {
      const scene = stage.scene();
      const supervisor = await scene.supervisor();
      await scene.worker(1);
      const held = await scene.assign(supervisor);
      const steps = [
        () => scene.start(held),
        () => scene.progress(held, { extendSeconds: 3_600 }),
        () => scene.store.cancelTask(held.taskId, undefined),
        () => scene.complete(held),
      ];
      let before = await versionOf(scene, held.taskId);
      for (const step of steps) {
        await step();
        const version = await versionOf(scene, held.taskId);
        expect(version).toBeGreaterThan(before ?? Number.POSITIVE_INFINITY);
        expect(version).toBe((await scene.look(held.taskId)).version);
        before = version;
      }
      expect(await scene.results(supervisor, held.taskId)).toMatchObject([{ payload: { version: before } }]);
    });

    it("of archived tasks are not found: those tasks change no more", async () => {
      const scene = stage.scene();
      const supervisor = await scene.supervisor();
      const taskId = await scene.submit(supervisor);
      await scene.store.cancelTask(taskId, undefined);
      const version = await versionOf(scene, taskId);
      scene.advance(31 * DAY);
      await scene.store.maintain();
      expect(await versionOf(scene, taskId)).toBeUndefined();
      expect(await scene.look(taskId)).toMatchObject({ version, archived: true });
    });
  });
}
