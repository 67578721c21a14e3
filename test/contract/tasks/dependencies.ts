import { describe, expect, it } from "@jest/globals";
import { type StoreFactory, useStore, withStore } from "../store-under-test.ts";
import { at, caught, DAY, only, payloadField, type Scene, SECOND } from "../support.ts";

/** dependsOn: waiting for others, and falling with them (design section 4, Task). */
export function dependenciesContract(open: StoreFactory): void {
  describe("dependencies", () => {
    const stage = useStore(open);

    async function begin(capacity = 1) {
      const scene = stage.scene();
      return { scene, supervisor: await scene.supervisor(), worker: await scene.worker(capacity) };
    }

    async function statuses(scene: Scene, taskIds: readonly string[]): Promise<string[]> {
      return await Promise.all(taskIds.map(async (taskId) => (await scene.look(taskId)).status));
    }

    it("block a task until all of them have completed", async () => {
      const { scene, supervisor } = await begin(5);
      const [a, b] = [await scene.assign(supervisor), await scene.assign(supervisor)];
      const reply = await scene.store.assignTask(scene.task(supervisor, { dependsOn: [a.taskId, b.taskId] }));
      expect(reply).toMatchObject({ status: "blocked", attempt: 0 });
      expect((await scene.look(reply.taskId)).dependsOn).toEqual([a.taskId, b.taskId]);
      await scene.complete(a);
      expect((await scene.look(reply.taskId)).status).toBe("blocked");
      await scene.store.sweep();
      expect((await scene.look(reply.taskId)).status).toBe("blocked");
      await scene.complete(b);
      expect(await scene.look(reply.taskId)).toMatchObject({ status: "assigned", attempt: 1 });
      const { items } = await scene.store.getTaskHistory(reply.taskId, { limit: 10 });
      expect(items.map((item) => item.event)).toEqual(["assigned", "unblocked", "created"]);
    });

    it("that are completed already count, and blocked by none the task is assigned at once", async () => {
      const { scene, supervisor } = await begin(2);
      const done = await scene.assign(supervisor);
      await scene.complete(done);
      const taskId = await scene.submit(supervisor, { dependsOn: [done.taskId] });
      expect((await scene.look(taskId)).status).toBe("assigned");
    });

    it("unblock to pending when nobody has room", async () => {
      const { scene, supervisor } = await begin(1);
      const held = await scene.assign(supervisor);
      const urgent = await scene.submit(supervisor, { priority: "urgent" });
      const dependent = await scene.submit(supervisor, { dependsOn: [held.taskId] });
      await scene.complete(held);
      expect(await statuses(scene, [urgent, dependent])).toEqual(["assigned", "pending"]);
    });

    it("named twice count once", async () => {
      const { scene, supervisor } = await begin(2);
      const held = await scene.assign(supervisor);
      const dependent = await scene.submit(supervisor, { dependsOn: [held.taskId, held.taskId] });
      await scene.complete(held);
      expect((await scene.look(dependent)).status).toBe("assigned");
    });

    it("that are unknown, or the task itself, are DEPENDENCY_INVALID and create nothing", async () => {
      const { scene, supervisor } = await begin();
      const known = await scene.submit(supervisor);
      const taskId = scene.id("t");
      for (const dependsOn of [[scene.id("none")], [known, scene.id("none")], [taskId], [known, taskId]]) {
        expect(await caught(scene.submit(supervisor, { taskId, dependsOn }))).toBe("DEPENDENCY_INVALID");
      }
      expect(await caught(scene.look(taskId))).toBe("TASK_NOT_FOUND");
    });

    it("cannot form a cycle: a repeat with other dependencies is a mismatch", async () => {
      const { scene, supervisor } = await begin(1);
      const a = await scene.submit(supervisor, { description: "a" });
      const b = await scene.submit(supervisor, { dependsOn: [a] });
      const again = scene.submit(supervisor, { taskId: a, description: "a", dependsOn: [b] });
      expect(await caught(again)).toBe("IDEMPOTENCY_MISMATCH");
      expect((await scene.look(a)).dependsOn).toEqual([]);
    });

    it("a failed attempt of a dependency that is retried fails nobody", async () => {
      const { scene, supervisor } = await begin(1);
      const held = await scene.assign(supervisor);
      const dependent = await scene.submit(supervisor, { dependsOn: [held.taskId] });
      await scene.fail(held);
      await scene.store.sweep();
      expect((await scene.look(dependent)).status).toBe("blocked");
    });

    it.each(["failed", "cancelled"])(
      "that %s fail their dependents, without retry, each telling its supervisor",
      async (end) => {
        const { scene, supervisor } = await begin(2);
        const other = await scene.supervisor();
        const [bad, fine] = [await scene.assign(supervisor), await scene.assign(supervisor)];
        const dependents = [
          await scene.submit(supervisor, { dependsOn: [bad.taskId] }),
          await scene.submit(other, { dependsOn: [fine.taskId, bad.taskId], maxRetries: 9 }),
        ];
        if (end === "failed") await scene.fail(bad, { retryable: false });
        else await scene.store.cancelTask(bad.taskId, undefined);
        for (const taskId of dependents) {
          const task = await scene.look(taskId);
          expect(task).toMatchObject({ status: "failed", attempt: 0, retriesUsed: 0 });
          expect(task.error).toMatch(/DEPENDENCY_FAILED/);
          const message = only(await scene.results(task.supervisor, taskId));
          expect(message.payload).toMatchObject({ taskId, status: "failed", attempt: 0, error: task.error });
        }
        await scene.complete(fine);
        await scene.store.sweep();
        expect(await statuses(scene, dependents)).toEqual(["failed", "failed"]);
        expect(await scene.results(other, dependents[1] ?? "")).toHaveLength(1);
      },
    );

    it("that failed fail down the whole chain", async () => {
      const { scene, supervisor } = await begin(1);
      const head = await scene.assign(supervisor);
      const chain = [head.taskId];
      for (let i = 0; i < 10; i++) chain.push(await scene.submit(supervisor, { dependsOn: [chain.at(-1) ?? ""] }));
      await scene.fail(head, { retryable: false });
      await scene.store.sweep();
      expect(await statuses(scene, chain)).toEqual(chain.map(() => "failed"));
      for (const taskId of chain) expect(await scene.results(supervisor, taskId)).toHaveLength(1);
    });

    it("that had failed before the task was created fail it at once", async () => {
      const { scene, supervisor } = await begin(1);
      const head = await scene.assign(supervisor);
      await scene.fail(head, { retryable: false });
      const taskId = await scene.submit(supervisor, { dependsOn: [head.taskId] });
      const task = await scene.look(taskId);
      expect(task.status).toBe("failed");
      expect(task.error).toMatch(/DEPENDENCY_FAILED/);
      expect(await scene.results(supervisor, taskId)).toHaveLength(1);
    });

    it("a diamond runs its end once", async () => {
      const { scene, supervisor, worker } = await begin(4);
      const top = await scene.assign(supervisor);
      const sides = [
        await scene.submit(supervisor, { dependsOn: [top.taskId] }),
        await scene.submit(supervisor, { dependsOn: [top.taskId] }),
      ];
      const bottom = await scene.submit(supervisor, { dependsOn: sides });
      await scene.complete(top);
      const held = await Promise.all(sides.map((taskId) => scene.held(taskId)));
      await Promise.all(held.map((side) => scene.complete(side)));
      expect(await scene.look(bottom)).toMatchObject({ status: "assigned", attempt: 1 });
      expect(await scene.assignments(bottom)).toHaveLength(1);
      expect((await scene.store.getAgent(worker)).activeTasks).toBe(1);
    });

    it("with more than 100 dependents: the call settles at most 100 and hands those out, the sweep the rest", async () => {
      const { scene, supervisor, worker } = await begin(200);
      const head = await scene.assign(supervisor);
      const dependents: string[] = [];
      for (let i = 0; i < 130; i++) dependents.push(await scene.submit(supervisor, { dependsOn: [head.taskId] }));
      await scene.complete(head);
      const after = await statuses(scene, dependents);
      expect(after.filter((status) => status === "blocked").length).toBeGreaterThanOrEqual(30);
      expect(after.filter((status) => status === "assigned").length).toBeLessThanOrEqual(100);
      expect(after.filter((status) => status === "assigned").length).toBeGreaterThan(0);
      const report = await scene.store.sweep();
      expect(report.tasksUnblocked).toBeGreaterThanOrEqual(30);
      expect(new Set(await statuses(scene, dependents))).toEqual(new Set(["assigned"]));
      expect((await scene.store.getAgent(worker)).activeTasks).toBe(130);
    });

    it("with more than 100 dependents that fall: the sweep finishes what the call left", async () => {
      const { scene, supervisor } = await begin(1);
      const head = await scene.assign(supervisor);
      const dependents: string[] = [];
      for (let i = 0; i < 120; i++) dependents.push(await scene.submit(supervisor, { dependsOn: [head.taskId] }));
      const grandchild = await scene.submit(supervisor, { dependsOn: [dependents[119] ?? "", dependents[0] ?? ""] });
      await scene.fail(head, { retryable: false });
      const after = await statuses(scene, dependents);
      expect(after.filter((status) => status === "failed").length).toBeLessThanOrEqual(100);
      await scene.store.sweep();
      expect(new Set(await statuses(scene, [...dependents, grandchild]))).toEqual(new Set(["failed"]));
      expect(await scene.results(supervisor, grandchild)).toHaveLength(1);
    });

    it("that fall beyond the budget of 100 in a second generation are finished by the sweep, each once", async () => {
      const { scene, supervisor } = await begin(1);
      const head = await scene.assign(supervisor);
      const children: string[] = [];
      for (let i = 0; i < 60; i++) children.push(await scene.submit(supervisor, { dependsOn: [head.taskId] }));
      const grandchildren: string[] = [];
      // The first child has more than the budget has left; the second one's are met when nothing is left of it.
      for (let i = 0; i < 65; i++) {
        const parent = children[i < 60 ? 0 : 1] ?? "";
        grandchildren.push(await scene.submit(supervisor, { dependsOn: [parent] }));
      }
      const last = await scene.submit(supervisor, { dependsOn: [grandchildren[64] ?? ""] });
      await scene.fail(head, { retryable: false });
      const after = await statuses(scene, [...children, ...grandchildren, last]);
      expect(after.filter((status) => status === "failed").length).toBeLessThanOrEqual(100);
      await scene.store.sweep();
      const all = [...children, ...grandchildren, last];
      expect(new Set(await statuses(scene, all))).toEqual(new Set(["failed"]));
      const told = (await scene.waiting(supervisor, "task_result")).map((message) => payloadField(message, "taskId"));
      expect(told.sort()).toEqual([head.taskId, ...all].sort());
    });

    it("that fail by their deadline fail their dependents, down the chain, within the same sweep", async () => {
      const { scene, supervisor } = await begin(1);
      const head = await scene.assign(supervisor, { timeoutSeconds: 60, maxRetries: 0 });
      const child = await scene.submit(supervisor, { dependsOn: [head.taskId] });
      const grandchild = await scene.submit(supervisor, { dependsOn: [child] });
      await scene.pass(61 * SECOND);
      expect(await statuses(scene, [head.taskId, child, grandchild])).toEqual(["failed", "failed", "failed"]);
      for (const taskId of [child, grandchild]) {
        expect((await scene.look(taskId)).error).toMatch(/DEPENDENCY_FAILED/);
        expect(await scene.results(supervisor, taskId)).toHaveLength(1);
      }
    });

    it("let a task take its place when they have completed, not when it was created", async () => {
      const { scene, supervisor } = await begin(1);
      const head = await scene.assign(supervisor);
      const dependent = await scene.submit(supervisor, { dependsOn: [head.taskId] });
      scene.advance(10 * SECOND);
      const waiting = await scene.submit(supervisor);
      scene.advance(10 * SECOND);
      const before = scene.store.now();
      await scene.complete(head);
      expect(await statuses(scene, [waiting, dependent])).toEqual(["assigned", "pending"]);
      expect(at((await scene.look(dependent)).availableAt)).toBeGreaterThanOrEqual(before);
    });

    it("are needed by the worker that has the dependent in hand, and at no other time", async () => {
      const { scene, supervisor, worker } = await begin(2);
      const other = await scene.worker(2);
      const is = (agentId: string, taskId: string) => scene.store.relationToTask(agentId, taskId);
      const submit = (assignTo: string, dependsOn: string[]) => scene.submit(supervisor, { assignTo, dependsOn });
      const first = await scene.assign(supervisor, { assignTo: other });
      const second = await submit(worker, [first.taskId]);
      const third = await submit(worker, [first.taskId, second]);
      expect(await is(worker, first.taskId)).toBeUndefined();
      await scene.complete(first);
      const held = await scene.held(second);
      expect(await is(worker, first.taskId)).toBe("needed_by");
      expect(await is(other, first.taskId)).toBe("assigned_to");
      for (const taskId of [second, third, scene.id("nothing")]) expect(await is(other, taskId)).toBeUndefined();
      expect(await is(scene.id("nobody"), first.taskId)).toBeUndefined();
      await scene.start(held);
      expect(await is(worker, first.taskId)).toBe("needed_by");
      // A retry waits, in nobody's hands.
      await scene.fail(held);
      expect(await is(worker, first.taskId)).toBeUndefined();
      expect(await is(worker, second)).toBeUndefined();
      await scene.pass(DAY);
      await scene.store.sweep();
      await scene.complete(await scene.held(second));
      await scene.complete(await scene.held(third));
      expect(await is(worker, first.taskId)).toBeUndefined();
      expect(await is(worker, third)).toBe("assigned_to");
    });

    it("are their supervisor's and their worker's, and needed, from the archive, too", async () => {
      await withStore(open, { taskRetentionDays: 1 }, async (scene) => {
        const supervisor = await scene.supervisor();
        const [worker, other] = [await scene.worker(2), await scene.worker(2)];
        const done = await scene.assign(supervisor, { assignTo: other });
        await scene.complete(done, { large: "x".repeat(10_000) });
        scene.advance(2 * DAY);
        await scene.store.maintain();
        expect((await scene.store.getTask(done.taskId)).archived).toBe(true);
        const is = (agentId: string) => scene.store.relationToTask(agentId, done.taskId);
        expect([await is(supervisor), await is(other), await is(worker)]).toEqual([
          "assigned_by",
          "assigned_to",
          undefined,
        ]);
        await scene.submit(supervisor, { assignTo: worker, dependsOn: [done.taskId] });
        expect(await is(worker)).toBe("needed_by");
      });
    });

    it("in the archive count as they ended", async () => {
      await withStore(open, { taskRetentionDays: 1 }, async (scene) => {
        const supervisor = await scene.supervisor();
        await scene.worker(2);
        const [done, failed] = [await scene.assign(supervisor), await scene.assign(supervisor)];
        await scene.complete(done);
        await scene.fail(failed, { retryable: false });
        scene.advance(2 * DAY);
        await scene.store.maintain();
        expect((await scene.look(done.taskId)).archived).toBe(true);
        const fine = await scene.submit(supervisor, { dependsOn: [done.taskId] });
        expect((await scene.look(fine)).status).toBe("assigned");
        const doomed = await scene.submit(supervisor, { dependsOn: [done.taskId, failed.taskId] });
        expect((await scene.look(doomed)).status).toBe("failed");
      });
    });
  });
}
