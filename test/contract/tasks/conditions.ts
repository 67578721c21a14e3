import { describe, expect, it } from "@jest/globals";
import type { DependencyCondition } from "../../../src/lib/model/dependency.ts";
import { type StoreFactory, useStore } from "../store-under-test.ts";
import { only, type Scene } from "../support.ts";

type End = "completed" | "failed" | "cancelled";

/** dependsOn with conditions: waiting for an end or a failure, and what is not needed then (section 13). */
export function conditionsContract(open: StoreFactory): void {
  describe("conditions of dependencies", () => {
    const stage = useStore(open);

    async function begin(capacity = 20) {
      const scene = stage.scene();
      return { scene, supervisor: await scene.supervisor(), worker: await scene.worker(capacity) };
    }

    async function endAs(scene: Scene, taskId: string, end: End): Promise<void> {
      if (end === "cancelled") await scene.store.cancelTask(taskId, undefined);
      else if (end === "failed") await scene.fail(await scene.held(taskId), { retryable: false });
      else await scene.complete(await scene.held(taskId));
    }

    it.each<[DependencyCondition, End, string, string | undefined]>([
      ["completed", "completed", "assigned", undefined],
      ["completed", "failed", "failed", "DEPENDENCY_FAILED"],
      ["completed", "cancelled", "failed", "DEPENDENCY_FAILED"],
      ["ended", "completed", "assigned", undefined],
      ["ended", "failed", "assigned", undefined],
      ["ended", "cancelled", "assigned", undefined],
      ["failed", "completed", "cancelled", "NOT_NEEDED"],
      ["failed", "failed", "assigned", undefined],
      ["failed", "cancelled", "assigned", undefined],
    ])("a task after one that is to be %s, which ends %s, is %s", async (when, end, status, error) => {
      const { scene, supervisor } = await begin();
      const head = await scene.submit(supervisor);
      const before = await scene.submit(supervisor, { dependsOn: [{ taskId: head, when }] });
      expect(await scene.look(before)).toMatchObject({
        status: "blocked",
        dependsOn: [when === "completed" ? head : { taskId: head, when }],
      });
      await endAs(scene, head, end);
      const after = await scene.submit(supervisor, { dependsOn: [{ taskId: head, when }] });
      for (const taskId of [before, after]) {
        const task = await scene.look(taskId);
        expect([task.status, task.error]).toEqual([status, error]);
      }
    });

    it("what is not needed is told to nobody, is counted apart and is no failure", async () => {
      const { scene, supervisor } = await begin();
      const before = await scene.store.coordinationStatistics();
      const head = await scene.submit(supervisor);
      const rescue = await scene.submit(supervisor, { dependsOn: [{ taskId: head, when: "failed" }] });
      await endAs(scene, head, "completed");
      expect(await scene.look(rescue)).toMatchObject({ status: "cancelled", error: "NOT_NEEDED", attempt: 0 });
      expect(await scene.results(supervisor, rescue)).toEqual([]);
      const { metrics } = await scene.store.coordinationStatistics();
      expect(metrics.tasksNotNeeded - before.metrics.tasksNotNeeded).toBe(1);
      expect(metrics.tasksFailed - before.metrics.tasksFailed).toBe(0);
      const { items } = await scene.store.getTaskHistory(rescue, { limit: 10 });
      expect(items.map(({ event, detail }) => [event, detail])).toEqual([
        ["cancelled", `NOT_NEEDED: ${head} ended otherwise`],
        ["created", undefined],
      ]);
    });

    it("what waits for something that is not needed is not needed, but where its end was waited for", async () => {
      const { scene, supervisor } = await begin();
      const head = await scene.submit(supervisor);
      const rescue = await scene.submit(supervisor, { dependsOn: [{ taskId: head, when: "failed" }] });
      const next = await scene.submit(supervisor, { dependsOn: [rescue] });
      const rescueOfRescue = await scene.submit(supervisor, { dependsOn: [{ taskId: rescue, when: "failed" }] });
      const last = await scene.submit(supervisor, {
        dependsOn: [
          { taskId: next, when: "ended" },
          { taskId: rescueOfRescue, when: "ended" },
        ],
      });
      await endAs(scene, head, "completed");
      for (const taskId of [rescue, next, rescueOfRescue]) {
        expect(await scene.look(taskId)).toMatchObject({ status: "cancelled", error: "NOT_NEEDED" });
      }
      expect(await scene.look(last)).toMatchObject({ status: "assigned" });
      // The same of tasks that come afterwards.
      const late = await scene.submit(supervisor, { dependsOn: [rescue] });
      expect(await scene.look(late)).toMatchObject({ status: "cancelled", error: "NOT_NEEDED" });
      const lateEnd = await scene.submit(supervisor, { dependsOn: [{ taskId: rescue, when: "ended" }] });
      expect(await scene.look(lateEnd)).toMatchObject({ status: "assigned" });
    });

    it("a chain of compensations runs from the failure back", async () => {
      const { scene, supervisor } = await begin();
      const book = await scene.submit(supervisor);
      const pay = await scene.submit(supervisor, { dependsOn: [book] });
      const refund = await scene.submit(supervisor, { dependsOn: [{ taskId: pay, when: "failed" }] });
      const unbook = await scene.submit(supervisor, { dependsOn: [book, { taskId: refund, when: "completed" }] });
      await endAs(scene, book, "completed");
      await endAs(scene, pay, "failed");
      expect((await scene.look(refund)).status).toBe("assigned");
      await endAs(scene, refund, "completed");
      expect((await scene.look(unbook)).status).toBe("assigned");
    });

    it("a task that waits for a failure, too, is not needed when something that it needs fails", async () => {
      const { scene, supervisor } = await begin();
      const [book, pay] = [await scene.submit(supervisor), await scene.submit(supervisor)];
      const unbook = await scene.submit(supervisor, { dependsOn: [book, { taskId: pay, when: "failed" }] });
      await endAs(scene, book, "failed");
      expect(await scene.look(unbook)).toMatchObject({ status: "cancelled", error: "NOT_NEEDED" });
      await endAs(scene, pay, "failed");
      expect((await scene.look(unbook)).status).toBe("cancelled");
    });

    it("of two reasons at once, failure goes before what is not needed", async () => {
      const { scene, supervisor } = await begin();
      const head = await scene.submit(supervisor);
      const plain = await scene.submit(supervisor, { dependsOn: [head, { taskId: head, when: "completed" }] });
      const other = await scene.submit(supervisor);
      const unneeded = await scene.submit(supervisor, { dependsOn: [head, { taskId: other, when: "ended" }] });
      const both = await scene.submit(supervisor, { dependsOn: [unneeded, plain] });
      await endAs(scene, head, "failed");
      expect((await scene.look(unneeded)).error).toBe("NOT_NEEDED");
      expect((await scene.look(plain)).error).toBe("DEPENDENCY_FAILED");
      expect(await scene.look(both)).toMatchObject({ status: "failed", error: "DEPENDENCY_FAILED" });
      const late = await scene.submit(supervisor, { dependsOn: [unneeded, plain] });
      expect(await scene.look(late)).toMatchObject({ status: "failed", error: "DEPENDENCY_FAILED" });
    });

    it("a gate asks when what it waits for has failed", async () => {
      const { scene, supervisor } = await begin();
      const head = await scene.submit(supervisor);
      const gate = await scene.submit(supervisor, {
        dependsOn: [{ taskId: head, when: "failed" }],
        requiredCapabilities: [],
        question: { text: "Go on?" },
      });
      await endAs(scene, head, "failed");
      expect((await scene.look(gate)).status).toBe("input_required");
    });

    it("more dependents than one call tells are told by the sweep, each by its condition", async () => {
      const { scene, supervisor } = await begin(400);
      const head = await scene.submit(supervisor);
      const conditions: DependencyCondition[] = ["completed", "ended", "failed"];
      const tasks: { taskId: string; when: DependencyCondition }[] = [];
      for (let n = 0; n < 150; n++) {
        const when = only(conditions.slice(n % 3, (n % 3) + 1));
        tasks.push({ taskId: await scene.submit(supervisor, { dependsOn: [{ taskId: head, when }] }), when });
      }
      await endAs(scene, head, "completed");
      await scene.store.sweep();
      const statuses = await Promise.all(tasks.map(async ({ taskId }) => (await scene.look(taskId)).status));
      expect(statuses).toEqual(tasks.map(({ when }) => (when === "failed" ? "cancelled" : "assigned")));
    });

    it("a cancelled task hands out what waits for its end", async () => {
      const { scene, supervisor } = await begin(1);
      const waiting = await scene.submit(supervisor, { requiredCapabilities: ["nobody-has-it"] });
      const after = await scene.submit(supervisor, { dependsOn: [{ taskId: waiting, when: "ended" }] });
      await endAs(scene, waiting, "cancelled");
      expect((await scene.look(after)).status).toBe("assigned");
    });
  });
}
