import { describe, expect, it } from "@jest/globals";
import { type StoreFactory, useStore, withStore } from "../store-under-test.ts";
import { at, caught, DAY, only, SECOND } from "../support.ts";

/** Accepting messages: what is kept, repeats, batches, limits (design sections 3.1, 3.7 and 4, Message). */
export function sendingContract(open: StoreFactory): void {
  describe("sending", () => {
    const stage = useStore(open);

    it("keeps everything that was said", async () => {
      const scene = stage.scene();
      const [sender, receiver] = [await scene.agent(), await scene.agent()];
      const messageId = scene.id("m");
      const before = scene.store.now();
      const payload = { text: 'zażółć 🐝\n\t"', n: 1.5, none: null, list: [true, { a: [] }] };
      const reply = await scene.store.sendMessages([
        scene.message(sender, receiver, {
          messageId,
          type: "build.done_2",
          priority: "high",
          payload,
          correlationId: "c:1",
          replyTo: "someone",
          orderingKey: "k.1",
          ttlSeconds: 600,
          maxAttempts: 7,
        }),
      ]);
      expect(reply).toEqual([{ messageId, duplicate: false }]);
      const message = await scene.read(messageId);
      expect(message).toMatchObject({
        messageId,
        sender,
        receiver,
        type: "build.done_2",
        priority: "high",
        payload,
        correlationId: "c:1",
        replyTo: "someone",
        orderingKey: "k.1",
        status: "queued",
        attempt: 0,
        maxAttempts: 7,
      });
      expect(at(message.acceptedAt)).toBeGreaterThanOrEqual(before);
      expect(at(message.acceptedAt)).toBeLessThanOrEqual(scene.store.now());
      expect(at(message.availableAt)).toBe(at(message.acceptedAt));
      expect(at(message.expiresAt)).toBe(at(message.acceptedAt) + 600 * SECOND);
      expect(message).not.toHaveProperty("leaseExpiresAt");
      expect(message).not.toHaveProperty("endedAt");
      expect(message).not.toHaveProperty("reason");
    });

    it("leaves out what was not given", async () => {
      const scene = stage.scene();
      const sender = await scene.agent();
      const message = await scene.read(await scene.send(sender, sender, { payload: null }));
      expect(message.payload).toBeNull();
      for (const field of ["correlationId", "replyTo", "orderingKey", "expiresAt"]) {
        expect(message).not.toHaveProperty(field);
      }
    });

    it("keeps a payload of 256 KiB", async () => {
      const scene = stage.scene();
      const sender = await scene.agent();
      const payload = "x".repeat(256 * 1024 - 2);
      const messageId = await scene.send(sender, sender, { payload });
      expect((await scene.read(messageId)).payload).toBe(payload);
    });

    it("an unknown message is MESSAGE_NOT_FOUND", async () => {
      const scene = stage.scene();
      expect(await caught(scene.read(scene.id("nothing")))).toBe("MESSAGE_NOT_FOUND");
    });

    it("sender and receiver must be registered; system is nobody's name", async () => {
      const scene = stage.scene();
      const known = await scene.agent();
      const nobody = scene.id("nobody");
      expect(await caught(scene.send(nobody, known))).toBe("AGENT_NOT_FOUND");
      expect(await caught(scene.send(known, nobody))).toBe("AGENT_NOT_FOUND");
      expect(await caught(scene.send(known, "system"))).toBe("AGENT_NOT_FOUND");
      expect(await caught(scene.send("system", known))).toBe("AGENT_NOT_FOUND");
    });

    it("draining agents send and are sent to", async () => {
      const scene = stage.scene();
      const [draining, other] = [await scene.agent(), await scene.agent()];
      await scene.store.heartbeat({ agentId: draining, status: "draining" });
      expect(await caught(scene.send(draining, other))).toBe("accepted");
      expect(await caught(scene.send(other, draining))).toBe("accepted");
    });

    describe("a repeat", () => {
      it("of an id with the same body is the first message", async () => {
        const scene = stage.scene();
        const [sender, receiver] = [await scene.agent(), await scene.agent()];
        const message = scene.message(sender, receiver, { messageId: scene.id("m") });
        expect(await scene.store.sendMessages([message])).toEqual([{ messageId: message.messageId, duplicate: false }]);
        expect(await scene.store.sendMessages([message])).toEqual([{ messageId: message.messageId, duplicate: true }]);
        expect(await scene.receiveIds(receiver)).toEqual([message.messageId]);
      });

      it("of an id with another body is IDEMPOTENCY_MISMATCH and changes nothing", async () => {
        const scene = stage.scene();
        const sender = await scene.agent();
        const messageId = await scene.send(sender, sender, { payload: 1 });
        const before = await scene.read(messageId);
        expect(await caught(scene.send(sender, sender, { messageId, payload: 2 }))).toBe("IDEMPOTENCY_MISMATCH");
        expect(await caught(scene.send(sender, sender, { messageId, payload: 1, priority: "low" }))).toBe(
          "IDEMPOTENCY_MISMATCH",
        );
        expect(await scene.read(messageId)).toEqual(before);
      });

      it("of an id by another sender is ID_TAKEN, whatever the body", async () => {
        const scene = stage.scene();
        const [sender, other, receiver] = [await scene.agent(), await scene.agent(), await scene.agent()];
        const messageId = await scene.send(sender, receiver);
        expect(await caught(scene.send(other, receiver, { messageId }))).toBe("ID_TAKEN");
        expect(await caught(scene.send(other, receiver, { messageId, payload: "other" }))).toBe("ID_TAKEN");
        expect((await scene.read(messageId)).sender).toBe(sender);
      });

      it("of an idempotency key is the first message, under the first id", async () => {
        const scene = stage.scene();
        const [sender, receiver] = [await scene.agent(), await scene.agent()];
        const key = scene.id("key");
        const [first, second] = [scene.message(sender, receiver, {}, key), scene.message(sender, receiver, {}, key)];
        await scene.store.sendMessages([first]);
        expect(await scene.store.sendMessages([second])).toEqual([{ messageId: first.messageId, duplicate: true }]);
        expect(await caught(scene.read(second.messageId))).toBe("MESSAGE_NOT_FOUND");
        const different = scene.message(sender, receiver, { payload: "other" }, key);
        expect(await caught(scene.store.sendMessages([different]))).toBe("IDEMPOTENCY_MISMATCH");
        expect(await scene.receiveIds(receiver)).toEqual([first.messageId]);
      });

      it("is recognised in every state of the message while it exists", async () => {
        const scene = stage.scene();
        const [sender, receiver] = [await scene.agent(), await scene.agent()];
        const sent = scene.message(sender, receiver, { messageId: scene.id("m") });
        const repeat = async () => only(await scene.store.sendMessages([sent])).duplicate;
        await scene.store.sendMessages([sent]);
        const leased = await scene.receiveOne(receiver);
        expect(await repeat()).toBe(true);
        await scene.settle(receiver, leased, "complete");
        expect(await repeat()).toBe(true);
        expect((await scene.read(sent.messageId)).status).toBe("completed");
        await scene.store.deregisterAgent(receiver);
        expect(await repeat()).toBe(true);
      });

      it("sent many times at once is accepted once", async () => {
        const scene = stage.scene();
        const [sender, receiver] = [await scene.agent(), await scene.agent()];
        const message = scene.message(sender, receiver);
        const key = scene.id("key");
        const byId = await Promise.all(Array.from({ length: 8 }, () => scene.store.sendMessages([message])));
        const byKey = await Promise.all(
          Array.from({ length: 8 }, () => scene.store.sendMessages([scene.message(sender, receiver, {}, key)])),
        );
        for (const replies of [byId, byKey]) {
          expect(replies.filter((reply) => only(reply).duplicate === false)).toHaveLength(1);
          expect(new Set(replies.map((reply) => only(reply).messageId)).size).toBe(1);
        }
        expect(await scene.receiveIds(receiver)).toHaveLength(2);
      });
    });

    describe("a batch", () => {
      it("is accepted in order", async () => {
        const scene = stage.scene();
        const [sender, receiver] = [await scene.agent(), await scene.agent()];
        const messages = Array.from({ length: 100 }, () =>
          scene.message(sender, receiver, { messageId: scene.fresh("b"), deliverAt: "2020-01-01T00:00:00Z" }),
        );
        const replies = await scene.store.sendMessages(messages);
        const ids = messages.map((message) => message.messageId);
        expect(replies).toEqual(ids.map((messageId) => ({ messageId, duplicate: false })));
        expect(await scene.receiveIds(receiver)).toEqual(ids.slice(0, 50));
        expect(await scene.receiveIds(receiver)).toEqual(ids.slice(50));
      });

      it("is kept wholly or not at all", async () => {
        const scene = stage.scene();
        const [sender, other, receiver] = [await scene.agent(), await scene.agent(), await scene.agent()];
        const gone = await scene.agent();
        await scene.store.deregisterAgent(gone);
        const mine = await scene.send(sender, receiver, { payload: "first" });
        const theirs = await scene.send(other, receiver);
        await scene.receiveIds(receiver);
        const bad = {
          AGENT_NOT_FOUND: scene.message(sender, scene.id("nobody")),
          AGENT_DEREGISTERED: scene.message(sender, gone),
          IDEMPOTENCY_MISMATCH: scene.message(sender, receiver, { messageId: mine, payload: "second" }),
          ID_TAKEN: scene.message(sender, receiver, { messageId: theirs }),
        };
        for (const [code, message] of Object.entries(bad)) {
          const good = [scene.message(sender, receiver), scene.message(sender, receiver)] as const;
          expect(await caught(scene.store.sendMessages([good[0], message, good[1]]))).toBe(code);
          expect(await caught(scene.read(good[0].messageId))).toBe("MESSAGE_NOT_FOUND");
          expect(await caught(scene.read(good[1].messageId))).toBe("MESSAGE_NOT_FOUND");
        }
        expect(await scene.receiveIds(receiver)).toEqual([]);
      });

      it("recognises repeats of earlier sends and of itself", async () => {
        const scene = stage.scene();
        const [sender, receiver] = [await scene.agent(), await scene.agent()];
        const [old, fresh] = [scene.message(sender, receiver), scene.message(sender, receiver)];
        await scene.store.sendMessages([old]);
        const key = scene.id("key");
        const keyed = [scene.message(sender, receiver, {}, key), scene.message(sender, receiver, {}, key)] as const;
        expect(await scene.store.sendMessages([old, fresh, fresh, keyed[0], keyed[1]])).toEqual([
          { messageId: old.messageId, duplicate: true },
          { messageId: fresh.messageId, duplicate: false },
          { messageId: fresh.messageId, duplicate: true },
          { messageId: keyed[0].messageId, duplicate: false },
          { messageId: keyed[0].messageId, duplicate: true },
        ]);
        expect(await scene.receiveIds(receiver)).toHaveLength(3);
      });

      it("that contradicts itself is refused wholly", async () => {
        const scene = stage.scene();
        const [sender, other] = [await scene.agent(), await scene.agent()];
        const messageId = scene.id("twice");
        const first = scene.message(sender, sender, { messageId, payload: 1 });
        const changed = scene.message(sender, sender, { messageId, payload: 2 });
        const stolen = scene.message(other, sender, { messageId, payload: 1 });
        expect(await caught(scene.store.sendMessages([first, changed]))).toBe("IDEMPOTENCY_MISMATCH");
        expect(await caught(scene.store.sendMessages([first, stolen]))).toBe("ID_TAKEN");
        expect(await caught(scene.read(messageId))).toBe("MESSAGE_NOT_FOUND");
      });
    });

    it("concurrent sends are all kept, one refused among them alone", async () => {
      const scene = stage.scene();
      const [sender, receiver] = [await scene.agent(), await scene.agent()];
      const sends = Array.from({ length: 40 }, (_, i) =>
        caught(scene.send(sender, i % 10 === 3 ? scene.id("nobody") : receiver, { messageId: scene.id(`c${i}`) })),
      );
      const codes = await Promise.all(sends);
      expect(codes.filter((code) => code === "accepted")).toHaveLength(36);
      expect(codes.filter((code) => code === "AGENT_NOT_FOUND")).toHaveLength(4);
      expect(await scene.receiveIds(receiver)).toHaveLength(36);
    });

    it("survives reopening the store, where it can be reopened", async () => {
      await withStore(open, {}, async (scene, under) => {
        const [sender, receiver] = [await scene.agent(), await scene.agent()];
        const messageId = await scene.send(sender, receiver, { orderingKey: "k" });
        const leased = await scene.receiveOne(receiver);
        const second = await scene.send(sender, receiver, { orderingKey: "k" });
        const before = await scene.read(messageId);
        await under.reopen?.();
        expect(await scene.read(messageId)).toEqual(before);
        expect(await scene.receiveIds(receiver)).toEqual([]);
        expect(await scene.settle(receiver, leased, "complete")).toBe("completed");
        expect(await scene.receiveIds(receiver)).toEqual([second]);
      });
    });
  });

  describe("the mailbox limit", () => {
    const stage = useStore(open, { maxMailbox: 3 });

    it("counts queued and leased messages, and nothing that has ended", async () => {
      const scene = stage.scene();
      const [sender, receiver] = [await scene.agent(), await scene.agent()];
      const attempt = () => caught(scene.send(sender, receiver));
      await scene.send(sender, receiver, { priority: "urgent" });
      await scene.send(sender, receiver, { delaySeconds: 3_600 });
      const leased = await scene.receiveOne(receiver);
      await scene.send(sender, receiver, { ttlSeconds: 60, priority: "low" });
      expect(await attempt()).toBe("MAILBOX_FULL");
      await scene.settle(receiver, leased, "complete");
      expect(await attempt()).toBe("accepted");
      expect(await attempt()).toBe("MAILBOX_FULL");
      await scene.settle(receiver, await scene.receiveOne(receiver), "dead_letter");
      expect(await attempt()).toBe("accepted");
      await scene.pass(61 * SECOND);
      expect(await attempt()).toBe("accepted");
      expect(await attempt()).toBe("MAILBOX_FULL");
    });

    it("refuses the batch that would pass it, wholly", async () => {
      const scene = stage.scene();
      const [sender, receiver] = [await scene.agent(), await scene.agent()];
      await scene.send(sender, receiver);
      const messages = Array.from({ length: 3 }, () => scene.message(sender, receiver));
      expect(await caught(scene.store.sendMessages(messages))).toBe("MAILBOX_FULL");
      expect(await scene.peek(receiver)).toHaveLength(1);
      expect(await caught(scene.store.sendMessages(messages.slice(0, 2)))).toBe("accepted");
    });

    it("does not refuse a repeat", async () => {
      const scene = stage.scene();
      const [sender, receiver] = [await scene.agent(), await scene.agent()];
      const messages = Array.from({ length: 3 }, () => scene.message(sender, receiver));
      await scene.store.sendMessages(messages);
      const replies = await scene.store.sendMessages(messages);
      expect(replies.map((reply) => reply.duplicate)).toEqual([true, true, true]);
    });

    it("is ignored by what the system writes", async () => {
      const scene = stage.scene();
      const [supervisor, sender] = [await scene.supervisor(), await scene.agent()];
      const agentId = await scene.worker(2);
      for (let i = 0; i < 3; i++) await scene.send(sender, agentId);
      for (let i = 0; i < 3; i++) await scene.send(sender, supervisor);
      const held = await scene.assign(supervisor);
      expect(await scene.waiting(agentId, "task_assignment")).toHaveLength(1);
      await scene.complete(held);
      expect(await scene.results(supervisor, held.taskId)).toHaveLength(1);
    });

    it("is kept under concurrency up to what was in flight", async () => {
      const scene = stage.scene();
      const [sender, receiver] = [await scene.agent(), await scene.agent()];
      await Promise.all(Array.from({ length: 12 }, () => caught(scene.send(sender, receiver))));
      expect((await scene.peek(receiver)).length).toBeGreaterThanOrEqual(3);
      expect(await caught(scene.send(sender, receiver))).toBe("MAILBOX_FULL");
      scene.advance(DAY);
      expect(await caught(scene.send(sender, receiver))).toBe("MAILBOX_FULL");
    });
  });
}
