import { describe, expect, it } from "@jest/globals";
import { type StoreFactory, useStore } from "../store-under-test.ts";
import { HOUR, only, type Scene, SECOND } from "../support.ts";

/** A message with a first delay joins its ordering key when it becomes due (design section 4, Message). */
export function delayedKeysContract(open: StoreFactory): void {
  describe("first delays in ordering keys", () => {
    const stage = useStore(open);

    async function pair(): Promise<{ scene: Scene; sender: string; receiver: string }> {
      const scene = stage.scene();
      return { scene, sender: await scene.agent(), receiver: await scene.agent() };
    }

    async function inOrder(scene: Scene, receiver: string, ids: readonly string[]): Promise<void> {
      for (const messageId of ids) {
        const leased = await scene.receive(receiver, { maxMessages: 50 });
        expect(leased.map((message) => message.messageId)).toEqual([messageId]);
        expect(await scene.settle(receiver, only(leased), "complete")).toBe("completed");
      }
      expect(await scene.receive(receiver)).toEqual([]);
    }

    it("hold nothing up before they are due", async () => {
      const { scene, sender, receiver } = await pair();
      const deliverAt = new Date(scene.store.now() + 300 * 24 * HOUR).toISOString();
      await scene.send(sender, receiver, { orderingKey: "k", deliverAt });
      const now = await scene.send(sender, receiver, { orderingKey: "k", priority: "low" });
      await inOrder(scene, receiver, [now]);
      expect((await scene.peek(receiver)).map((message) => message.orderingKey)).toEqual(["k"]);
    });

    it("come behind what joined before, and in front of what is sent later", async () => {
      const { scene, sender, receiver } = await pair();
      const delayed = await scene.send(sender, receiver, { orderingKey: "k", delaySeconds: 10, priority: "urgent" });
      const before = await scene.send(sender, receiver, { orderingKey: "k", priority: "low" });
      scene.advance(11 * SECOND);
      const after = await scene.send(sender, receiver, { orderingKey: "k", priority: "urgent" });
      await inOrder(scene, receiver, [before, delayed, after]);
    });

    it("join in the order of becoming due, then of acceptance", async () => {
      const { scene, sender, receiver } = await pair();
      const at = (seconds: number) => new Date(scene.store.now() + seconds * SECOND).toISOString();
      const tied = at(20);
      const third = await scene.send(sender, receiver, { orderingKey: "k", deliverAt: at(30) });
      const first = await scene.send(sender, receiver, { orderingKey: "k", deliverAt: tied });
      const second = await scene.send(sender, receiver, { orderingKey: "k", deliverAt: tied });
      scene.advance(31 * SECOND);
      await inOrder(scene, receiver, [first, second, third]);
    });

    it("join by the sweep as by a claim", async () => {
      const { scene, sender, receiver } = await pair();
      const delayed = await scene.send(sender, receiver, { orderingKey: "k", delaySeconds: 10 });
      await scene.pass(11 * SECOND);
      const after = await scene.send(sender, receiver, { orderingKey: "k", priority: "urgent" });
      await inOrder(scene, receiver, [delayed, after]);
    });

    it("wait while the key is leased, and make a key wait once they are leased", async () => {
      const { scene, sender, receiver } = await pair();
      const delayed = await scene.send(sender, receiver, { orderingKey: "k", delaySeconds: 10 });
      const first = await scene.send(sender, receiver, { orderingKey: "k" });
      const leased = await scene.receiveOne(receiver, { leaseMilliseconds: HOUR });
      expect(leased.messageId).toBe(first);
      scene.advance(11 * SECOND);
      expect(await scene.receive(receiver)).toEqual([]);
      await scene.settle(receiver, leased, "complete");
      const second = await scene.receiveOne(receiver);
      expect(second.messageId).toBe(delayed);
      const behind = await scene.send(sender, receiver, { orderingKey: "k", priority: "urgent" });
      await scene.settle(receiver, second, "retry", { delayMilliseconds: HOUR });
      // A retry keeps delaying the key.
      expect(await scene.receive(receiver)).toEqual([]);
      await scene.pass(HOUR + SECOND);
      await inOrder(scene, receiver, [delayed, behind]);
    });

    it("are told of by heartbeats and to those who wait, one of each key", async () => {
      const { scene, sender, receiver } = await pair();
      await scene.send(sender, receiver, { orderingKey: "k", delaySeconds: 10 });
      await scene.send(sender, receiver, { orderingKey: "k", delaySeconds: 10 });
      await scene.send(sender, receiver, { orderingKey: "other", delaySeconds: 10, ttlSeconds: 5 });
      const beat = () => scene.store.heartbeat({ agentId: receiver });
      expect((await beat()).pendingMessages).toBe(0);
      expect(await scene.store.findDeliverable([receiver])).toEqual([]);
      scene.advance(11 * SECOND);
      expect((await beat()).pendingMessages).toBe(1);
      expect(await scene.store.findDeliverable([receiver])).toEqual([receiver]);
      const leased = await scene.receiveOne(receiver, { maxMessages: 10 });
      expect((await beat()).pendingMessages).toBe(0);
      expect(await scene.store.findDeliverable([receiver])).toEqual([]);
      await scene.settle(receiver, leased, "complete");
      expect((await beat()).pendingMessages).toBe(1);
    });

    it("expire before they are due, without a trace in their key", async () => {
      const { scene, sender, receiver } = await pair();
      const expired = await scene.send(sender, receiver, { orderingKey: "k", delaySeconds: 100, ttlSeconds: 10 });
      const first = await scene.send(sender, receiver, { orderingKey: "k" });
      const leased = await scene.receiveOne(receiver, { leaseMilliseconds: HOUR });
      const second = await scene.send(sender, receiver, { orderingKey: "k" });
      await scene.pass(11 * SECOND);
      expect(await scene.status(expired)).toBe("expired");
      expect(await scene.receive(receiver)).toEqual([]);
      expect(leased.messageId).toBe(first);
      await scene.settle(receiver, leased, "complete");
      await inOrder(scene, receiver, [second]);
    });

    it("are dead-lettered with the mailbox of an agent that left, and redriven into their key", async () => {
      const { scene, sender, receiver } = await pair();
      const delayed = await scene.send(sender, receiver, { orderingKey: "k", delaySeconds: 3_600 });
      await scene.store.deregisterAgent(receiver);
      await scene.pass(HOUR * 2);
      await scene.pass(2 * 60 * SECOND);
      expect(await scene.read(delayed)).toMatchObject({ status: "dead_lettered", reason: "RECEIVER_DEREGISTERED" });
      await scene.agent();
      await scene.register({ role: "observer", agentId: receiver });
      const first = await scene.send(sender, receiver, { orderingKey: "k", priority: "low" });
      expect(await scene.store.redriveDeadLetters({ messageIds: [delayed], dryRun: false })).toBe(1);
      await inOrder(scene, receiver, [first, delayed]);
    });

    it("hold for redriven messages and batches: what is due comes first", async () => {
      const { scene, sender, receiver } = await pair();
      const dead = await scene.deadLetter(sender, receiver, { orderingKey: "k" });
      const delayed = await scene.send(sender, receiver, { orderingKey: "k", delaySeconds: 10 });
      scene.advance(11 * SECOND);
      await scene.store.redriveDeadLetters({ messageIds: [dead], dryRun: false });
      const batch = [10, 0].map((delaySeconds) => scene.message(sender, receiver, { orderingKey: "k", delaySeconds }));
      await scene.store.sendMessages(batch);
      await inOrder(scene, receiver, [delayed, dead, batch[1]?.messageId ?? ""]);
      scene.advance(11 * SECOND);
      await inOrder(scene, receiver, [batch[0]?.messageId ?? ""]);
    });

    it("come as copies of a post and from a work queue in the same way", async () => {
      const { scene, sender, receiver } = await pair();
      const name = await scene.channel("broadcast", { members: [receiver] });
      await scene.post(sender, name, { orderingKey: "k", delaySeconds: 10 });
      const now = await scene.send(sender, receiver, { orderingKey: "k" });
      await inOrder(scene, receiver, [now]);
      scene.advance(11 * SECOND);
      expect(await scene.receiveOne(receiver)).toMatchObject({ channel: name, orderingKey: "k" });
      const queue = await scene.channel("work_queue", { members: [receiver] });
      await scene.send(sender, `#${queue}`, { orderingKey: "k", delaySeconds: 10 });
      const free = await scene.send(sender, `#${queue}`, { orderingKey: "k" });
      expect(await scene.receiveMany(receiver, { channel: queue, maxMessages: 10 })).toEqual([free]);
    });

    it("join in any number, a bounded part of them in one call", async () => {
      const { scene, sender, receiver } = await pair();
      const deliverAt = new Date(scene.store.now() + 60 * SECOND).toISOString();
      for (let batch = 0; batch < 12; batch++) {
        const messages = Array.from({ length: 100 }, () =>
          scene.message(sender, receiver, { orderingKey: "k", deliverAt }),
        );
        await scene.store.sendMessages(messages);
      }
      scene.advance(61 * SECOND);
      const last = await scene.send(sender, receiver, { orderingKey: "k", priority: "urgent" });
      expect(await scene.claim(receiver, { maxMessages: 50 })).toMatchObject({ messages: [{ orderingKey: "k" }] });
      await scene.store.sweep();
      const waiting = await scene.peek(receiver);
      expect(waiting).toHaveLength(1_200);
      // The sweep has left nothing to join: a claim is not to be repeated, though it finds its key leased.
      expect(await scene.claim(receiver, { maxMessages: 50 })).toEqual({ messages: [], unfinished: false });
      expect(await scene.status(last)).toBe("queued");
    });
  });
}
