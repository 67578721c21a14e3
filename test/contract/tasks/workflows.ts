import { describe, expect, it } from "@jest/globals";
import { requestHash } from "../../../src/lib/model/ids.ts";
import type { Workflow } from "../../../src/lib/model/workflow.ts";
import { newWorkflow, type WorkflowOptions as Options, type WorkflowTasks as Tasks } from "../new-workflow.ts";
import { type StoreFactory, useStore } from "../store-under-test.ts";
import { at, caught, DAY, only, payloadField, type Scene, SECOND } from "../support.ts";

/** Workflows: tasks that are created together, depend on each other, and end together (section 13). */
export function workflowsContract(open: StoreFactory): void {
  describe("workflows", () => {
    const stage = useStore(open);

    async function begin(capacity = 20) {
      const scene = stage.scene();
      const supervisor = await scene.supervisor();
      const worker = await scene.worker(capacity);
      const prepare = (tasks: Tasks, options: Options = {}, key?: string) =>
        newWorkflow(scene, supervisor, tasks, options, key);
      const create = async (tasks: Tasks, options: Options = {}) => {
        const { workflowId } = await scene.store.createWorkflow(prepare(tasks, options));
        return new Flow(scene, supervisor, workflowId);
      };
      return { scene, supervisor, worker, prepare, create };
    }

    /** A workflow whose tasks are driven by their refs. */
    class Flow {
      readonly scene: Scene;
      readonly supervisor: string;
      readonly workflowId: string;

      constructor(scene: Scene, supervisor: string, workflowId: string) {
        this.scene = scene;
        this.supervisor = supervisor;
        this.workflowId = workflowId;
      }

      look(): Promise<Workflow> {
        return this.scene.store.getWorkflow(this.workflowId);
      }

      async idOf(ref: string): Promise<string> {
        const { tasks } = await this.look();
        return only(tasks.filter((task) => task.ref === ref)).taskId;
      }

      async complete(...refs: string[]): Promise<void> {
        for (const ref of refs) await this.scene.complete(await this.scene.held(await this.idOf(ref)));
      }

      async fail(ref: string): Promise<void> {
        await this.scene.fail(await this.scene.held(await this.idOf(ref)), { retryable: false });
      }

      async states(): Promise<Record<string, string>> {
        const { tasks } = await this.look();
        return Object.fromEntries(tasks.map(({ ref, status, error }) => [ref, error ?? status]));
      }

      async results() {
        return (await this.scene.peek(this.supervisor)).filter(({ type }) => type === "workflow_result");
      }
    }

    it("creates its tasks, hands out what waits for nothing, and ends with the last of them", async () => {
      const { scene, supervisor, worker, create } = await begin();
      const flow = await create([
        { ref: "join", taskType: "join", dependsOn: ["left", "right"] },
        { ref: "left", taskType: "side" },
        { ref: "right", taskType: "side" },
      ]);
      expect(await flow.look()).toMatchObject({
        workflowId: flow.workflowId,
        supervisor,
        status: "running",
        onFailure: "stop",
        notify: "end",
        version: 1,
        counts: { blocked: 1, assigned: 2, completed: 0 },
        tasks: [
          { ref: "left", taskType: "side", status: "assigned", assignedTo: worker, attempt: 1, dependsOn: [] },
          { ref: "right", status: "assigned" },
          {
            ref: "join",
            status: "blocked",
            attempt: 0,
            dependsOn: [await flow.idOf("left"), await flow.idOf("right")],
          },
        ],
      });
      await flow.complete("left", "right");
      expect(await flow.results()).toEqual([]);
      await flow.complete("join");
      const ended = await flow.look();
      expect(ended).toMatchObject({ status: "completed", version: 4, counts: { completed: 3, assigned: 0 } });
      expect(at(ended.endedAt)).toBeGreaterThanOrEqual(at(ended.createdAt));
      const message = only(await flow.results());
      expect(message).toMatchObject({
        sender: "system",
        payload: {
          workflowId: flow.workflowId,
          status: "completed",
          counts: { completed: 3, failed: 0, cancelled: 0, notNeeded: 0, stopped: 0 },
          version: 4,
        },
      });
      expect((await scene.peek(supervisor)).filter(({ type }) => type === "task_result")).toEqual([]);
    });

    it.each<[NonNullable<Options["notify"]>, number, number]>([
      ["each", 2, 0],
      ["end", 0, 1],
      ["none", 0, 0],
    ])("notify %s: %i results of tasks and %i of the workflow", async (notify, ofTasks, ofWorkflow) => {
      const { scene, supervisor, create } = await begin();
      const flow = await create(
        [
          { ref: "a", taskType: "x" },
          { ref: "b", taskType: "x" },
        ],
        { notify },
      );
      await flow.complete("a", "b");
      const types = (await scene.peek(supervisor)).map(({ type }) => type);
      expect(types.filter((type) => type === "task_result")).toHaveLength(ofTasks);
      expect(types.filter((type) => type === "workflow_result")).toHaveLength(ofWorkflow);
    });

    it("stop: after a failure what nobody was given is cancelled, but for what waits for failures or ends", async () => {
      const { scene, create } = await begin(2);
      const flow = await create([
        { ref: "a", taskType: "x" },
        { ref: "b", taskType: "x" },
        { ref: "waits", taskType: "x" },
        { ref: "after-a", taskType: "x", dependsOn: ["a"] },
        { ref: "after-b", taskType: "x", dependsOn: ["b"] },
        { ref: "gate", taskType: "x", question: { text: "Go?" } },
        { ref: "undo", taskType: "x", dependsOn: [{ ref: "a", when: "failed" }] },
        { ref: "report", taskType: "x", dependsOn: ["undo"] },
        { ref: "always", taskType: "x", dependsOn: [{ ref: "after-b", when: "ended" }] },
      ]);
      await flow.fail("a");
      expect(await flow.states()).toEqual({
        a: expect.any(String),
        b: "assigned",
        waits: "STOPPED",
        "after-a": "STOPPED",
        "after-b": "STOPPED",
        gate: "STOPPED",
        undo: "assigned",
        report: "blocked",
        always: "pending",
      });
      await flow.complete("b");
      expect((await flow.states()).always).toBe("assigned");
      await flow.complete("undo", "always", "report");
      const ended = await flow.look();
      expect(ended).toMatchObject({
        status: "failed",
        counts: { failed: 1, stopped: 4, cancelled: 0, completed: 4, notNeeded: 0 },
      });
      const { items } = await scene.store.getTaskHistory(await flow.idOf("waits"), { limit: 1 });
      expect(only(items)).toMatchObject({ event: "cancelled", detail: `STOPPED: ${await flow.idOf("a")} failed` });
    });

    it("tasks whose time is over at once end once each, though the failure of one stops the others", async () => {
      const { scene, create } = await begin();
      const expiresAt = new Date(scene.store.now() + 60 * SECOND).toISOString();
      const question = { text: "Go on?", timeoutSeconds: 60 };
      const gates = await create([
        { ref: "a", taskType: "gate", question },
        { ref: "b", taskType: "gate", question },
      ]);
      const work = { taskType: "x", requiredCapabilities: [scene.id("nobody")], expiresAt };
      const mortal = await create([
        { ref: "a", ...work },
        { ref: "b", ...work },
      ]);
      await scene.pass(61 * SECOND);
      expect(await gates.states()).toEqual({ a: "QUESTION_TIMEOUT", b: "QUESTION_TIMEOUT" });
      expect(await mortal.states()).toEqual({ a: "EXPIRED", b: "EXPIRED" });
      for (const flow of [gates, mortal]) {
        expect(await flow.look()).toMatchObject({ status: "failed", counts: { failed: 2, stopped: 0 } });
      }
    });

    it("continue: what does not wait for the failed task goes on", async () => {
      const { create } = await begin(1);
      const flow = await create(
        [
          { ref: "a", taskType: "x", priority: "urgent" },
          { ref: "b", taskType: "x" },
          { ref: "after-a", taskType: "x", dependsOn: ["a"] },
        ],
        { onFailure: "continue" },
      );
      await flow.fail("a");
      expect(await flow.states()).toEqual({ a: expect.any(String), b: "assigned", "after-a": "DEPENDENCY_FAILED" });
      await flow.complete("b");
      expect(await flow.look()).toMatchObject({ status: "failed", counts: { failed: 2, completed: 1 } });
    });

    it("what was not needed makes no failure of it", async () => {
      const { create } = await begin();
      const flow = await create([
        { ref: "a", taskType: "x" },
        { ref: "undo", taskType: "x", dependsOn: [{ ref: "a", when: "failed" }] },
        { ref: "after-undo", taskType: "x", dependsOn: ["undo"] },
      ]);
      await flow.complete("a");
      expect(await flow.look()).toMatchObject({
        status: "completed",
        counts: { completed: 1, notNeeded: 2, cancelled: 0 },
      });
      expect(only(await flow.results()).payload).toMatchObject({ counts: { completed: 1, notNeeded: 2 } });
    });

    it("a task that a failure outside ends makes a failure of it", async () => {
      const { scene, supervisor, create } = await begin();
      const outside = await scene.submit(supervisor);
      const flow = await create([
        { ref: "a", taskType: "x", dependsOn: [outside] },
        { ref: "b", taskType: "x", dependsOn: ["a"] },
        { ref: "c", taskType: "x", requiredCapabilities: ["nobody-has-it"] },
      ]);
      await scene.fail(await scene.held(outside), { retryable: false });
      expect(await flow.states()).toEqual({ a: "DEPENDENCY_FAILED", b: "STOPPED", c: "STOPPED" });
      expect((await flow.look()).status).toBe("failed");
      expect(await flow.results()).toHaveLength(1);
    });

    it("of two reasons at once, what stops the workflow goes before what is waited for outside", async () => {
      const { create } = await begin();
      const gate = { taskType: "x", question: { text: "Go?" } };
      const outer = await create([
        { ref: "head", taskType: "x" },
        { ref: "stopped", ...gate },
      ]);
      const [head, stopped] = [await outer.idOf("head"), await outer.idOf("stopped")];
      // The failure of `head` ends `stopped` and `lost` together: both are to end `either`, one by stopping its workflow.
      const inner = await create([
        { ref: "either", dependsOn: [stopped], ...gate },
        { ref: "lost", dependsOn: [head], ...gate },
      ]);
      await outer.fail("head");
      expect(await inner.states()).toEqual({ either: "STOPPED", lost: "DEPENDENCY_FAILED" });
    });

    it("what was lost before it was made ends it at once", async () => {
      const { scene, supervisor, create } = await begin();
      const outside = await scene.assign(supervisor);
      await scene.fail(outside, { retryable: false });
      const tasks: Tasks = [
        { ref: "a", taskType: "x", dependsOn: [outside.taskId] },
        { ref: "b", taskType: "x", dependsOn: ["a"] },
        { ref: "c", taskType: "x", requiredCapabilities: ["nobody-has-it"] },
        { ref: "undo", taskType: "x", dependsOn: [{ ref: "a", when: "failed" }] },
      ];
      const flow = await create(tasks);
      await scene.store.sweep();
      expect(await flow.states()).toEqual({ a: "DEPENDENCY_FAILED", b: "STOPPED", c: "STOPPED", undo: "assigned" });
      const going = await create(tasks, { onFailure: "continue" });
      await scene.store.sweep();
      expect(await going.states()).toEqual({
        a: "DEPENDENCY_FAILED",
        b: "DEPENDENCY_FAILED",
        c: "pending",
        undo: "assigned",
      });
    });

    it("what was lost before it was made stops its other tasks before anybody is given one", async () => {
      const { scene, supervisor, worker, create } = await begin();
      const lost = await scene.assign(supervisor);
      await scene.fail(lost, { retryable: false });
      const flow = await create([
        { ref: "free", taskType: "x" },
        { ref: "behind", taskType: "x", dependsOn: [lost.taskId] },
        { ref: "cleanup", taskType: "x", dependsOn: [{ ref: "behind", when: "ended" }] },
      ]);
      expect(await flow.states()).toEqual({ free: "STOPPED", behind: "DEPENDENCY_FAILED", cleanup: "assigned" });
      const given = await scene.receive(worker, { types: ["task_assignment"] });
      expect(given.map((message) => payloadField(message, "taskId"))).toEqual([await flow.idOf("cleanup")]);
    });

    it("a cancelled task stops it, too, and makes it cancelled", async () => {
      const { scene, create } = await begin(1);
      const flow = await create([
        { ref: "a", taskType: "x" },
        { ref: "b", taskType: "x", dependsOn: ["a"] },
      ]);
      await scene.store.cancelTask(await flow.idOf("a"), "no longer wanted");
      expect(await flow.states()).toEqual({ a: "no longer wanted", b: "STOPPED" });
      expect(await flow.look()).toMatchObject({ status: "cancelled", counts: { cancelled: 1, stopped: 1 } });
    });

    it("cancel ends what is open together; a running task is asked", async () => {
      const { scene, supervisor, create } = await begin(2);
      const flow = await create([
        { ref: "runs", taskType: "x" },
        { ref: "given", taskType: "x" },
        { ref: "waits", taskType: "x" },
        { ref: "after", taskType: "x", dependsOn: ["given", "runs"] },
        { ref: "undo", taskType: "x", dependsOn: [{ ref: "given", when: "failed" }] },
      ]);
      const held = await scene.held(await flow.idOf("runs"));
      await scene.start(held);
      const reply = await scene.store.cancelWorkflow(flow.workflowId, "stop it");
      expect(reply).toMatchObject({ status: "running", counts: { running: 1, cancelled: 4, stopped: 0, failed: 0 } });
      expect(await scene.store.cancelWorkflow(flow.workflowId, "again")).toMatchObject({ status: "running" });
      expect((await scene.look(held.taskId)).cancelRequested).toBe(true);
      await scene.fail(held);
      expect(await flow.look()).toMatchObject({ status: "cancelled", counts: { cancelled: 5, failed: 0 } });
      expect(await flow.results()).toHaveLength(1);
      expect(await scene.store.cancelWorkflow(flow.workflowId, "again")).toMatchObject({ status: "cancelled" });
      expect((await scene.store.getAgent((await scene.held(await scene.submit(supervisor))).agentId)).activeTasks).toBe(
        1,
      );
    });

    it("one that has ended otherwise cannot be cancelled", async () => {
      const { scene, create } = await begin();
      const flow = await create([{ ref: "a", taskType: "x" }]);
      await flow.complete("a");
      expect(await caught(scene.store.cancelWorkflow(flow.workflowId, undefined))).toBe("TASK_ENDED");
      expect(await caught(scene.store.cancelWorkflow(scene.id("none"), undefined))).toBe("NOT_FOUND");
    });

    it("a repeat by its id or key gets the first answer; another request is refused", async () => {
      const { scene, prepare } = await begin();
      const workflow = prepare([{ ref: "a", taskType: "x" }], { workflowId: scene.fresh("w") });
      const first = await scene.store.createWorkflow(workflow);
      expect(first).toMatchObject({ workflowId: workflow.workflowId, status: "running", duplicate: false });
      expect(Object.keys(first.taskIds)).toEqual(["a"]);
      // Made anew, as a caller's second try is: other ids of tasks.
      const again = {
        ...prepare([{ ref: "a", taskType: "x" }]),
        workflowId: workflow.workflowId,
        requestHash: workflow.requestHash,
      };
      expect(await scene.store.createWorkflow(again)).toEqual({ ...first, duplicate: true });
      const other = { ...again, requestHash: requestHash({ other: true }) };
      expect(await caught(scene.store.createWorkflow(other))).toBe("IDEMPOTENCY_MISMATCH");
      const key = requestHash([scene.fresh("key")]);
      const byKey = await scene.store.createWorkflow(prepare([{ ref: "k", taskType: "x" }], {}, key));
      const repeat = await scene.store.createWorkflow(prepare([{ ref: "k", taskType: "x" }], {}, key));
      expect(repeat).toEqual({ ...byKey, duplicate: true });
      const stranger = await scene.supervisor();
      expect(await caught(scene.store.createWorkflow({ ...again, supervisor: stranger }))).toBe("ID_TAKEN");
    });

    it("is created wholly or not at all", async () => {
      const { scene, supervisor, worker, prepare } = await begin();
      const taken = await scene.submit(supervisor);
      const cases: [Tasks, string][] = [
        [
          [
            { ref: "a", taskType: "x" },
            { ref: "b", taskType: "x", dependsOn: [scene.id("none")] },
          ],
          "DEPENDENCY_INVALID",
        ],
        [
          [
            { ref: "a", taskType: "x" },
            { ref: "b", taskType: "x", taskId: taken },
          ],
          "ID_TAKEN",
        ],
        [
          [
            { ref: "a", taskType: "x" },
            { ref: "b", taskType: "x", assignTo: scene.id("none") },
          ],
          "AGENT_NOT_FOUND",
        ],
        [
          [
            { ref: "a", taskType: "x" },
            { ref: "b", taskType: "x", expiresAt: new Date(scene.store.now() - SECOND).toISOString() },
          ],
          "INVALID_REQUEST",
        ],
      ];
      for (const [tasks, code] of cases) {
        const workflow = prepare(tasks);
        expect([code, await caught(scene.store.createWorkflow(workflow))]).toEqual([code, code]);
        expect(await caught(scene.store.getWorkflow(workflow.workflowId))).toBe("NOT_FOUND");
        expect(await caught(scene.look(only(workflow.tasks.slice(0, 1)).taskId))).toBe("TASK_NOT_FOUND");
      }
      const asWorker = prepare([{ ref: "a", taskType: "x" }], { supervisor: worker });
      expect(await caught(scene.store.createWorkflow(asWorker))).toBe("FORBIDDEN");
      const asNobody = prepare([{ ref: "a", taskType: "x" }], { supervisor: scene.id("none") });
      expect(await caught(scene.store.createWorkflow(asNobody))).toBe("AGENT_NOT_FOUND");
    });

    it("takes 200 tasks, hands out as many as have room, and a fan-in waits for all", async () => {
      const { scene, create } = await begin(150);
      const sides = Array.from({ length: 198 }, (_, n) => ({ ref: `s${n}`, taskType: "x", dependsOn: ["root"] }));
      const flow = await create([
        { ref: "join", taskType: "x", dependsOn: sides.map(({ ref }) => ref) },
        ...sides,
        { ref: "root", taskType: "x" },
      ]);
      await flow.complete("root");
      await scene.store.sweep();
      expect((await flow.look()).counts).toMatchObject({ assigned: 150, pending: 48, blocked: 1 });
      const wide = await begin(150);
      const all = await wide.create(Array.from({ length: 200 }, (_, n) => ({ ref: `w${n}`, taskType: "x" })));
      expect((await all.look()).counts).toMatchObject({ assigned: 150, pending: 50 });
    });

    it("depends on tasks outside, by their ids, completed ones included", async () => {
      const { scene, supervisor, create } = await begin();
      const [done, runs] = [await scene.assign(supervisor), await scene.assign(supervisor)];
      await scene.complete(done);
      const flow = await create([
        { ref: "a", taskType: "x", dependsOn: [done.taskId] },
        { ref: "b", taskType: "x", dependsOn: [runs.taskId, "a"] },
      ]);
      expect(await flow.states()).toEqual({ a: "assigned", b: "blocked" });
      await flow.complete("a");
      await scene.complete(runs);
      expect(await flow.states()).toEqual({ a: "completed", b: "assigned" });
    });

    it("lists newest first, by supervisor and status, page by page", async () => {
      const { scene, supervisor, create } = await begin();
      const flows = [];
      for (let n = 0; n < 3; n++) flows.push(await create([{ ref: "a", taskType: "x" }]));
      await flows[0]?.complete("a");
      const list = async (query: { status?: "running" | "completed"; cursor?: string; limit?: number } = {}) =>
        await scene.store.listWorkflows({ supervisor, limit: 10, ...query });
      const ids = flows.map(({ workflowId }) => workflowId).reverse();
      expect((await list()).items.map(({ workflowId }) => workflowId)).toEqual(ids);
      expect((await list({ status: "completed" })).items.map(({ workflowId }) => workflowId)).toEqual(ids.slice(2));
      const first = await list({ limit: 2 });
      expect(first.items.map(({ workflowId, counts }) => [workflowId, counts.assigned])).toEqual(
        ids.slice(0, 2).map((id) => [id, 1]),
      );
      const second = await list({ limit: 2, cursor: first.nextCursor ?? "" });
      expect([second.items.map(({ workflowId }) => workflowId), second.nextCursor]).toEqual([ids.slice(2), null]);
      expect((await scene.store.listWorkflows({ supervisor: scene.id("none"), limit: 10 })).items).toEqual([]);
    });

    it("knows who has made it", async () => {
      const { scene, supervisor, worker, create } = await begin();
      const { workflowId } = await create([{ ref: "a", taskType: "x" }]);
      expect(await scene.store.ownsWorkflow(supervisor, workflowId)).toBe(true);
      expect(await scene.store.ownsWorkflow(worker, workflowId)).toBe(false);
      expect(await scene.store.ownsWorkflow(supervisor, scene.id("none"))).toBe(false);
    });

    it("goes into the archive when its last task may, and is gone then", async () => {
      const { scene, create } = await begin();
      const flow = await create([
        { ref: "a", taskType: "x" },
        { ref: "b", taskType: "x" },
      ]);
      const [a, b] = [await flow.idOf("a"), await flow.idOf("b")];
      await flow.complete("a");
      scene.advance(40 * DAY);
      await scene.store.maintain();
      expect((await scene.look(a)).archived).toBeUndefined();
      // b was lost meanwhile; it is ended by its supervisor.
      await scene.store.cancelTask(b, undefined);
      expect((await flow.look()).status).toBe("cancelled");
      scene.advance(40 * DAY);
      await scene.store.maintain();
      expect([(await scene.look(a)).archived, (await scene.look(b)).archived]).toEqual([true, true]);
      expect(await caught(flow.look())).toBe("NOT_FOUND");
    });

    it("a result says what ended it; tasks carry their trace", async () => {
      const { scene, supervisor, create } = await begin();
      const flow = await create([{ ref: "a", taskType: "x", taskId: scene.fresh("t") }]);
      await flow.fail("a");
      const message = only(await flow.results());
      expect(payloadField(message, "status")).toBe("failed");
      expect(message.receiver).toBe(supervisor);
    });
  });
}
