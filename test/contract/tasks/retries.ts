import { describe, expect, it } from "@jest/globals";
import type { DependencyInput } from "../../../src/lib/model/dependency.ts";
import { DEPENDENTS_PER_CALL } from "../../../src/lib/model/limits.ts";
import { divide } from "../new-children.ts";
import { type StoreFactory, useStore } from "../store-under-test.ts";
import { at, caught, DAY, MINUTE, only, payloadField, type Scene, SECOND } from "../support.ts";

type Condition = "completed" | "ended" | "failed";

/** Retry of what has ended: a failed or cancelled task is open again, and so is what ended because of it (section 12). */
export function retriesContract(open: StoreFactory): void {
  describe("retries", () => {
    const stage = useStore(open);

    async function begin(capacity = 20) {
      const scene = stage.scene();
      const supervisor = await scene.supervisor();
      const worker = await scene.worker(capacity);
      const dependent = (taskId: string, when: Condition = "completed", more: DependencyInput[] = []) =>
        scene.submit(supervisor, { dependsOn: [{ taskId, when }, ...more] });
      const failed = async (options = {}) => {
        const taskId = await scene.submit(supervisor, options);
        await fail(scene, taskId);
        return taskId;
      };
      return { scene, supervisor, worker, dependent, failed };
    }

    async function fail(scene: Scene, taskId: string): Promise<void> {
      await scene.fail(await scene.held(taskId), { retryable: false });
    }

    async function states(scene: Scene, ...taskIds: string[]): Promise<string[]> {
      const tasks = await Promise.all(taskIds.map((taskId) => scene.look(taskId)));
      return tasks.map(({ status, error }) => error ?? status);
    }

    it("re-open a failed task: its retries are whole again, its attempts go on, and it ends once more", async () => {
      const { scene, supervisor, worker } = await begin();
      const before = (await scene.store.coordinationStatistics()).metrics;
      const taskId = await scene.submit(supervisor, { maxRetries: 0 });
      await scene.progress(await scene.held(taskId), { percent: 40, note: "half" });
      await scene.fail(await scene.held(taskId));
      const ended = await scene.look(taskId);
      expect(ended).toMatchObject({ status: "failed", error: "broken", retriesUsed: 0, attempt: 1 });
      expect(await scene.store.retryTask(taskId, "fixed it")).toEqual({
        taskId,
        status: "pending",
        cancelRequested: false,
      });
      const again = await scene.look(taskId);
      expect(again).toMatchObject({ status: "assigned", attempt: 2, retriesUsed: 0 });
      expect([again.error, again.endedAt, again.percent]).toEqual([undefined, undefined, undefined]);
      expect(again.version).toBeGreaterThan(ended.version);
      const { metrics } = await scene.store.coordinationStatistics();
      expect(metrics.tasksFailed - before.tasksFailed).toBe(0);
      // The attempt was one all the same, and so it stays in what its agent has done.
      expect(metrics.attemptsFailed - before.attemptsFailed).toBe(1);
      expect(metrics.attemptsLost - before.attemptsLost).toBe(0);
      expect(metrics.tasksAssigned - before.tasksAssigned).toBe(1);
      expect((await scene.store.getAgent(worker)).performance).toMatchObject({ completed: 0, failed: 1, lost: 0 });
      await scene.complete(await scene.held(taskId), { fine: true });
      expect((await scene.store.getAgent(worker)).performance).toMatchObject({ completed: 1, failed: 1, lost: 0 });
      expect(await scene.look(taskId)).toMatchObject({ status: "completed", result: { fine: true } });
      const told = (await scene.results(supervisor, taskId)).map((message) => payloadField(message, "status"));
      expect(told).toEqual(["failed", "completed"]);
      const { items } = await scene.store.getTaskHistory(taskId, { limit: 3 });
      expect(items.map(({ event, detail, attempt }) => [event, detail, attempt])).toEqual([
        ["completed", undefined, 2],
        ["assigned", undefined, 2],
        ["reopened", "fixed it", 1],
      ]);
    });

    it("re-open a cancelled task without its cancel request; while it is open a repeat changes nothing", async () => {
      const { scene, supervisor } = await begin();
      const held = await scene.assign(supervisor);
      await scene.start(held);
      await scene.store.cancelTask(held.taskId, "stop");
      await scene.fail(held);
      expect(await scene.look(held.taskId)).toMatchObject({ status: "cancelled", error: "stop" });
      await scene.store.retryTask(held.taskId, undefined);
      const { version } = await scene.look(held.taskId);
      const reply = await scene.store.retryTask(held.taskId, undefined);
      expect(reply).toMatchObject({ taskId: held.taskId, status: "assigned", cancelRequested: false });
      expect(at(reply.deadline)).toBeGreaterThan(0);
      expect((await scene.look(held.taskId)).version).toBe(version);
      expect(await scene.look(held.taskId)).toMatchObject({ cancelRequested: false, attempt: 2 });
    });

    it("bring back what ended because of it, and because of that", async () => {
      const { scene, supervisor, dependent } = await begin();
      const before = (await scene.store.coordinationStatistics()).metrics;
      const head = await scene.submit(supervisor);
      const next = await dependent(head);
      const last = await dependent(next);
      const rescue = await dependent(last, "failed", [{ taskId: head, when: "completed" }]);
      const behind = await dependent(rescue);
      await fail(scene, head);
      expect(await states(scene, next, last, rescue, behind)).toEqual([
        "DEPENDENCY_FAILED",
        "DEPENDENCY_FAILED",
        "NOT_NEEDED",
        "NOT_NEEDED",
      ]);
      await scene.store.retryTask(head, undefined);
      expect(await states(scene, head, next, last, rescue, behind)).toEqual([
        "assigned",
        "blocked",
        "blocked",
        "blocked",
        "blocked",
      ]);
      const { metrics } = await scene.store.coordinationStatistics();
      expect(metrics.tasksFailed - before.tasksFailed).toBe(0);
      expect(metrics.tasksNotNeeded - before.tasksNotNeeded).toBe(0);
      expect(only((await scene.store.getTaskHistory(next, { limit: 1 })).items)).toMatchObject({
        event: "reopened",
        detail: head,
      });
      for (const taskId of [head, next, last]) await scene.complete(await scene.held(taskId));
      expect(await states(scene, rescue, behind)).toEqual(["NOT_NEEDED", "NOT_NEEDED"]);
    });

    it("of one of two failed tasks leave what waits for both ended, until the other is retried", async () => {
      const { scene, supervisor, dependent } = await begin();
      const [a, b] = [await scene.submit(supervisor), await scene.submit(supervisor)];
      const both = await dependent(a, "completed", [b]);
      await fail(scene, a);
      await fail(scene, b);
      await scene.store.retryTask(a, undefined);
      expect(await states(scene, both)).toEqual(["DEPENDENCY_FAILED"]);
      await scene.complete(await scene.held(a));
      await scene.store.retryTask(b, undefined);
      expect(await states(scene, both)).toEqual(["blocked"]);
      await scene.complete(await scene.held(b));
      expect(await states(scene, both)).toEqual(["assigned"]);
    });

    it("leave what went on after its end, and block what still waits or has not begun", async () => {
      const { scene, supervisor, dependent } = await begin(3);
      const head = await scene.submit(supervisor);
      const other = await scene.submit(supervisor);
      const filler = await scene.submit(supervisor);
      const cleanup = await dependent(head, "ended");
      const waits = await dependent(head, "ended", [other]);
      await fail(scene, head);
      const rescue = await dependent(head, "failed");
      expect(await states(scene, cleanup, waits, rescue)).toEqual(["assigned", "blocked", "pending"]);
      await scene.store.retryTask(head, undefined);
      expect(await states(scene, head, cleanup, waits, rescue)).toEqual(["pending", "assigned", "blocked", "blocked"]);
      await scene.complete(await scene.held(other));
      expect(await states(scene, head, waits)).toEqual(["assigned", "blocked"]);
      await scene.complete(await scene.held(filler));
      await scene.complete(await scene.held(head));
      expect(await states(scene, waits, rescue)).toEqual(["assigned", "NOT_NEEDED"]);
    });

    it("put back what had gone on by a failure, behind all that is open again: by this retry, and by one before", async () => {
      const { scene, supervisor } = await begin();
      const first = await scene.submit(supervisor);
      const second = await scene.submit(supervisor);
      // Needs both, and is not needed once the second has failed.
      const third = await scene.submit(supervisor, {
        dependsOn: [
          { taskId: first, when: "failed" },
          { taskId: second, when: "completed" },
        ],
      });
      const undo = await scene.submit(supervisor, {
        requiredCapabilities: [scene.fresh("none")],
        dependsOn: [
          { taskId: third, when: "ended" },
          { taskId: first, when: "failed" },
        ],
      });
      await fail(scene, second);
      await fail(scene, first);
      expect(await states(scene, third, undo)).toEqual([
        expect.stringMatching(/^DEPENDENCY_FAILED|^NOT_NEEDED/),
        "pending",
      ]);
      await scene.store.retryTask(second, undefined);
      // It has gone on after the end of the third.
      expect(await states(scene, second, third, undo)).toEqual(["assigned", "blocked", "pending"]);
      await scene.store.retryTask(first, undefined);
      expect(await states(scene, first, third, undo)).toEqual(["assigned", "blocked", "blocked"]);
      await fail(scene, first);
      expect(await states(scene, third, undo)).toEqual(["blocked", "blocked"]);
      await scene.complete(await scene.held(second));
      await scene.complete(await scene.held(third));
      expect(await states(scene, third, undo)).toEqual(["completed", "pending"]);
    });

    it("are refused where something has gone on because of the failure", async () => {
      const { scene, supervisor, dependent, failed } = await begin();
      const head = await scene.submit(supervisor);
      const rescue = await dependent(head, "failed");
      await fail(scene, head);
      const error = await scene.store.retryTask(head, undefined).catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ code: "TASK_ENDED", message: expect.stringContaining(rescue) });
      const second = await failed();
      const gate = await scene.submit(supervisor, {
        requiredCapabilities: [],
        question: { text: "What now?" },
        dependsOn: [{ taskId: second, when: "failed" }],
      });
      expect(await states(scene, gate)).toEqual(["input_required"]);
      expect(await caught(scene.store.retryTask(second, undefined))).toBe("TASK_ENDED");
      // Of what would follow, too.
      const third = await scene.submit(supervisor);
      const middle = await dependent(third);
      await dependent(middle, "failed");
      await fail(scene, third);
      expect(await caught(scene.store.retryTask(third, undefined))).toBe("TASK_ENDED");
    });

    it("are refused of what completed, waits for a failed task, has expired, is archived or was never there", async () => {
      const { scene, supervisor, dependent, failed } = await begin();
      const done = await scene.assign(supervisor);
      await scene.complete(done);
      expect(await caught(scene.store.retryTask(done.taskId, undefined))).toBe("TASK_ENDED");
      const head = await failed();
      const next = await dependent(head);
      const refused = await scene.store.retryTask(next, undefined).catch((thrown: unknown) => thrown);
      expect(refused).toMatchObject({ code: "TASK_ENDED", message: expect.stringContaining(head) });
      const expiresAt = new Date(scene.store.now() + MINUTE).toISOString();
      const short = await failed({ expiresAt });
      await scene.pass(2 * MINUTE);
      expect(await caught(scene.store.retryTask(short, undefined))).toBe("TASK_ENDED");
      expect(await caught(scene.store.retryTask(scene.fresh("t"), undefined))).toBe("TASK_NOT_FOUND");
      await scene.pass(400 * DAY);
      await scene.store.maintain();
      expect(await caught(scene.store.retryTask(short, undefined))).toBe("TASK_ENDED");
    });

    it("let gates ask anew, with a question of another id", async () => {
      const { scene, supervisor, dependent } = await begin();
      const gate = await scene.submit(supervisor, { requiredCapabilities: [], question: { text: "Go?" } });
      const next = await dependent(gate);
      const first = await scene.openQuestion(gate);
      await scene.answer(gate, first, supervisor, "reject", true);
      expect(await states(scene, gate, next)).toEqual(["REJECTED", "DEPENDENCY_FAILED"]);
      expect(await scene.store.retryTask(gate, undefined)).toMatchObject({ status: "input_required" });
      const second = await scene.openQuestion(gate);
      expect(second).not.toBe(first);
      expect(only(await scene.waiting(supervisor, "task_question")).payload).toMatchObject({ questionId: second });
      expect(await caught(scene.answer(gate, first, supervisor, "yes"))).toBe("NOT_FOUND");
      await scene.answer(gate, second, supervisor, "yes");
      expect(await states(scene, gate, next)).toEqual(["completed", "assigned"]);
    });

    it("let a gate that waits again ask once it has waited", async () => {
      const { scene, supervisor, failed } = await begin();
      const head = await failed();
      const gate = await scene.submit(supervisor, {
        requiredCapabilities: [],
        question: { text: "Go?", timeoutSeconds: 60 },
        dependsOn: [head],
      });
      await scene.store.retryTask(head, undefined);
      expect(await states(scene, gate)).toEqual(["blocked"]);
      await scene.complete(await scene.held(head));
      expect(await states(scene, gate)).toEqual(["input_required"]);
      await scene.pass(MINUTE + SECOND);
      expect(await states(scene, gate)).toEqual(["QUESTION_TIMEOUT"]);
      await scene.store.retryTask(gate, undefined);
      await scene.answer(gate, await scene.openQuestion(gate), supervisor, "yes");
      expect(await states(scene, gate)).toEqual(["completed"]);
    });

    it("go on from the checkpoint of a task that was cancelled while it asked", async () => {
      const { scene, supervisor, worker } = await begin();
      const held = await scene.assign(supervisor);
      await scene.ask(held, { text: "Which?" }, { step: 3 });
      await scene.store.cancelTask(held.taskId, undefined);
      await scene.receive(worker, { types: ["task_assignment"] });
      await scene.store.retryTask(held.taskId, undefined);
      const message = only(await scene.receive(worker, { types: ["task_assignment"] }));
      expect(message.payload).toMatchObject({ attempt: 2, resume: { reason: "time", checkpoint: { step: 3 } } });
    });

    it("of a task that asked, and waits anew for a task that is retried as well, go on as they would have: children never were", async () => {
      const { scene, worker, dependent, failed } = await begin();
      const head = await failed();
      const taskId = await dependent(head, "ended");
      await scene.ask(await scene.held(taskId), { text: "Which?" }, { step: 3 });
      await scene.store.cancelTask(taskId, undefined);
      await scene.store.retryTask(head, undefined);
      await scene.store.retryTask(taskId, undefined);
      expect(await states(scene, taskId)).toEqual(["blocked"]);
      await scene.complete(await scene.held(head));
      const messages = await scene.receive(worker, { types: ["task_assignment"] });
      const message = only(messages.filter(({ payload }) => Object(payload).taskId === taskId).slice(-1));
      expect(message.payload).toMatchObject({ attempt: 2, resume: { reason: "time", checkpoint: { step: 3 } } });
      expect(Object(message.payload).resume).not.toHaveProperty("children");
    });

    it("leave what has gone on after its end, and waits for its own children", async () => {
      const { scene, supervisor, failed } = await begin();
      const first = await failed();
      const options = { dependsOn: [{ taskId: first, when: "ended" as const }], children: { taskTypes: ["part"] } };
      const second = await scene.submit(supervisor, options);
      const { taskIds = [] } = await divide(scene, await scene.held(second), [{ taskType: "part" }]);
      await scene.store.retryTask(first, undefined);
      await scene.complete(await scene.held(only(taskIds)));
      expect(await states(scene, first, second)).toEqual(["assigned", "assigned"]);
      await scene.store.sweep();
      await scene.complete(await scene.held(second));
    });

    it("of a task with more dependents than one call looks at are finished by the sweep", async () => {
      const { scene, supervisor, dependent } = await begin(1);
      const head = await scene.submit(supervisor);
      const many = DEPENDENTS_PER_CALL + 30;
      const dependents = await Promise.all(Array.from({ length: many }, () => dependent(head)));
      const last = await dependent(only(dependents.slice(-1)));
      await fail(scene, head);
      await scene.store.sweep();
      await scene.store.retryTask(head, undefined);
      const blocked = async () => (await states(scene, ...dependents)).filter((state) => state === "blocked").length;
      expect(await blocked()).toBe(DEPENDENTS_PER_CALL);
      await scene.store.sweep();
      expect([await blocked(), ...(await states(scene, last))]).toEqual([many, "blocked"]);
    });

    it("that are finished after the task has ended again follow that end", async () => {
      const { scene, supervisor, dependent } = await begin(2);
      for (const end of ["completed", "failed"] as const) {
        const head = await scene.submit(supervisor);
        const dependents = await Promise.all(Array.from({ length: DEPENDENTS_PER_CALL + 5 }, () => dependent(head)));
        await fail(scene, head);
        await scene.store.sweep();
        await scene.store.retryTask(head, undefined);
        if (end === "completed") await scene.complete(await scene.held(head));
        else await fail(scene, head);
        await scene.store.sweep();
        await scene.store.sweep();
        const found = new Set(await states(scene, ...dependents));
        if (end === "completed") expect([...found].sort()).toEqual(["assigned", "pending"]);
        else expect([...found]).toEqual(["DEPENDENCY_FAILED"]);
        for (const taskId of dependents) await scene.store.cancelTask(taskId, undefined).catch(() => undefined);
      }
    });

    it("say in the audit who asked for them", async () => {
      const { scene, dependent, failed } = await begin();
      const head = await failed();
      const next = await dependent(head);
      await scene.store.retryTask(head, "secret reason");
      const { items } = await scene.store.listAudit({ action: "task.reopened", limit: 10 });
      const about = items.filter(({ subjectId }) => subjectId === head || subjectId === next);
      expect(about.map(({ subjectId, detail }) => [subjectId, detail])).toEqual(
        expect.arrayContaining([
          [head, { attempt: 1 }],
          [next, { attempt: 0 }],
        ]),
      );
      expect(JSON.stringify(about)).not.toContain("secret reason");
    });
  });
}
