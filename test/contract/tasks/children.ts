import { describe, expect, it } from "@jest/globals";
import { type Children, divide } from "../new-children.ts";
import { type StoreFactory, useStore } from "../store-under-test.ts";
import { caught, DAY, HOUR, MINUTE, only, type Scene, SECOND } from "../support.ts";

/** Tasks that suspend themselves until children, which they make, have ended (section 12). */
export function childrenContract(open: StoreFactory): void {
  describe("children of a task", () => {
    const stage = useStore(open);

    async function begin(options: object = {}, capacity = 20) {
      const scene = stage.scene();
      const supervisor = await scene.supervisor();
      const worker = await scene.worker(capacity);
      const held = await scene.assign(supervisor, { children: { taskTypes: ["part", "sub-*"] }, ...options });
      await scene.start(held);
      return { scene, supervisor, worker, held };
    }

    const parts = (count: number): Children =>
      Array.from({ length: count }, (_, n) => ({ ref: `p${n}`, taskType: "part" }));

    async function finish(scene: Scene, taskId: string, how: "complete" | "fail" = "complete") {
      const held = await scene.held(taskId);
      if (how === "complete") await scene.complete(held, { of: taskId });
      else await scene.fail(held, { retryable: false });
    }

    it("are retried as long as their parent waits for them", async () => {
      const { scene, held } = await begin();
      const { taskIds = [] } = await divide(scene, held, parts(2));
      const [one = "", two = ""] = taskIds;
      await finish(scene, one, "fail");
      await scene.store.retryTask(one, undefined);
      await finish(scene, two);
      expect((await scene.look(held.taskId)).status).toBe("blocked");
      await finish(scene, one, "fail");
      expect(await scene.look(held.taskId)).toMatchObject({ status: "assigned", attempt: 2 });
      expect(await caught(scene.store.retryTask(one, undefined))).toBe("TASK_ENDED");
    });

    it("stay as they are when their parent, cancelled while it waited, is retried", async () => {
      const { scene, worker, held } = await begin();
      const { taskIds = [] } = await divide(scene, held, parts(1), 7);
      const [child = ""] = taskIds;
      await scene.store.cancelTask(held.taskId, undefined);
      await scene.store.sweep();
      expect(await scene.look(child)).toMatchObject({ status: "cancelled", error: "PARENT_ENDED" });
      expect(await caught(scene.store.retryTask(child, undefined))).toBe("TASK_ENDED");
      await scene.receive(worker, { types: ["task_assignment"] });
      await scene.store.retryTask(held.taskId, undefined);
      const message = only(await scene.receive(worker, { types: ["task_assignment"] }));
      expect(message.payload).toMatchObject({
        attempt: 2,
        resume: { reason: "children_ended", checkpoint: 7 },
      });
    });

    it("are handed out together, whichever come first in the call", async () => {
      const { scene, held } = await begin({}, 1);
      const other = scene.fresh("other");
      await scene.worker(40, [other]);
      const late: Children = Array.from({ length: 10 }, () => ({ taskType: "part", priority: "low" as const }));
      const early: Children = Array.from({ length: 10 }, () => ({ taskType: "part", requiredCapabilities: [other] }));
      const { taskIds = [] } = await divide(scene, held, [...late, ...early]);
      const agents = await Promise.all(taskIds.map(async (taskId) => (await scene.look(taskId)).assignedTo));
      expect(agents).toHaveLength(20);
      expect(agents).not.toContain(undefined);
    });

    it("are created with the suspension, and their last end wakes it", async () => {
      const { scene, supervisor, worker, held } = await begin();
      const reply = await divide(scene, held, parts(3), 7);
      const { taskIds = [] } = reply;
      expect(reply).toEqual({ taskId: held.taskId, status: "blocked", cancelRequested: false, taskIds });
      expect(taskIds).toHaveLength(3);
      const parent = await scene.look(held.taskId);
      expect(parent).toMatchObject({ status: "blocked", dependsOn: [], children: { taskTypes: ["part", "sub-*"] } });
      expect(parent.assignedTo).toBeUndefined();
      for (const taskId of taskIds) {
        expect(await scene.look(taskId)).toMatchObject({
          supervisor,
          parentTaskId: held.taskId,
          status: "assigned",
          assignedTo: worker,
          taskType: "part",
          priority: "normal",
        });
      }
      await finish(scene, taskIds[0] ?? "");
      await finish(scene, taskIds[1] ?? "", "fail");
      expect((await scene.look(held.taskId)).status).toBe("blocked");
      await finish(scene, taskIds[2] ?? "");
      expect(await scene.look(held.taskId)).toMatchObject({
        status: "assigned",
        assignedTo: worker,
        attempt: 2,
        retriesUsed: 0,
        resumedBy: "children_ended",
        checkpoint: { value: 7 },
      });
      // They tell only their parent.
      expect((await scene.peek(supervisor)).filter(({ type }) => type === "task_result")).toEqual([]);
      const message = only(
        (await scene.receive(worker, { types: ["task_assignment"], maxMessages: 50 })).filter(({ payload }) =>
          JSON.stringify(payload).includes("resume"),
        ),
      );
      expect(message.payload).toMatchObject({ attempt: 2, resume: { reason: "children_ended", checkpoint: 7 } });
      await finish(scene, held.taskId);
      expect((await scene.peek(supervisor)).filter(({ type }) => type === "task_result")).toHaveLength(1);
    });

    async function resumed(scene: Scene, worker: string, taskId: string): Promise<unknown> {
      const messages = await scene.receive(worker, {
        types: ["task_assignment"],
        maxMessages: 50,
        maxBytes: 4_000_000,
      });
      return messages.map(({ payload }) => payload).find((payload) => Object(payload).taskId === taskId);
    }

    it("tell their parent how they ended, in the order of the call, behind what it depends on", async () => {
      const scene = stage.scene();
      const supervisor = await scene.supervisor();
      const worker = await scene.worker(20);
      const before = await scene.assign(supervisor);
      await scene.complete(before, "before");
      const options = { children: { taskTypes: ["part"] }, dependsOn: [before.taskId] };
      const held = await scene.assign(supervisor, options);
      const { taskIds = [] } = await divide(scene, held, [
        { ref: "good", taskType: "part" },
        { taskType: "part" },
        { ref: "mute", taskType: "part", dependsOn: [{ ref: "good", when: "failed" }] },
      ]);
      const [good = "", bad = "", mute = ""] = taskIds;
      await scene.complete(await scene.held(good), { pages: [1, "é"] });
      await scene.fail(await scene.held(bad), { error: "no paper", retryable: false });
      const children = [
        { ref: "good", taskId: good, status: "completed", result: { pages: [1, "é"] } },
        { taskId: bad, status: "failed", error: "no paper" },
        { ref: "mute", taskId: mute, status: "cancelled", error: "NOT_NEEDED" },
      ];
      const dependencies = [{ taskId: before.taskId, status: "completed", result: "before" }];
      expect(await resumed(scene, worker, held.taskId)).toMatchObject({
        attempt: 2,
        dependencies,
        resume: { reason: "children_ended", children },
      });
      const told = [...dependencies, ...children.map((child) => ({ ...child, child: true }))];
      expect(await scene.store.getDependencies(held.taskId)).toEqual(told);
      // The next attempt gets the same; after another suspension they are told no more.
      await scene.fail(await scene.held(held.taskId));
      await scene.pass(HOUR);
      expect(await resumed(scene, worker, held.taskId)).toMatchObject({
        attempt: 3,
        dependencies,
        resume: { children },
      });
      await scene.suspend(await scene.held(held.taskId), { at: scene.store.now() + 20 * SECOND });
      await scene.pass(30 * SECOND);
      const last = Object(await resumed(scene, worker, held.taskId));
      expect([last.attempt, last.dependencies, last.resume]).toEqual([4, dependencies, { reason: "time" }]);
    });

    it("tell as much as there is room for, in 256 KiB", async () => {
      const { scene, worker, held } = await begin();
      const { taskIds = [] } = await divide(scene, held, parts(3));
      for (const taskId of taskIds) await scene.complete(await scene.held(taskId), "x".repeat(120_000));
      const { resume, dependencies } = Object(await resumed(scene, worker, held.taskId));
      expect(dependencies).toBeUndefined();
      expect(
        resume.children.map(
          ({ truncated, result }: { truncated?: true; result?: string }) => truncated ?? result?.length,
        ),
      ).toEqual([120_000, 120_000, true]);
    });

    it("their parent goes back to the agent that suspended it, in its old rank", async () => {
      const { scene, supervisor, worker, held } = await begin({}, 1);
      const { taskIds = [] } = await divide(scene, held, parts(1));
      const later = await scene.submit(supervisor);
      await finish(scene, only(taskIds));
      // What came later waits behind it.
      expect([(await scene.look(later)).status, (await scene.look(held.taskId)).attempt]).toEqual(["pending", 2]);
      await finish(scene, held.taskId);
      await finish(scene, later);
      const again = await scene.assign(supervisor, { children: { taskTypes: ["part"] } });
      const second = await divide(scene, again, parts(1));
      await scene.worker(10);
      await finish(scene, only(second.taskIds ?? []));
      expect((await scene.held(again.taskId)).agentId).toBe(worker);
    });

    it("depend on siblings, in whatever order they stand", async () => {
      const { scene, held } = await begin();
      const { taskIds = [] } = await divide(scene, held, [
        { ref: "last", taskType: "part", dependsOn: ["first", { ref: "bad", when: "failed" }] },
        { ref: "first", taskType: "part" },
        { ref: "bad", taskType: "sub-x" },
      ]);
      const [last = "", first = "", bad = ""] = taskIds;
      expect(await scene.look(last)).toMatchObject({
        status: "blocked",
        dependsOn: [first, { taskId: bad, when: "failed" }],
      });
      await finish(scene, first);
      await finish(scene, bad, "fail");
      await finish(scene, last);
      expect((await scene.look(held.taskId)).resumedBy).toBe("children_ended");
    });

    it("that were not needed have ended, too", async () => {
      const { scene, held } = await begin();
      const { taskIds = [] } = await divide(scene, held, [
        { ref: "a", taskType: "part" },
        { ref: "undo", taskType: "part", dependsOn: [{ ref: "a", when: "failed" }] },
        { ref: "after", taskType: "part", dependsOn: ["undo"] },
      ]);
      await finish(scene, taskIds[0] ?? "");
      expect((await scene.look(held.taskId)).status).toBe("assigned");
      expect((await scene.look(taskIds[2] ?? "")).error).toBe("NOT_NEEDED");
    });

    it("a repeat gets the first answer, another request is LEASE_LOST's mismatch", async () => {
      const { scene, held } = await begin();
      const reply = await divide(scene, held, parts(2), 1);
      expect(await divide(scene, held, parts(2), 1)).toEqual(reply);
      expect(await caught(divide(scene, held, parts(3), 1))).toBe("IDEMPOTENCY_MISMATCH");
      for (const taskId of reply.taskIds ?? []) await finish(scene, taskId);
      const again = await scene.held(held.taskId);
      const second = await divide(scene, again, parts(1));
      expect(second.taskIds).toHaveLength(1);
      expect(await divide(scene, held, parts(2), 1)).toEqual(reply);
      expect(await divide(scene, again, parts(1))).toEqual(second);
    });

    it.each<[string, Children, object]>([
      ["another type", [{ taskType: "other" }], {}],
      ["a type that only begins like an exact one", [{ taskType: "parts" }], {}],
      ["a higher priority", [{ taskType: "part", priority: "high" }], {}],
      ["more types for its children", [{ taskType: "part", children: { taskTypes: ["*"] } }], {}],
      ["a longer beginning", [{ taskType: "part", children: { taskTypes: ["sub*"] } }], {}],
      ["any, where it may make none", [{ taskType: "part" }], { children: undefined }],
    ])("refuse %s, and nothing has changed", async (_what, children, options) => {
      const { scene, held } = await begin(options);
      expect(await caught(divide(scene, held, children))).toBe("TASK_TREE_LIMIT");
      expect((await scene.look(held.taskId)).status).toBe("running");
      expect((await scene.store.listTasks({ limit: 10, parentTaskId: held.taskId })).items).toEqual([]);
      await scene.complete(held);
    });

    it("refuse a taken id, a time that is over and what is no sibling", async () => {
      const { scene, supervisor, held } = await begin();
      const taken = await scene.submit(supervisor);
      expect(await caught(divide(scene, held, [{ taskType: "part" }, { taskType: "part", taskId: taken }]))).toBe(
        "ID_TAKEN",
      );
      const past = new Date(scene.store.now() - SECOND).toISOString();
      expect(await caught(divide(scene, held, [{ taskType: "part", expiresAt: past }]))).toBe("INVALID_REQUEST");
      expect(await caught(divide(scene, held, [{ taskType: "part", dependsOn: [taken] }]))).toBe("DEPENDENCY_INVALID");
      const cycle: Children = [
        { ref: "a", taskType: "part", dependsOn: ["b"] },
        { ref: "b", taskType: "part", dependsOn: ["a"] },
      ];
      expect(await caught(divide(scene, held, cycle))).toBe("DEPENDENCY_INVALID");
      await scene.complete(held);
    });

    it("stay within depth and count", async () => {
      const { scene, held } = await begin({ children: { taskTypes: ["part"] } });
      const nested: Children = [{ taskType: "part", children: { taskTypes: ["part"] } }];
      let deepest = held;
      for (let depth = 1; depth <= 8; depth++) {
        const { taskIds = [] } = await divide(scene, deepest, nested);
        deepest = await scene.held(only(taskIds));
      }
      expect(await caught(divide(scene, deepest, nested))).toBe("TASK_TREE_LIMIT");
      const wide = await begin({}, 1);
      let parent = wide.held;
      for (let made = 0; made < 1_000; made += 100) {
        const { taskIds = [] } = await divide(wide.scene, parent, parts(100));
        await Promise.all(taskIds.map((taskId) => wide.scene.store.cancelTask(taskId, undefined)));
        parent = await wide.scene.held(parent.taskId);
      }
      expect(await caught(divide(wide.scene, parent, parts(1)))).toBe("TASK_TREE_LIMIT");
    }, 900_000);

    it("are cancelled with their parent, theirs, too; a running one is asked and resumes nothing", async () => {
      const { scene, held } = await begin({ children: { taskTypes: ["part"] } });
      const { taskIds = [] } = await divide(scene, held, [
        { taskType: "part", children: { taskTypes: ["part"] } },
        { taskType: "part" },
        { taskType: "part" },
      ]);
      const [parent = "", runs = "", given = ""] = taskIds;
      const { taskIds: below = [] } = await divide(scene, await scene.held(parent), parts(2));
      const running = await scene.held(runs);
      await scene.start(running);
      await scene.store.cancelTask(held.taskId, "enough");
      await scene.store.sweep();
      for (const taskId of [parent, given, ...below]) {
        expect(await scene.look(taskId)).toMatchObject({ status: "cancelled", error: "PARENT_ENDED" });
      }
      expect(await scene.look(runs)).toMatchObject({ status: "running", cancelRequested: true });
      await scene.fail(running);
      expect((await scene.look(runs)).status).toBe("cancelled");
      expect(await scene.look(held.taskId)).toMatchObject({ status: "cancelled", error: "enough", attempt: 1 });
    });

    it("are cancelled when their parent expires", async () => {
      const scene = stage.scene();
      const expiresAt = new Date(scene.store.now() + HOUR).toISOString();
      const { held } = await (async () => {
        const supervisor = await scene.supervisor();
        await scene.worker(20);
        const task = await scene.assign(supervisor, { children: { taskTypes: ["part"] }, expiresAt });
        return { held: task };
      })();
      const { taskIds = [] } = await divide(scene, held, [{ taskType: "part", timeoutSeconds: 7_200 }]);
      await scene.pass(HOUR);
      await scene.store.sweep();
      expect(await scene.look(held.taskId)).toMatchObject({ status: "failed", error: "EXPIRED" });
      expect(await scene.look(only(taskIds))).toMatchObject({ status: "cancelled" });
    });

    it("are not created when a cancel was requested", async () => {
      const { scene, held } = await begin();
      await scene.store.cancelTask(held.taskId, "enough");
      expect(await divide(scene, held, parts(2))).toEqual({
        taskId: held.taskId,
        status: "cancelled",
        cancelRequested: true,
      });
      expect((await scene.store.listTasks({ limit: 10, parentTaskId: held.taskId })).items).toEqual([]);
    });

    it("are handed out together, and as many as there is room for", async () => {
      const { scene, held } = await begin({}, 40);
      await divide(scene, held, parts(100));
      const { items } = await scene.store.listTasks({ limit: 200, parentTaskId: held.taskId });
      expect(items.filter(({ status }) => status === "assigned")).toHaveLength(40);
    });

    it("a child that ends begins the count of unanswered suspensions anew", async () => {
      const { scene, held } = await begin({ maxRetries: 0 });
      let current = held;
      for (let n = 0; n < 99; n++) {
        await scene.suspend(current, { at: scene.store.now() + MINUTE });
        await scene.pass(MINUTE + SECOND);
        current = await scene.held(held.taskId);
      }
      const { taskIds = [] } = await divide(scene, current, parts(1));
      await finish(scene, only(taskIds));
      current = await scene.held(held.taskId);
      await scene.suspend(current, { at: scene.store.now() + MINUTE });
      expect((await scene.look(held.taskId)).status).toBe("pending");
    }, 900_000);

    it("may be read by the agent that holds their parent", async () => {
      const { scene, worker, held } = await begin();
      const other = await scene.worker(0);
      const { taskIds = [] } = await divide(scene, held, parts(1));
      await finish(scene, only(taskIds));
      expect(await scene.store.relationToTask(worker, only(taskIds))).toBe("assigned_to");
      expect(await scene.store.relationToTask(other, only(taskIds))).toBeUndefined();
      expect((await scene.held(held.taskId)).agentId).toBe(worker);
    });

    it("a child is archived once its parent may be, and the parent behind it", async () => {
      const { scene, held } = await begin();
      const { taskIds = [] } = await divide(scene, held, parts(1));
      await finish(scene, only(taskIds));
      scene.advance(40 * DAY);
      await scene.store.maintain();
      expect((await scene.look(only(taskIds))).archived).toBeUndefined();
      await scene.store.cancelTask(held.taskId, undefined);
      scene.advance(40 * DAY);
      await scene.store.maintain();
      await scene.store.maintain();
      expect([(await scene.look(only(taskIds))).archived, (await scene.look(held.taskId)).archived]).toEqual([
        true,
        true,
      ]);
    });
  });
}
