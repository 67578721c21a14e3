import { describe, expect, it } from "@jest/globals";
import { type StoreFactory, useStore } from "../store-under-test.ts";
import { DAY, MINUTE, newTask, only, type Scene } from "../support.ts";

/** A W3C traceparent is kept with a message or task, and comes back with everything that follows from it. */
export function tracesContract(open: StoreFactory): void {
  describe("traces", () => {
    const stage = useStore(open);

    let count = 0;
    const trace = () => `00-${(++count).toString(16).padStart(32, "a")}-00f067aa0ba902b7-01`;
    const traceOf = (messages: readonly { traceparent?: string | undefined }[]) => only(messages).traceparent;

    async function arrange() {
      const scene = stage.scene();
      return { scene, sender: await scene.supervisor(), receiver: await scene.agent(), traceparent: trace() };
    }

    describe("of a message", () => {
      async function send(scene: Scene, sender: string, receiver: string, traceparent: string): Promise<string> {
        const message = { ...scene.message(sender, receiver), traceparent };
        await scene.store.sendMessages([message]);
        return message.messageId;
      }

      it("is read, peeked at and delivered, also again", async () => {
        const { scene, sender, receiver, traceparent } = await arrange();
        const messageId = await send(scene, sender, receiver, traceparent);
        expect((await scene.read(messageId)).traceparent).toBe(traceparent);
        expect(traceOf(await scene.peek(receiver))).toBe(traceparent);
        const first = await scene.receiveOne(receiver, { claimId: scene.id("claim") });
        expect(first.traceparent).toBe(traceparent);
        expect((await scene.receiveOne(receiver, { claimId: scene.id("claim") })).traceparent).toBe(traceparent);
        await scene.settle(receiver, first, "retry", { delayMilliseconds: 0 });
        expect((await scene.receiveOne(receiver)).traceparent).toBe(traceparent);
      });

      it("is absent where none was given", async () => {
        const { scene, sender, receiver } = await arrange();
        const messageId = await scene.send(sender, receiver);
        expect(await scene.read(messageId)).not.toHaveProperty("traceparent");
        expect(await scene.receiveOne(receiver)).not.toHaveProperty("traceparent");
      });

      it("is each message's own", async () => {
        const { scene, sender, receiver } = await arrange();
        const messages = [
          { ...scene.message(sender, receiver, { orderingKey: "k" }), traceparent: trace() },
          scene.message(sender, receiver),
          { ...scene.message(sender, receiver, { payload: "x".repeat(5_000) }), traceparent: trace() },
        ];
        await scene.store.sendMessages(messages);
        const received = await scene.receive(receiver, { maxMessages: 5 });
        expect(received.map((message) => message.traceparent)).toEqual(messages.map((message) => message.traceparent));
      });

      it("is no part of what a repeat is compared by, and stays what it was", async () => {
        const { scene, sender, receiver, traceparent } = await arrange();
        const message = scene.message(sender, receiver);
        await scene.store.sendMessages([{ ...message, traceparent }]);
        const repeated = await scene.store.sendMessages([{ ...message, traceparent: trace() }]);
        expect(only(repeated)).toEqual({ messageId: message.messageId, duplicate: true });
        expect((await scene.read(message.messageId)).traceparent).toBe(traceparent);
      });

      it("is kept by dead letters, and by their redrive", async () => {
        const { scene, sender, receiver, traceparent } = await arrange();
        const messageId = await send(scene, sender, receiver, traceparent);
        await scene.settle(receiver, await scene.receiveOne(receiver), "dead_letter");
        expect(traceOf((await scene.store.listDeadLetters({ limit: 5, receiver })).items)).toBe(traceparent);
        await scene.store.redriveDeadLetters({ messageIds: [messageId], dryRun: false });
        expect((await scene.receiveOne(receiver)).traceparent).toBe(traceparent);
      });

      it("goes to every member of a broadcast, and to whoever takes it from a work queue", async () => {
        const { scene, sender, receiver, traceparent } = await arrange();
        const all = await scene.channel("broadcast", { members: [receiver] });
        const post = { ...scene.message(sender, `#${all}`), traceparent };
        await scene.store.broadcastMessage(post);
        expect((await scene.read(post.messageId)).traceparent).toBe(traceparent);
        expect((await scene.receiveOne(receiver)).traceparent).toBe(traceparent);
        const queue = await scene.channel("work_queue", { members: [receiver] });
        await send(scene, sender, `#${queue}`, traceparent);
        expect((await scene.receiveOne(receiver, { channel: queue })).traceparent).toBe(traceparent);
      });
    });

    describe("of a task", () => {
      async function submit(
        scene: Scene,
        supervisor: string,
        traceparent: string,
        options: { dependsOn?: string[]; maxRetries?: number; timeoutSeconds?: number; preferred?: string[] } = {},
      ): Promise<string> {
        const { preferred: preferredCapabilities = [], ...rest } = options;
        const requiredCapabilities = [scene.skill];
        const input = { supervisor, taskType: "t", requiredCapabilities, preferredCapabilities, ...rest };
        return (await scene.store.assignTask({ ...newTask(input), traceparent })).taskId;
      }

      it.each([
        ["at once", []],
        ["at once, with a preference", ["other"]],
      ])("assigned %s is read, and goes along with its assignment and its result", async (_, preferred) => {
        const { scene, sender: supervisor, traceparent } = await arrange();
        const worker = await scene.worker();
        const taskId = await submit(scene, supervisor, traceparent, { preferred });
        expect((await scene.look(taskId)).traceparent).toBe(traceparent);
        const assignment = await scene.receiveOne(worker);
        expect(assignment).toMatchObject({
          type: "task_assignment",
          traceparent,
          payload: { taskId, parameters: null },
        });
        expect((await scene.read(assignment.messageId)).traceparent).toBe(traceparent);
        await scene.complete(await scene.held(taskId));
        expect(traceOf(await scene.results(supervisor, taskId))).toBe(traceparent);
        const { items } = await scene.store.listTasks({ limit: 5, supervisor });
        expect(traceOf(items)).toBe(traceparent);
      });

      it("goes along when it is handed out later, and again", async () => {
        const { scene, sender: supervisor, traceparent } = await arrange();
        const taskId = await submit(scene, supervisor, traceparent);
        const worker = await scene.worker();
        expect(traceOf(await scene.waiting(worker, "task_assignment"))).toBe(traceparent);
        await scene.fail(await scene.held(taskId));
        await scene.pass(6 * MINUTE);
        const again = await scene.held(taskId);
        expect(again.attempt).toBe(2);
        expect(traceOf(await scene.waiting(worker, "task_assignment"))).toBe(traceparent);
        await scene.fail(again, { retryable: false });
        expect(traceOf(await scene.results(supervisor, taskId))).toBe(traceparent);
      });

      it("goes along with the request to cancel, and with the end by it", async () => {
        const { scene, sender: supervisor, traceparent } = await arrange();
        const worker = await scene.worker();
        const taskId = await submit(scene, supervisor, traceparent);
        const held = await scene.held(taskId);
        await scene.start(held);
        await scene.store.cancelTask(taskId, "enough");
        expect(traceOf(await scene.waiting(worker, "task_cancel"))).toBe(traceparent);
        await scene.fail(held);
        expect(traceOf(await scene.results(supervisor, taskId))).toBe(traceparent);
      });

      it("goes along with an end that time brings", async () => {
        const { scene, sender: supervisor, traceparent } = await arrange();
        await scene.worker();
        const taskId = await submit(scene, supervisor, traceparent, { maxRetries: 0, timeoutSeconds: 1 });
        await scene.pass(MINUTE);
        expect((await scene.look(taskId)).status).toBe("failed");
        expect(traceOf(await scene.results(supervisor, taskId))).toBe(traceparent);
      });

      it("is each task's own when one fails with another, now or at its creation", async () => {
        const { scene, sender: supervisor, traceparent } = await arrange();
        await scene.worker();
        const first = await submit(scene, supervisor, traceparent);
        const [later, created] = [trace(), trace()];
        const dependent = await submit(scene, supervisor, later, { dependsOn: [first] });
        await scene.fail(await scene.held(first), { retryable: false });
        expect(traceOf(await scene.results(supervisor, dependent))).toBe(later);
        const late = await submit(scene, supervisor, created, { dependsOn: [first] });
        expect((await scene.look(late)).status).toBe("failed");
        expect(traceOf(await scene.results(supervisor, late))).toBe(created);
        expect(traceOf(await scene.results(supervisor, first))).toBe(traceparent);
      });

      it("is absent where none was given", async () => {
        const { scene, sender: supervisor } = await arrange();
        const worker = await scene.worker();
        const held = await scene.assign(supervisor);
        expect(await scene.look(held.taskId)).not.toHaveProperty("traceparent");
        expect(await scene.receiveOne(worker)).not.toHaveProperty("traceparent");
        await scene.complete(held);
        expect(only(await scene.results(supervisor, held.taskId))).not.toHaveProperty("traceparent");
      });

      it("is still read from the archive", async () => {
        const { scene, sender: supervisor, traceparent } = await arrange();
        await scene.worker();
        const taskId = await submit(scene, supervisor, traceparent);
        await scene.complete(await scene.held(taskId));
        scene.advance(31 * DAY);
        await scene.store.maintain();
        expect(await scene.look(taskId)).toMatchObject({ archived: true, traceparent });
      });
    });
  });
}
