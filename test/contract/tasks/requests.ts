import { describe, expect, it } from "@jest/globals";
import { MessageQueueManager } from "../../../src/lib/domain/messages/message-queue-manager.ts";
import { MessageTypeRegistry } from "../../../src/lib/domain/messages/message-type-registry.ts";
import { SupervisorCoordinator } from "../../../src/lib/domain/tasks/supervisor-coordinator.ts";
import { systemClock } from "../../../src/lib/model/clock.ts";
import type { JsonValue } from "../../../src/lib/model/json.ts";
import { type StoreFactory, useStore } from "../store-under-test.ts";
import { caught, SECOND } from "../support.ts";

/** What the domain asks of the store in one call: repeats by the parsed request, payloads by the schema of their type. */
export function requestsContract(open: StoreFactory): void {
  describe("requests through the domain", () => {
    const stage = useStore(open);

    async function begin() {
      const scene = stage.scene();
      const { store } = scene;
      return {
        scene,
        messages: new MessageQueueManager({ store, clock: systemClock }),
        types: new MessageTypeRegistry({ store }),
        coordinator: new SupervisorCoordinator({ store, defaultTimeoutSeconds: 123, maxRetries: 7 }),
        sender: await scene.supervisor(),
        receiver: await scene.agent(),
      };
    }

    describe("a message type with a schema", () => {
      const schema = {
        type: "object",
        properties: { n: { type: "integer" } },
        required: ["n"],
        additionalProperties: false,
      };

      it("refuses payloads that break it, and nothing of their batch is kept", async () => {
        const { scene, messages, types, sender, receiver } = await begin();
        const type = `checked.${scene.tag}`;
        await types.put(type, { schema });
        const good = { sender, receiver, type, payload: { n: 1 } };
        const bad: JsonValue[] = [{ n: "1" }, { n: 1.5 }, {}, { n: 1, m: 2 }, null, [], "n"];
        for (const payload of bad) expect(await caught(messages.send({ ...good, payload }))).toBe("SCHEMA_MISMATCH");
        const batch = messages.sendBatch({ messages: [good, { ...good, payload: {} }] });
        expect(await caught(batch)).toBe("SCHEMA_MISMATCH");
        expect(await scene.peek(receiver)).toEqual([]);
        expect(await caught(messages.send(good))).toBe("accepted");
      });

      it("is about that type only, and about sends only", async () => {
        const { scene, messages, types, sender, receiver } = await begin();
        const type = `late.${scene.tag}`;
        const messageId = scene.id("m");
        await messages.send({ messageId, sender, receiver, type, payload: "free" });
        await types.put(type, { schema });
        expect((await scene.receiveOne(receiver)).payload).toBe("free");
        expect(await caught(messages.send({ sender, receiver, type: `${type}.other`, payload: "free" }))).toBe(
          "accepted",
        );
        await types.delete(type);
        scene.advance(6 * SECOND);
        expect(await caught(messages.send({ sender, receiver, type, payload: "free" }))).toBe("accepted");
      });

      it("must itself be a schema, and not of a built-in type", async () => {
        const { scene, types } = await begin();
        const type = `bad.${scene.tag}`;
        expect(await caught(types.put(type, { schema: { type: "nothing" } }))).toBe("INVALID_REQUEST");
        expect(await caught(types.put("task_result", { schema: true }))).toBe("INVALID_REQUEST");
        expect(await caught(types.get(type))).toBe("NOT_FOUND");
        expect(await caught(types.delete(type))).toBe("NOT_FOUND");
      });
    });

    describe("a repeat", () => {
      it("means the same whatever the order of keys, and with defaults written out", async () => {
        const { scene, messages, sender, receiver } = await begin();
        const messageId = scene.id("m");
        const base = { messageId, sender, receiver, type: "query" };
        expect((await messages.send({ ...base, payload: { a: 1, b: { c: 2, d: 3 } } })).duplicate).toBe(false);
        const again = { payload: { b: { d: 3, c: 2 }, a: 1 }, priority: "normal" as const, maxAttempts: 5, ...base };
        expect((await messages.send(again)).duplicate).toBe(true);
        const differs = { ...base, payload: { a: 1, b: { c: 2, d: 4 } } };
        expect(await caught(messages.send(differs))).toBe("IDEMPOTENCY_MISMATCH");
      });

      it("by key is the caller's own: another caller's same key is another message", async () => {
        const { scene, messages, coordinator, sender, receiver } = await begin();
        const idempotencyKey = scene.id("key");
        const message = { sender, receiver, type: "query" };
        const first = await messages.send(message, { idempotencyKey });
        expect(await messages.send(message, { idempotencyKey })).toEqual({ ...first, duplicate: true });
        const other = await messages.send({ ...message, sender: receiver }, { idempotencyKey });
        expect(other.duplicate).toBe(false);
        const batch = { messages: [message, message] };
        const sent = await messages.sendBatch(batch, { idempotencyKey });
        expect(sent.results.map((result) => result.duplicate)).toEqual([false, false]);
        const again = await messages.sendBatch(batch, { idempotencyKey });
        expect(again.results).toEqual(sent.results.map((result) => ({ ...result, duplicate: true })));
        const task = { supervisor: sender, taskType: "x", requiredCapabilities: [scene.skill] };
        const made = await coordinator.assign(task, { idempotencyKey });
        expect(made.duplicate).toBe(false);
        expect(await coordinator.assign(task, { idempotencyKey })).toMatchObject({
          taskId: made.taskId,
          duplicate: true,
        });
      });

      it("may not name an id and a key together", async () => {
        const { scene, messages, coordinator, sender, receiver } = await begin();
        const idempotencyKey = scene.id("key");
        const message = { messageId: scene.id("m"), sender, receiver, type: "query" };
        expect(await caught(messages.send(message, { idempotencyKey }))).toBe("INVALID_REQUEST");
        const task = { taskId: scene.id("t"), supervisor: sender, taskType: "x" };
        expect(await caught(coordinator.assign(task, { idempotencyKey }))).toBe("INVALID_REQUEST");
      });
    });

    it("a task takes timeout and retries from the settings when it names none", async () => {
      const { scene, coordinator, sender } = await begin();
      const { taskId } = await coordinator.assign({
        supervisor: sender,
        taskType: "x",
        requiredCapabilities: [scene.skill],
      });
      expect(await scene.look(taskId)).toMatchObject({ timeoutSeconds: 123, maxRetries: 7 });
    });
  });
}
