import { describe, expect, it } from "@jest/globals";
import type { DependencyInput } from "../../../src/lib/model/dependency.ts";
import type { JsonValue } from "../../../src/lib/model/json.ts";
import { newWorkflow } from "../new-workflow.ts";
import { type StoreFactory, useStore, withStore } from "../store-under-test.ts";
import { caught, DAY, only, payloadField, type Scene, SECOND } from "../support.ts";

const KEY = "0aaa";

/** What an assignment tells of the tasks that its task depends on (sections 12 and 13). */
export function dependencyResultsContract(open: StoreFactory): void {
  describe("results of dependencies", () => {
    const stage = useStore(open);

    async function begin(capacity = 20) {
      const scene = stage.scene();
      return { scene, supervisor: await scene.supervisor(), worker: await scene.worker(capacity) };
    }

    /** A task that ends so. */
    async function ended(scene: Scene, supervisor: string, end: { result: JsonValue } | { error: string }) {
      const held = await scene.assign(supervisor);
      if ("result" in end) await scene.complete(held, end.result);
      else await scene.fail(held, { error: end.error, retryable: false });
      return held.taskId;
    }

    /** The message that assigns a task, received by its worker. */
    async function received(scene: Scene, taskId: string) {
      const { agentId } = await scene.held(taskId);
      const messages = await scene.receive(agentId, {
        maxMessages: 50,
        types: ["task_assignment"],
        maxBytes: 4_000_000,
      });
      return only(messages.filter((message) => payloadField(message, "taskId") === taskId));
    }

    async function told(scene: Scene, taskId: string): Promise<unknown> {
      return payloadField(await received(scene, taskId), "dependencies");
    }

    /** The same of several tasks of one worker, received at once. */
    async function allTold(scene: Scene, agentId: string, taskIds: readonly string[]): Promise<unknown[]> {
      const messages = await scene.receive(agentId, { maxMessages: 50, types: ["task_assignment"] });
      const dependencies = new Map(
        messages.map((one) => [payloadField(one, "taskId"), payloadField(one, "dependencies")]),
      );
      return taskIds.map((taskId) => dependencies.get(taskId));
    }

    async function following(scene: Scene, supervisor: string, ...dependsOn: DependencyInput[]): Promise<string> {
      return await scene.submit(supervisor, { dependsOn });
    }

    it.each<[string, JsonValue]>([
      ["an object", { parts: ["ä", "\u{1f600}"], n: 1.5 }],
      ["a list", [1, [2]]],
      ["a text", 'say "so"\n\\'],
      ["a number", 0],
      ["false", false],
      ["null", null],
    ])("come with the assignment: %s, whenever the task is handed out", async (_name, result) => {
      const { scene, supervisor, worker } = await begin();
      const head = await scene.assign(supervisor);
      const before = await following(scene, supervisor, head.taskId);
      await scene.complete(head, result);
      const late = await following(scene, supervisor, head.taskId);
      const dependencies = [{ taskId: head.taskId, status: "completed", result }];
      expect(await allTold(scene, worker, [before, late])).toEqual([dependencies, dependencies]);
    });

    it("come in the order of dependsOn, with the status and the error of what failed, was cancelled or not needed", async () => {
      const { scene, supervisor } = await begin();
      const done = await ended(scene, supervisor, { result: 1 });
      const failed = await ended(scene, supervisor, { error: "broken: ü" });
      const { taskId: cancelled } = await scene.assign(supervisor);
      await scene.store.cancelTask(cancelled, "enough");
      const notNeeded = await following(scene, supervisor, { taskId: done, when: "failed" });
      const mute = await scene.assign(supervisor);
      await scene.store.completeTask(mute.taskId, { agentId: mute.agentId, attempt: mute.attempt });
      const conditions = [
        { taskId: notNeeded, when: "ended" },
        { taskId: failed, when: "failed" },
        mute.taskId,
        { taskId: cancelled, when: "ended" },
        done,
        done,
      ] as const;
      const taskId = await following(scene, supervisor, ...conditions);
      const { error } = await scene.look(cancelled);
      expect(await told(scene, taskId)).toEqual([
        { taskId: notNeeded, status: "cancelled", error: "NOT_NEEDED" },
        { taskId: failed, status: "failed", error: "broken: ü" },
        { taskId: mute.taskId, status: "completed" },
        { taskId: cancelled, status: "cancelled", ...(error === undefined ? {} : { error }) },
        { taskId: done, status: "completed", result: 1 },
      ]);
    });

    it("have the refs of the workflow that both are tasks of, and none of another one", async () => {
      const { scene, supervisor } = await begin();
      const outside = await ended(scene, supervisor, { result: "outside" });
      const other = newWorkflow(scene, supervisor, [{ ref: "elsewhere", taskType: "x" }]);
      const elsewhere = (await scene.store.createWorkflow(other)).taskIds.elsewhere ?? "";
      await scene.complete(await scene.held(elsewhere), "elsewhere");
      const flow = newWorkflow(scene, supervisor, [
        { ref: "lint", taskType: "lint" },
        {
          ref: "ship",
          taskType: "ship",
          dependsOn: [{ taskId: outside }, "lint", { taskId: elsewhere }],
        },
      ]);
      const { lint = "", ship = "" } = (await scene.store.createWorkflow(flow)).taskIds;
      await scene.complete(await scene.held(lint), { warnings: 2 });
      expect(await told(scene, ship)).toEqual([
        { taskId: outside, status: "completed", result: "outside" },
        { ref: "lint", taskId: lint, status: "completed", result: { warnings: 2 } },
        { taskId: elsewhere, status: "completed", result: "elsewhere" },
      ]);
    });

    it("are not in the assignment of a task that depends on nothing", async () => {
      const { scene, supervisor } = await begin();
      const { taskId } = await scene.assign(supervisor);
      expect(await told(scene, taskId)).toBeUndefined();
      expect(await scene.store.getDependencies(taskId)).toEqual([]);
    });

    it("come again with every attempt", async () => {
      const { scene, supervisor } = await begin();
      const head = await ended(scene, supervisor, { result: { n: 1 } });
      const taskId = await following(scene, supervisor, head);
      const dependencies = [{ taskId: head, status: "completed", result: { n: 1 } }];
      expect(await told(scene, taskId)).toEqual(dependencies);
      await scene.fail(await scene.held(taskId));
      await scene.pass(10 * SECOND);
      expect(await scene.held(taskId)).toMatchObject({ attempt: 2 });
      expect(await told(scene, taskId)).toEqual(dependencies);
    });

    it("come beside what woke a task that was suspended", async () => {
      const { scene, supervisor } = await begin();
      const head = await ended(scene, supervisor, { result: "head" });
      const taskId = await following(scene, supervisor, head);
      const held = await scene.held(taskId);
      const questionId = await scene.ask(held, { text: "go on?" }, { page: 2 });
      await scene.answer(taskId, questionId, supervisor, "yes");
      expect((await received(scene, taskId)).payload).toMatchObject({
        dependencies: [{ taskId: head, status: "completed", result: "head" }],
        resume: { reason: "answered", checkpoint: { page: 2 }, answer: "yes" },
      });
    });

    it("are read while the message waits or is leased; lists, and a message that has ended, leave them out", async () => {
      const { scene, supervisor, worker } = await begin();
      const head = await ended(scene, supervisor, { result: "head" });
      const taskId = await following(scene, supervisor, head);
      const listed = only(
        (await scene.waiting(worker, "task_assignment")).filter((one) => payloadField(one, "taskId") === taskId),
      );
      expect(listed.payload).toMatchObject({ taskId, parameters: null });
      expect(listed.payload).not.toHaveProperty("dependencies");
      const dependencies = [{ taskId: head, status: "completed", result: "head" }];
      expect(payloadField(await scene.read(listed.messageId), "dependencies")).toEqual(dependencies);
      expect(await told(scene, taskId)).toEqual(dependencies);
      expect(payloadField(await scene.read(listed.messageId), "dependencies")).toEqual(dependencies);
      await scene.start(await scene.held(taskId));
      const completed = await scene.read(listed.messageId);
      expect(completed).toMatchObject({ status: "completed", payload: { taskId, parameters: null } });
      expect(completed.payload).not.toHaveProperty("dependencies");
    });

    it("are read by the task, with what they say only while somebody works on it", async () => {
      const { scene, supervisor } = await begin();
      const head = await scene.assign(supervisor);
      const taskId = await following(scene, supervisor, { taskId: head.taskId, when: "ended" });
      expect(await scene.store.getDependencies(taskId)).toEqual([{ taskId: head.taskId, status: "assigned" }]);
      await scene.complete(head, "head");
      const whole = [{ taskId: head.taskId, status: "completed", result: "head" }];
      expect(await scene.store.getDependencies(taskId)).toEqual(whole);
      const held = await scene.held(taskId);
      await scene.start(held);
      expect(await scene.store.getDependencies(taskId)).toEqual(whole);
      await scene.complete(held);
      const referred = [{ taskId: head.taskId, status: "completed", truncated: true }];
      expect(await scene.store.getDependencies(taskId)).toEqual(referred);
      expect(await caught(scene.store.getDependencies(scene.fresh("t")))).toBe("TASK_NOT_FOUND");
    });

    it("that are encrypted come as they are stored, with the versions of their keys", async () => {
      const { scene, supervisor } = await begin();
      const plain = await ended(scene, supervisor, { result: "plain" });
      const head = await scene.assign(supervisor);
      const { agentId, attempt } = head;
      await scene.store.completeTask(head.taskId, { agentId, attempt, result: "sealed", keyVersion: KEY });
      const taskId = await following(scene, supervisor, plain, head.taskId);
      const message = await received(scene, taskId);
      expect(message).toMatchObject({
        payload: {
          dependencies: [
            { taskId: plain, result: "plain" },
            { taskId: head.taskId, result: "sealed" },
          ],
        },
        dependencyKeys: new Map([[head.taskId, KEY]]),
      });
      expect(await scene.store.getDependencies(taskId)).toEqual([
        { taskId: plain, status: "completed", result: "plain" },
        { taskId: head.taskId, status: "completed", result: "sealed", keyVersion: KEY },
      ]);
    });

    describe("together have 256 KiB of an assignment", () => {
      const KIB = 1024;
      /** A result of so many bytes as JSON, of characters of two bytes where it is not plain. */
      const text = (bytes: number, character = "x") => character.repeat((bytes - 2) / Buffer.byteLength(character));

      it.each(["x", "é"])("to the byte, made of %s", async (character) => {
        const { scene, supervisor } = await begin();
        const ends = [text(200 * KIB, character), text(56 * KIB, character)];
        const whole: string[] = [];
        for (const result of ends) whole.push(await ended(scene, supervisor, { result }));
        const more = await ended(scene, supervisor, { result: text(56 * KIB + 2, character) });
        const [first = "", second = ""] = whole;
        const shown = whole.map((taskId, n) => ({ taskId, status: "completed", result: ends[n] }));
        expect(await told(scene, await following(scene, supervisor, first, second))).toEqual(shown);
        expect(await told(scene, await following(scene, supervisor, first, more))).toEqual([
          shown[0],
          { taskId: more, status: "completed", truncated: true },
        ]);
      });

      it("and what stands behind the first that finds no room is by reference, errors too; what says nothing is whole", async () => {
        const { scene, supervisor } = await begin();
        const first = await ended(scene, supervisor, { result: text(200 * KIB) });
        const second = await ended(scene, supervisor, { result: text(100 * KIB) });
        const small = await ended(scene, supervisor, { result: 1 });
        const failed = await ended(scene, supervisor, { error: "broken" });
        const mute = await scene.assign(supervisor);
        await scene.store.completeTask(mute.taskId, { agentId: mute.agentId, attempt: mute.attempt });
        const taskId = await following(
          scene,
          supervisor,
          ...[first, second, small, { taskId: failed, when: "failed" } as const, mute.taskId],
        );
        const dependencies = [
          { taskId: first, status: "completed", result: text(200 * KIB) },
          { taskId: second, status: "completed", truncated: true },
          { taskId: small, status: "completed", truncated: true },
          { taskId: failed, status: "failed", truncated: true },
          { taskId: mute.taskId, status: "completed" },
        ];
        expect(await told(scene, taskId)).toEqual(dependencies);
        expect(await scene.store.getDependencies(taskId)).toEqual(dependencies);
      });

      it("and count as payload of the message", async () => {
        const { scene, supervisor } = await begin();
        const head = await ended(scene, supervisor, { result: text(200 * KIB) });
        const taskIds = [await following(scene, supervisor, head), await following(scene, supervisor, head)];
        const worker = (await scene.held(taskIds[0] ?? "")).agentId;
        const claim = { maxMessages: 10, types: ["task_assignment"] };
        expect(await scene.receive(worker, { ...claim, maxBytes: 250 * KIB })).toHaveLength(1);
        expect(await scene.receive(worker, { ...claim, maxBytes: 250 * KIB })).toHaveLength(1);
        expect(await scene.receive(worker, claim)).toHaveLength(0);
      });
    });

    it("are the same from the archive", async () => {
      await withStore(open, {}, async (scene) => {
        const supervisor = await scene.supervisor();
        await scene.worker(20);
        const results: JsonValue[] = [{ a: ["ä"] }, "text", 7, null, true];
        const heads: string[] = [];
        for (const result of results) heads.push(await ended(scene, supervisor, { result }));
        const failed = await ended(scene, supervisor, { error: "broken" });
        const sealed = await scene.assign(supervisor);
        const { agentId, attempt } = sealed;
        await scene.store.completeTask(sealed.taskId, { agentId, attempt, result: "sealed", keyVersion: KEY });
        scene.advance(31 * DAY);
        await scene.store.maintain();
        for (const taskId of [...heads, failed, sealed.taskId]) {
          expect(await scene.look(taskId)).toMatchObject({ archived: true });
        }
        const taskId = await following(scene, supervisor, ...heads, { taskId: failed, when: "ended" }, sealed.taskId);
        const message = await received(scene, taskId);
        expect(payloadField(message, "dependencies")).toEqual([
          ...heads.map((head, n) => ({ taskId: head, status: "completed", result: results[n] })),
          { taskId: failed, status: "failed", error: "broken" },
          { taskId: sealed.taskId, status: "completed", result: "sealed" },
        ]);
        expect(message).toMatchObject({ dependencyKeys: new Map([[sealed.taskId, KEY]]) });
      });
    });
  });
}
