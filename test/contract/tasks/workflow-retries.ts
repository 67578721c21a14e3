import { describe, expect, it } from "@jest/globals";
import { newWorkflow, type WorkflowOptions, type WorkflowTasks } from "../new-workflow.ts";
import { type StoreFactory, useStore } from "../store-under-test.ts";
import { caught, only, payloadField } from "../support.ts";

/** Retry of workflows: all that failed, and what ended because of it (section 13). */
export function workflowRetriesContract(open: StoreFactory): void {
  describe("retries of workflows", () => {
    const stage = useStore(open);

    async function begin(tasks: WorkflowTasks, options: WorkflowOptions = {}, capacity = 20) {
      const scene = stage.scene();
      const supervisor = await scene.supervisor();
      await scene.worker(capacity);
      const { workflowId } = await scene.store.createWorkflow(newWorkflow(scene, supervisor, tasks, options));
      const look = () => scene.store.getWorkflow(workflowId);
      const idOf = async (ref: string) => only((await look()).tasks.filter((task) => task.ref === ref)).taskId;
      return {
        scene,
        supervisor,
        workflowId,
        look,
        idOf,
        fail: async (ref: string) => scene.fail(await scene.held(await idOf(ref)), { retryable: false }),
        complete: async (ref: string) => scene.complete(await scene.held(await idOf(ref))),
        retry: (reason?: string) => scene.store.retryWorkflow(workflowId, reason),
        states: async () =>
          Object.fromEntries((await look()).tasks.map(({ ref, status, error }) => [ref, error ?? status])),
        results: async () => (await scene.peek(supervisor)).filter(({ type }) => type === "workflow_result"),
      };
    }

    const CHAIN: WorkflowTasks = [
      { ref: "a", taskType: "x" },
      { ref: "b", taskType: "x", dependsOn: ["a"] },
      { ref: "c", taskType: "x", dependsOn: ["b"] },
      { ref: "gate", taskType: "x", question: { text: "Go?" }, dependsOn: ["b"] },
    ];

    it("re-open what failed and what was stopped; it runs, and tells of its end once more", async () => {
      const { scene, supervisor, fail, complete, retry, look, states, results, idOf } = await begin(CHAIN);
      await complete("a");
      await fail("b");
      const ended = await look();
      expect(ended).toMatchObject({ status: "failed", counts: { completed: 1, failed: 1, stopped: 2 } });
      const again = await retry("fixed");
      expect(again).toMatchObject({ status: "running", counts: { completed: 1, failed: 0, stopped: 0, blocked: 2 } });
      expect(again.endedAt).toBeUndefined();
      expect(again.version).toBeGreaterThan(ended.version);
      expect(await states()).toEqual({ a: "completed", b: "assigned", c: "blocked", gate: "blocked" });
      await complete("b");
      await complete("c");
      const gate = await idOf("gate");
      await scene.answer(gate, await scene.openQuestion(gate), supervisor, "yes");
      expect(await look()).toMatchObject({ status: "completed", counts: { completed: 4 } });
      expect((await results()).map((message) => payloadField(message, "status"))).toEqual(["failed", "completed"]);
    });

    it("re-open a cancelled one wholly", async () => {
      const { scene, workflowId, retry, states, look } = await begin(CHAIN);
      await scene.store.cancelWorkflow(workflowId, "wait");
      expect(await look()).toMatchObject({ status: "cancelled", counts: { cancelled: 4 } });
      await retry();
      expect(await states()).toEqual({ a: "assigned", b: "blocked", c: "blocked", gate: "blocked" });
      expect(await look()).toMatchObject({ status: "running", counts: { cancelled: 0 } });
    });

    it("leave what runs and what completed, while it is running", async () => {
      const { fail, retry, states, look } = await begin(
        [
          { ref: "a", taskType: "x" },
          { ref: "b", taskType: "x" },
          { ref: "after-a", taskType: "x", dependsOn: ["a"] },
        ],
        { onFailure: "continue" },
      );
      await fail("a");
      expect(await states()).toEqual({ a: "broken", b: "assigned", "after-a": "DEPENDENCY_FAILED" });
      const running = await look();
      await retry();
      expect(await states()).toEqual({ a: "assigned", b: "assigned", "after-a": "blocked" });
      const { version } = await look();
      expect(version).toBe(running.version + 2);
      expect(await retry()).toMatchObject({ status: "running", version });
    });

    it("of one of its tasks alone open the workflow again, too", async () => {
      const { scene, fail, complete, idOf, look, states } = await begin(CHAIN.slice(0, 3));
      await fail("a");
      expect(await look()).toMatchObject({ status: "failed" });
      await scene.store.retryTask(await idOf("a"), undefined);
      expect(await look()).toMatchObject({ status: "running", counts: { assigned: 1, blocked: 2, failed: 0 } });
      for (const ref of ["a", "b", "c"]) await complete(ref);
      expect(await states()).toEqual({ a: "completed", b: "completed", c: "completed" });
      expect(await look()).toMatchObject({ status: "completed", counts: { completed: 3, stopped: 0 } });
    });

    it("are refused where nothing failed, where a compensation has begun, and of what is not there", async () => {
      const done = await begin([{ ref: "a", taskType: "x" }]);
      await done.complete("a");
      expect(await caught(done.retry())).toBe("TASK_ENDED");
      const undone = await begin([
        { ref: "a", taskType: "x" },
        { ref: "b", taskType: "x", dependsOn: ["a"] },
        { ref: "undo", taskType: "x", dependsOn: [{ ref: "a", when: "failed" }] },
      ]);
      await undone.fail("a");
      const before = await undone.look();
      expect(await caught(undone.retry())).toBe("TASK_ENDED");
      expect(await undone.look()).toEqual(before);
      expect(await caught(done.scene.store.retryWorkflow(done.scene.fresh("w"), undefined))).toBe("NOT_FOUND");
    });

    it("are in the audit, with how many tasks they re-opened", async () => {
      const { scene, workflowId, fail, retry } = await begin(CHAIN);
      await fail("a");
      await retry();
      const { items } = await scene.store.listAudit({ action: "workflow.retried", limit: 20 });
      const entry = only(items.filter(({ subjectId }) => subjectId === workflowId));
      expect(entry).toMatchObject({ subjectKind: "workflow", detail: { tasks: 4 } });
    });
  });
}
