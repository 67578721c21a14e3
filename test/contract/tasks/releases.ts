import { describe, expect, it } from "@jest/globals";
import { type StoreFactory, useStore, withStore } from "../store-under-test.ts";
import { caught, DAY, everyPage, HOUR, MINUTE, only, type Scene, SECOND } from "../support.ts";

/** Tasks that agents give back by leaving or by silence: in bounded pieces, and not without end (design section 3, 5). */
export function releasesContract(open: StoreFactory): void {
  describe("tasks given back", () => {
    const stage = useStore(open, { heartbeatTimeoutSeconds: 90 });

    /** A worker that holds that many tasks, and the ids of these. */
    async function loaded(scene: Scene, count: number): Promise<{ worker: string; taskIds: string[] }> {
      const supervisor = await scene.supervisor();
      const worker = await scene.worker(count);
      const taskIds = await Promise.all(Array.from({ length: count }, () => scene.submit(supervisor)));
      expect((await scene.store.getAgent(worker)).activeTasks).toBe(count);
      return { worker, taskIds };
    }

    it("by a worker that leaves with many: all of them, without a retry", async () => {
      const scene = stage.scene();
      const { worker, taskIds } = await loaded(scene, 230);
      const agent = await scene.store.deregisterAgent(worker);
      expect(agent).toMatchObject({ agentId: worker, status: "deregistered", activeTasks: 0 });
      expect(agent.performance).toMatchObject({ failed: 0, lost: 230, released: 230, successRate: null });
      for (const taskId of taskIds) {
        expect(await scene.look(taskId)).toMatchObject({ status: "pending", attempt: 1, retriesUsed: 0 });
      }
      expect(await scene.store.deregisterAgent(worker)).toEqual(agent);
      // It drained until the last of them was gone, and so the audit says.
      const { items } = await scene.store.listAudit({ limit: 200, subjectKind: "agent", subjectId: worker });
      const changes = items
        .filter(({ action }) => /status_changed|deregistered/.test(action))
        .map(({ detail }) => detail);
      expect(changes).toEqual([
        { from: "draining", to: "deregistered" },
        { from: "active", to: "draining" },
      ]);
    }, 120_000);

    it("by a worker that falls silent with many: all of them, each with a retry", async () => {
      const scene = stage.scene();
      const { worker, taskIds } = await loaded(scene, 230);
      await scene.pass(100 * SECOND);
      expect(await scene.store.getAgent(worker)).toMatchObject({ status: "inactive", activeTasks: 0 });
      for (const taskId of taskIds) {
        expect(await scene.look(taskId)).toMatchObject({ status: "pending", attempt: 1, retriesUsed: 1 });
      }
    }, 120_000);

    it("by several that fall silent at once: none is handed the work of another", async () => {
      const scene = stage.scene();
      const supervisor = await scene.supervisor();
      for (let n = 0; n < 3; n++) await scene.worker(60);
      const taskIds = await Promise.all(Array.from({ length: 150 }, () => scene.submit(supervisor)));
      await scene.pass(100 * SECOND);
      for (const taskId of taskIds) expect(await scene.look(taskId)).toMatchObject({ status: "pending", attempt: 1 });
    }, 120_000);

    it("while the worker comes back: what it completes counts, or is lost, and it is active again", async () => {
      const scene = stage.scene();
      const { worker, taskIds } = await loaded(scene, 230);
      scene.advance(100 * SECOND);
      const last = taskIds.at(-1) ?? "";
      const held = { taskId: last, agentId: worker, attempt: 1 };
      const [, completed] = await Promise.all([scene.store.sweep(), caught(scene.complete(held))]);
      await scene.store.sweep();
      const { status, activeTasks } = await scene.store.getAgent(worker);
      const live = (await everyPage((page) => scene.store.listTasks({ ...page, assignedTo: worker }))).filter((task) =>
        ["assigned", "running"].includes(task.status),
      );
      expect(activeTasks).toBe(live.length);
      if (completed === "accepted") {
        expect(status).toBe("active");
        expect((await scene.look(last)).status).toBe("completed");
      } else expect([completed, status]).toEqual(["LEASE_LOST", "inactive"]);
    }, 120_000);

    /** The worker leaves and comes back that many times, and gets the task each time. */
    async function comeAndGo(scene: Scene, worker: string, times: number): Promise<void> {
      for (let n = 0; n < times; n++) {
        await scene.store.deregisterAgent(worker);
        await scene.worker(1, [], worker);
      }
    }

    it("more than twenty times within an hour use a retry each", async () => {
      const scene = stage.scene();
      const [supervisor, worker] = [await scene.supervisor(), await scene.worker()];
      const { taskId } = await scene.assign(supervisor, { maxRetries: 2, timeoutSeconds: DAY / SECOND });
      await comeAndGo(scene, worker, 20);
      expect(await scene.look(taskId)).toMatchObject({ status: "assigned", attempt: 21, retriesUsed: 0 });
      await comeAndGo(scene, worker, 2);
      expect(await scene.look(taskId)).toMatchObject({ status: "assigned", attempt: 23, retriesUsed: 2 });
      await comeAndGo(scene, worker, 1);
      expect(await scene.look(taskId)).toMatchObject({ status: "failed", attempt: 23, error: "RELEASED" });
      expect(only(await scene.results(supervisor, taskId)).payload).toMatchObject({
        status: "failed",
        error: "RELEASED",
      });
    }, 120_000);

    it("use none again when the hour has passed", async () => {
      const scene = stage.scene();
      const [supervisor, worker] = [await scene.supervisor(), await scene.worker()];
      const { taskId } = await scene.assign(supervisor, { maxRetries: 1, timeoutSeconds: DAY / SECOND });
      await comeAndGo(scene, worker, 20);
      scene.advance(HOUR + MINUTE);
      await scene.store.heartbeat({ agentId: worker });
      await comeAndGo(scene, worker, 20);
      expect(await scene.look(taskId)).toMatchObject({ status: "assigned", attempt: 41, retriesUsed: 0 });
    }, 120_000);

    it("are listed page by page, the oldest attempt first, in the archive, too", async () => {
      await withStore(open, { taskRetentionDays: 1 }, async (scene) => {
        const [supervisor, worker] = [await scene.supervisor(), await scene.worker()];
        const { taskId } = await scene.assign(supervisor);
        await comeAndGo(scene, worker, 6);
        const walk = async (): Promise<number[][]> => {
          const pages: number[][] = [];
          let cursor: string | undefined;
          do {
            const { items, nextCursor } = await scene.store.getAssignments(taskId, { limit: 3, cursor });
            pages.push(items.map(({ attempt }) => attempt));
            cursor = nextCursor ?? undefined;
          } while (cursor !== undefined);
          return pages;
        };
        const pages = [[1, 2, 3], [4, 5, 6], [7]];
        expect(await walk()).toEqual(pages);
        const first = await scene.store.getAssignments(taskId, { limit: 3 });
        await scene.complete(await scene.held(taskId));
        scene.advance(2 * DAY);
        await scene.store.maintain();
        expect((await scene.look(taskId)).archived).toBe(true);
        expect(await walk()).toEqual(pages);
        const second = await scene.store.getAssignments(taskId, { limit: 3, cursor: first.nextCursor ?? "" });
        expect(second.items.map(({ attempt }) => attempt)).toEqual([4, 5, 6]);
        const foreign = scene.store.getAssignments(scene.id("other"), { limit: 3, cursor: first.nextCursor ?? "" });
        expect(await caught(foreign)).toBe("INVALID_REQUEST");
      });
    }, 120_000);
  });
}
