import { describe, expect, it } from "@jest/globals";
import { type StoreFactory, useStore } from "../store-under-test.ts";
import { HOUR, MINUTE, type Scene, SECOND } from "../support.ts";

/** Ordering keys: only the lowest unsettled number of a receiver and key can be delivered (design section 4, Message). */
export function orderingContract(open: StoreFactory): void {
  describe("ordering keys", () => {
    const stage = useStore(open);

    interface Line {
      scene: Scene;
      sender: string;
      receiver: string;
      first: string;
      second: string;
      third: string;
    }

    /** Three messages of one key, each more important than the one before it. */
    async function line(): Promise<Line> {
      const scene = stage.scene();
      const [sender, receiver] = [await scene.agent(), await scene.agent()];
      const first = await scene.send(sender, receiver, { orderingKey: "k", priority: "low" });
      const second = await scene.send(sender, receiver, { orderingKey: "k", priority: "high" });
      const third = await scene.send(sender, receiver, { orderingKey: "k", priority: "urgent" });
      return { scene, sender, receiver, first, second, third };
    }

    it("deliver one at a time, in arrival order, whatever the priority", async () => {
      const { scene, receiver, first, second, third } = await line();
      for (const messageId of [first, second, third]) {
        const leased = await scene.receive(receiver, { maxMessages: 50 });
        expect(leased.map((message) => message.messageId)).toEqual([messageId]);
        expect(await scene.receive(receiver)).toEqual([]);
        for (const message of leased) await scene.settle(receiver, message, "complete");
      }
      expect(await scene.receive(receiver)).toEqual([]);
    });

    it("hold back neither other keys, nor messages without one, nor other receivers", async () => {
      const { scene, sender, receiver, first } = await line();
      expect(await scene.receiveIds(receiver)).toEqual([first]);
      const otherKey = await scene.send(sender, receiver, { orderingKey: "K" });
      const noKey = await scene.send(sender, receiver);
      expect(await scene.receiveIds(receiver)).toEqual([otherKey, noKey]);
      const elsewhere = await scene.send(sender, sender, { orderingKey: "k" });
      expect(await scene.receiveIds(sender)).toEqual([elsewhere]);
    });

    it("do not wait for a message that is delayed from the first, which comes when it is due", async () => {
      const scene = stage.scene();
      const [sender, receiver] = [await scene.agent(), await scene.agent()];
      const delayed = await scene.send(sender, receiver, { orderingKey: "k", delaySeconds: 100 });
      const behind = await scene.send(sender, receiver, { orderingKey: "k", priority: "urgent" });
      const first = await scene.receive(receiver, { maxMessages: 50, leaseMilliseconds: HOUR });
      expect(first.map((message) => message.messageId)).toEqual([behind]);
      scene.advance(101 * SECOND);
      expect(await scene.receive(receiver)).toEqual([]);
      for (const message of first) await scene.settle(receiver, message, "complete");
      expect(await scene.receiveIds(receiver)).toEqual([delayed]);
    });

    it("wait while the head is retried, with and without delay", async () => {
      const { scene, receiver, first, second } = await line();
      await scene.settle(receiver, await scene.receiveOne(receiver), "retry", { delayMilliseconds: HOUR });
      expect(await scene.receive(receiver)).toEqual([]);
      scene.advance(HOUR + SECOND);
      const again = await scene.receiveOne(receiver);
      expect(again.messageId).toBe(first);
      await scene.settle(receiver, again, "retry", { delayMilliseconds: 0 });
      const third = await scene.receiveOne(receiver);
      expect(third.messageId).toBe(first);
      await scene.settle(receiver, third, "complete");
      expect(await scene.receiveIds(receiver)).toEqual([second]);
    });

    it("wait for a head whose lease ended, which comes first again", async () => {
      const { scene, receiver, first } = await line();
      await scene.receiveOne(receiver, { leaseMilliseconds: 10 * SECOND });
      scene.advance(11 * SECOND);
      expect(await scene.receiveOne(receiver)).toMatchObject({ messageId: first, attempt: 2 });
      await scene.pass(2 * MINUTE);
      expect(await scene.receiveOne(receiver)).toMatchObject({ messageId: first, attempt: 3 });
    });

    it("go on when the head is dead-lettered by its receiver", async () => {
      const { scene, receiver, second } = await line();
      await scene.settle(receiver, await scene.receiveOne(receiver), "dead_letter");
      expect(await scene.receiveIds(receiver)).toEqual([second]);
    });

    it("go on when the head has used its attempts", async () => {
      const scene = stage.scene();
      const [sender, receiver] = [await scene.agent(), await scene.agent()];
      await scene.send(sender, receiver, { orderingKey: "k", maxAttempts: 1 });
      const behind = await scene.send(sender, receiver, { orderingKey: "k" });
      await scene.receiveOne(receiver, { leaseMilliseconds: SECOND });
      await scene.pass(2 * SECOND);
      expect(await scene.receiveIds(receiver)).toEqual([behind]);
    });

    it("go on when the head expires, whether the sweep or a claim meets it", async () => {
      const scene = stage.scene();
      const [sender, receiver] = [await scene.agent(), await scene.agent()];
      await scene.send(sender, receiver, { orderingKey: "swept", ttlSeconds: 10 });
      const behindSwept = await scene.send(sender, receiver, { orderingKey: "swept" });
      await scene.pass(11 * SECOND);
      expect(await scene.receiveIds(receiver)).toEqual([behindSwept]);
      await scene.send(sender, receiver, { orderingKey: "met", ttlSeconds: 10 });
      const behindMet = await scene.send(sender, receiver, { orderingKey: "met" });
      scene.advance(11 * SECOND);
      await scene.receive(receiver);
      expect(["queued", "leased"]).toContain(await scene.status(behindMet));
      if ((await scene.status(behindMet)) === "queued") expect(await scene.receiveIds(receiver)).toEqual([behindMet]);
    });

    it("go on when a blocked message in the middle expires", async () => {
      const scene = stage.scene();
      const [sender, receiver] = [await scene.agent(), await scene.agent()];
      const first = await scene.send(sender, receiver, { orderingKey: "k" });
      await scene.send(sender, receiver, { orderingKey: "k", ttlSeconds: 10 });
      const third = await scene.send(sender, receiver, { orderingKey: "k" });
      const leased = await scene.receiveOne(receiver, { leaseMilliseconds: HOUR });
      expect(leased.messageId).toBe(first);
      await scene.pass(11 * SECOND);
      expect(await scene.receive(receiver)).toEqual([]);
      await scene.settle(receiver, leased, "complete");
      expect(await scene.receiveIds(receiver)).toEqual([third]);
    });

    it("give a redriven message a new number, behind what waits", async () => {
      const { scene, receiver, first, second, third } = await line();
      await scene.settle(receiver, await scene.receiveOne(receiver), "dead_letter");
      await scene.store.redriveDeadLetters({ messageIds: [first], dryRun: false });
      for (const messageId of [second, third, first]) {
        const leased = await scene.receiveOne(receiver);
        expect(leased.messageId).toBe(messageId);
        await scene.settle(receiver, leased, "complete");
      }
    });

    it("keep the order of a batch, and of redriving the oldest first", async () => {
      const scene = stage.scene();
      const [sender, receiver] = [await scene.agent(), await scene.agent()];
      const messages = Array.from({ length: 4 }, () => scene.message(sender, receiver, { orderingKey: "b" }));
      await scene.store.sendMessages(messages);
      const ids = messages.map((message) => message.messageId);
      for (const messageId of ids) {
        const leased = await scene.receiveOne(receiver);
        expect(leased.messageId).toBe(messageId);
        await scene.settle(receiver, leased, "dead_letter");
        scene.advance(SECOND);
      }
      await scene.store.redriveDeadLetters({ filter: { receiver }, dryRun: false });
      for (const messageId of ids) {
        const leased = await scene.receiveOne(receiver);
        expect(leased.messageId).toBe(messageId);
        await scene.settle(receiver, leased, "complete");
      }
    });

    it("free only one message when the head is settled, and it only once", async () => {
      const { scene, receiver, second } = await line();
      const leased = await scene.receiveOne(receiver);
      await Promise.all(Array.from({ length: 4 }, () => scene.settle(receiver, leased, "complete")));
      const claims = await Promise.all(Array.from({ length: 5 }, () => scene.receive(receiver, { maxMessages: 10 })));
      expect(claims.flat().map((message) => message.messageId)).toEqual([second]);
    });

    it("hold for the types asked for: a blocked message is not delivered by its type", async () => {
      const scene = stage.scene();
      const [sender, receiver] = [await scene.agent(), await scene.agent()];
      const first = await scene.send(sender, receiver, { orderingKey: "k", type: "query" });
      await scene.send(sender, receiver, { orderingKey: "k", type: "response" });
      expect(await scene.receive(receiver, { types: ["response"], maxMessages: 10 })).toEqual([]);
      expect((await scene.receiveOne(receiver, { types: ["query"] })).messageId).toBe(first);
    });
  });
}
