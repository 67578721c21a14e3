import { describe, expect, it } from "@jest/globals";
import { type StoreFactory, useStore } from "../store-under-test.ts";
import { type Held, HOUR, only, type Scene, SECOND } from "../support.ts";

/** The task_assignment message of an attempt (design section 4, Task). */
export function assignmentMessagesContract(open: StoreFactory): void {
  describe("assignment messages", () => {
    const stage = useStore(open);

    async function assigned(options = {}) {
      const scene = stage.scene();
      const supervisor = await scene.supervisor();
      const worker = await scene.worker(1);
      const held = await scene.assign(supervisor, { maxRetries: 3, timeoutSeconds: 100, ...options });
      const message = only(await scene.waiting(worker, "task_assignment"));
      return { scene, supervisor, worker, held, message };
    }

    it("bring the worker all that it needs", async () => {
      const parameters = { file: "ä.txt", lines: [1, 2] };
      const { scene, worker, held, message } = await assigned({ taskType: "count", description: "Count.", parameters });
      const { deadline } = await scene.look(held.taskId);
      const payload = {
        taskId: held.taskId,
        attempt: 1,
        taskType: "count",
        description: "Count.",
        parameters,
        deadline,
      };
      expect(message).toMatchObject({
        sender: "system",
        receiver: worker,
        type: "task_assignment",
        status: "queued",
        payload,
      });
      const leased = await scene.receiveOne(worker);
      expect(leased).toMatchObject({ messageId: message.messageId, attempt: 1, payload });
      expect((await scene.read(message.messageId)).payload).toEqual(payload);
    });

    it("carry large parameters whole", async () => {
      const parameters = "x".repeat(200 * 1024);
      const { scene, worker } = await assigned({ parameters });
      expect((await scene.receiveOne(worker)).payload).toMatchObject({ parameters });
    });

    it("are delivered by their type among others", async () => {
      const { scene, supervisor, worker, message } = await assigned();
      await scene.send(supervisor, worker, { priority: "urgent" });
      expect((await scene.receiveOne(worker, { types: ["task_assignment"] })).messageId).toBe(message.messageId);
    });

    const endings: [string, (scene: Scene, held: Held) => Promise<unknown>][] = [
      ["start", (scene, held) => scene.start(held)],
      ["the first progress", (scene, held) => scene.progress(held)],
      ["completing", (scene, held) => scene.complete(held)],
      ["failing for good", (scene, held) => scene.fail(held, { retryable: false })],
      ["a retryable failure", (scene, held) => scene.fail(held)],
      ["cancelling", (scene, held) => scene.store.cancelTask(held.taskId, undefined)],
      ["timing out", (scene) => scene.pass(101 * SECOND)],
    ];

    it.each(endings)("unread are completed by %s", async (_name, end) => {
      const { scene, worker, held, message } = await assigned();
      await end(scene, held);
      expect(await scene.status(message.messageId)).toBe("completed");
      const left = await scene.waiting(worker, "task_assignment");
      expect(left.map((item) => item.messageId)).not.toContain(message.messageId);
    });

    it.each(endings)(
      "leased are completed by %s, and settling them afterwards answers completed",
      async (_name, end) => {
        const { scene, worker, held, message } = await assigned();
        const leased = await scene.receiveOne(worker, { leaseMilliseconds: HOUR });
        await end(scene, held);
        expect(await scene.status(message.messageId)).toBe("completed");
        expect(await scene.settle(worker, leased, "complete")).toBe("completed");
        expect(await scene.settle(worker, leased, "retry")).toBe("completed");
        expect(await scene.settle(worker, leased, "dead_letter")).toBe("completed");
        expect(await scene.status(message.messageId)).toBe("completed");
      },
    );

    it("returned by the worker are completed by the end, too", async () => {
      const { scene, worker, held, message } = await assigned();
      const leased = await scene.receiveOne(worker);
      await scene.settle(worker, leased, "retry", { delayMilliseconds: HOUR });
      await scene.start(held);
      expect(await scene.status(message.messageId)).toBe("completed");
      expect(await scene.settle(worker, leased, "complete")).toBe("completed");
    });

    it("settled by the worker before starting leave the task as it is", async () => {
      const { scene, worker, held, message } = await assigned();
      await scene.settle(worker, await scene.receiveOne(worker), "complete");
      expect(await scene.status(message.messageId)).toBe("completed");
      expect((await scene.look(held.taskId)).status).toBe("assigned");
      expect((await scene.start(held)).status).toBe("running");
    });

    it("of a reassigned task: the old is completed, the new goes to the new worker", async () => {
      const { scene, worker, held, message } = await assigned();
      const other = await scene.worker(1);
      await scene.store.deregisterAgent(worker);
      expect(await scene.status(message.messageId)).toBe("completed");
      const next = only(await scene.waiting(other, "task_assignment"));
      expect(next.payload).toMatchObject({ taskId: held.taskId, attempt: 2 });
      expect(next.messageId).not.toBe(message.messageId);
      await scene.store.sweep();
      expect(await scene.status(message.messageId)).toBe("completed");
    });
  });
}
