import { describe, expect, it } from "@jest/globals";
import { type StoreFactory, withStore } from "../store-under-test.ts";
import { at, DAY, HOUR, MINUTE, SECOND } from "../support.ts";

/** Tasks that wait for a time: when that is, and what is done then. A host that runs all the time asks and sweeps by it. */
export function dueTasksContract(open: StoreFactory): void {
  describe("tasks that wait for a time", () => {
    it("the next of them is known, whatever it waits for; and is dealt with when its time has come", async () => {
      await withStore(open, {}, async (scene) => {
        const { store } = scene;
        let start = store.now();
        const next = () => store.nextTaskDue(start);
        const beyond = async (milliseconds: number) => Number(await next()) - store.now() - milliseconds;
        const supervisor = await scene.supervisor();
        const named = await scene.worker(10);
        const tasks = await Promise.all(
          Array.from({ length: 4 }, async (_, priority) => {
            const options = {
              assignTo: named,
              maxRetries: 5,
              priority: (["low", "normal", "high", "urgent"] as const)[priority],
            };
            return scene.assign(supervisor, options);
          }),
        );
        const lost = await scene.assign(supervisor, { maxRetries: 5 });
        const waiting = await scene.submit(supervisor, { requiredCapabilities: [scene.id("nobody-has-it")] });
        start = store.now();
        // Live attempts and tasks that wait for a worker wait for no time.
        expect(await next()).toBeUndefined();

        await scene.suspend(lost, { at: store.now() + 5 * HOUR });
        expect(await next()).toBe(at((await scene.look(lost.taskId)).availableAt));
        for (const [n, held] of tasks.entries()) {
          await scene.suspend(held, { at: store.now() + (4 - n) * HOUR });
          expect(await next()).toBe(at((await scene.look(held.taskId)).availableAt));
        }
        const retried = await scene.assign(supervisor, { maxRetries: 5 });
        await scene.fail(retried);
        expect(await next()).toBe(at((await scene.look(retried.taskId)).availableAt));
        // What is over is given only to whoever has not swept since.
        scene.advance(10 * SECOND);
        expect(await next()).toBeLessThan(store.now());
        expect(await store.nextTaskDue(store.now())).toBe(at((await scene.look(String(tasks[3]?.taskId))).availableAt));
        expect(await store.sweepDueTasks()).toMatchObject({ tasksAssigned: 1, tasksExpired: 0, questionsTimedOut: 0 });
        const second = await scene.held(retried.taskId);
        expect(second.attempt).toBe(2);
        await scene.complete(second);

        await scene.submit(supervisor, {
          expiresAt: new Date(store.now() + 30 * MINUTE).toISOString(),
          assignTo: named,
        });
        expect(Math.abs(await beyond(30 * MINUTE))).toBeLessThan(5 * SECOND);
        const late = await scene.assign(supervisor, { startTimeoutSeconds: 60 });
        expect(await next()).toBe(at((await scene.look(late.taskId)).startDeadline));
        scene.advance(MINUTE + SECOND);
        expect(await next()).toBeLessThan(store.now());
        expect(await store.sweepDueTasks()).toMatchObject({ tasksNotStarted: 1, tasksRequeued: 1, tasksAssigned: 1 });
        const again = await scene.held(late.taskId);
        expect(again.attempt).toBe(2);
        // One that is started has all its time.
        await scene.start(again);
        expect(Math.abs(await beyond(29 * MINUTE))).toBeLessThan(5 * SECOND);
        await scene.complete(again);
        const asking = await scene.assign(supervisor);
        await scene.suspend(asking, { text: "Go on?", timeoutSeconds: 600, defaultAnswer: "yes" });
        expect(Math.abs(await beyond(10 * MINUTE))).toBeLessThan(5 * SECOND);
        scene.advance(11 * MINUTE);
        expect(await next()).toBeLessThan(store.now());
        expect(await store.sweepDueTasks()).toMatchObject({ questionsTimedOut: 1, tasksAssigned: 1, tasksExpired: 0 });
        await scene.complete(await scene.held(asking.taskId));
        scene.advance(19 * MINUTE);
        expect(await next()).toBeLessThan(store.now());
        expect(await store.sweepDueTasks()).toMatchObject({ tasksExpired: 1 });
        scene.advance(DAY);
        expect(await store.sweepDueTasks()).toMatchObject({ tasksAssigned: 5 });
        expect(await next()).toBeUndefined();
        expect((await scene.look(waiting)).status).toBe("pending");
      });
    });
  });
}
