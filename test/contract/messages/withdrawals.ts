import { describe, expect, it } from "@jest/globals";
import { type StoreFactory, useStore, withStore } from "../store-under-test.ts";
import { caught, everyPage, HOUR, MINUTE, only, type Scene } from "../support.ts";

/** Taking queued messages out of a mailbox: one by its sender, many by the mailbox's owner. */
export function withdrawalsContract(open: StoreFactory): void {
  describe("withdrawing a message", () => {
    const stage = useStore(open);

    async function pair(): Promise<{ scene: Scene; sender: string; receiver: string }> {
      const scene = stage.scene();
      return { scene, sender: await scene.agent(), receiver: await scene.agent() };
    }

    it("ends it as expired while it is queued, due or not", async () => {
      const { scene, sender, receiver } = await pair();
      for (const options of [{}, { delaySeconds: 3_600 }, { orderingKey: "k", delaySeconds: 3_600 }]) {
        const messageId = await scene.send(sender, receiver, options);
        const reply = { messageId, status: "expired", withdrawn: 1 };
        expect(await scene.store.withdrawMessage(messageId)).toEqual(reply);
        expect(await scene.read(messageId)).toMatchObject({ status: "expired", reason: "WITHDRAWN" });
        expect(await scene.store.withdrawMessage(messageId)).toEqual(reply);
      }
      expect(await scene.peek(receiver)).toEqual([]);
      await scene.pass(HOUR * 2);
      expect(await scene.receive(receiver)).toEqual([]);
    });

    it("says so when it expired by itself", async () => {
      const { scene, sender, receiver } = await pair();
      const messageId = await scene.send(sender, receiver, { ttlSeconds: 10 });
      await scene.pass(MINUTE);
      expect(await scene.store.withdrawMessage(messageId)).toEqual({ messageId, status: "expired", withdrawn: 0 });
    });

    it("keeps its id taken: the same send again is a repeat, another is refused", async () => {
      const { scene, sender, receiver } = await pair();
      const message = scene.message(sender, receiver);
      await scene.store.sendMessages([message]);
      await scene.store.withdrawMessage(message.messageId);
      expect(await scene.store.sendMessages([message])).toEqual([{ messageId: message.messageId, duplicate: true }]);
      expect(await scene.status(message.messageId)).toBe("expired");
      const other = scene.message(sender, receiver, { messageId: message.messageId, payload: "other" });
      expect(await caught(scene.store.sendMessages([other]))).toBe("IDEMPOTENCY_MISMATCH");
    });

    it("comes too late for what is leased, completed or dead-lettered", async () => {
      const { scene, sender, receiver } = await pair();
      const messageId = await scene.send(sender, receiver);
      const leased = await scene.receiveOne(receiver);
      expect(await caught(scene.store.withdrawMessage(messageId))).toBe("LEASE_LOST");
      expect(await scene.settle(receiver, leased, "complete")).toBe("completed");
      expect(await caught(scene.store.withdrawMessage(messageId))).toBe("LEASE_LOST");
      const dead = await scene.deadLetter(sender, receiver);
      expect(await caught(scene.store.withdrawMessage(dead))).toBe("LEASE_LOST");
      expect(await caught(scene.store.withdrawMessage(scene.fresh("none")))).toBe("MESSAGE_NOT_FOUND");
    });

    it("of a message that was returned for a retry, leaves its holder with nothing", async () => {
      const { scene, sender, receiver } = await pair();
      const messageId = await scene.send(sender, receiver);
      const leased = await scene.receiveOne(receiver);
      await scene.settle(receiver, leased, "retry", { delayMilliseconds: HOUR });
      expect(await scene.store.withdrawMessage(messageId)).toMatchObject({ withdrawn: 1 });
      await scene.pass(HOUR + MINUTE);
      expect(await scene.receive(receiver)).toEqual([]);
      expect(await scene.settle(receiver, leased, "complete")).toBe("lease_lost");
    });

    it("lets the next of its ordering key go on", async () => {
      const { scene, sender, receiver } = await pair();
      const [first, second, third] = [
        await scene.send(sender, receiver, { orderingKey: "k" }),
        await scene.send(sender, receiver, { orderingKey: "k" }),
        await scene.send(sender, receiver, { orderingKey: "k" }),
      ];
      await scene.store.withdrawMessage(second);
      await scene.store.withdrawMessage(first);
      expect(await scene.receiveIds(receiver)).toEqual([third]);
    });

    it("and a claim at the same time: one of the two has it", async () => {
      const { scene, sender, receiver } = await pair();
      for (let round = 0; round < 20; round++) {
        const messageId = await scene.send(sender, receiver);
        const [withdrawn, leased] = await Promise.all([
          caught(scene.store.withdrawMessage(messageId)),
          scene.receive(receiver),
        ]);
        expect([withdrawn, leased.length]).toEqual(leased.length === 1 ? ["LEASE_LOST", 1] : ["accepted", 0]);
        for (const message of leased) await scene.settle(receiver, message, "complete");
      }
    });

    it("of a post takes back every copy that is still queued", async () => {
      const { scene, sender, receiver } = await pair();
      const [second, third] = [await scene.agent(), await scene.agent()];
      const name = await scene.channel("broadcast", { members: [receiver, second, third] });
      const messageId = await scene.post(sender, name, { orderingKey: "k" });
      const leased = await scene.receiveOne(second);
      expect(await scene.store.withdrawMessage(messageId)).toEqual({ messageId, status: "completed", withdrawn: 2 });
      expect(await scene.store.withdrawMessage(messageId)).toEqual({ messageId, status: "completed", withdrawn: 2 });
      expect([await scene.peek(receiver), await scene.peek(third)]).toEqual([[], []]);
      expect(await scene.settle(second, leased, "complete")).toBe("completed");
      const post = scene.message(sender, `#${name}`, { messageId, orderingKey: "k" });
      expect(await scene.store.broadcastMessage(post)).toEqual({ messageId, duplicate: true });
    });

    it("takes back one copy, and no more", async () => {
      const { scene, sender, receiver } = await pair();
      const other = await scene.agent();
      const name = await scene.channel("broadcast", { members: [receiver, other] });
      await scene.post(sender, name);
      const copy = only(await scene.peek(receiver));
      expect(await scene.store.withdrawMessage(copy.messageId)).toMatchObject({ status: "expired", withdrawn: 1 });
      expect(await scene.peek(other)).toHaveLength(1);
    });

    it("is not for what the switchboard writes", async () => {
      const { scene } = await pair();
      const [supervisor, worker] = [await scene.supervisor(), await scene.worker()];
      const held = await scene.assign(supervisor);
      const { messageId } = only(await scene.waiting(worker, "task_assignment"));
      expect(await caught(scene.store.withdrawMessage(messageId))).toBe("FORBIDDEN");
      expect((await scene.start(held)).status).toBe("running");
    });
  });

  describe("purging a mailbox", () => {
    const stage = useStore(open);

    it("ends queued messages that match, and leaves the rest", async () => {
      const scene = stage.scene();
      const [receiver, spammer, friend] = [await scene.agent(), await scene.agent(), await scene.agent()];
      const far = new Date(scene.store.now() + 300 * 24 * HOUR).toISOString();
      const spam = await scene.send(spammer, receiver, { deliverAt: far, orderingKey: "k" });
      const query = await scene.send(spammer, receiver, { type: "query" });
      const wanted = await scene.send(friend, receiver);
      const purge = (filter: object, dryRun = false) => scene.store.purgeMailbox(receiver, { filter, dryRun });
      expect(await purge({ sender: scene.id("nobody") })).toBe(0);
      expect(await purge({ before: new Date(scene.store.now() - HOUR).toISOString() })).toBe(0);
      expect(await purge({ dueAfter: new Date(scene.store.now() + HOUR).toISOString() }, true)).toBe(1);
      expect(await purge({ dueAfter: new Date(scene.store.now() + HOUR).toISOString() })).toBe(1);
      expect(await scene.read(spam)).toMatchObject({ status: "expired", reason: "PURGED" });
      expect(await purge({ sender: spammer, type: "notification" })).toBe(0);
      expect(await purge({ sender: spammer, type: "query" })).toBe(1);
      expect(await scene.status(query)).toBe("expired");
      expect(await purge({}, true)).toBe(1);
      const leased = await scene.receiveOne(receiver);
      expect(await purge({})).toBe(0);
      expect(leased.messageId).toBe(wanted);
      expect(await scene.settle(receiver, leased, "complete")).toBe("completed");
    });

    it("leaves what the switchboard has written", async () => {
      const scene = stage.scene();
      const [supervisor, worker] = [await scene.supervisor(), await scene.worker()];
      await scene.assign(supervisor);
      await scene.send(supervisor, worker);
      expect(await scene.store.purgeMailbox(worker, { filter: {}, dryRun: false })).toBe(1);
      expect(await scene.waiting(worker, "task_assignment")).toHaveLength(1);
    });

    it("is of a work queue, too, and of a mailbox that is not there not at all", async () => {
      const scene = stage.scene();
      const sender = await scene.agent();
      const queue = await scene.channel("work_queue", { members: [sender] });
      await scene.send(sender, `#${queue}`);
      expect(await scene.store.purgeMailbox(`#${queue}`, { filter: {}, dryRun: false })).toBe(1);
      const nothing = { filter: {}, dryRun: false };
      expect(await caught(scene.store.purgeMailbox(scene.id("nobody"), nothing))).toBe("AGENT_NOT_FOUND");
      expect(await caught(scene.store.purgeMailbox(`#${scene.id("none")}`, nothing))).toBe("CHANNEL_NOT_FOUND");
    });

    it("takes 1,000 at a time, and opens a shut mailbox again", async () => {
      await withStore(open, { maxMailbox: 1_200 }, async (scene) => {
        const [receiver, spammer] = [await scene.agent(), await scene.agent()];
        const far = new Date(scene.store.now() + 300 * 24 * HOUR).toISOString();
        const others = [];
        for (let n = 0; n < 12; n++) others.push(await scene.agent());
        for (const sender of [...others.slice(0, 6), ...Array.from({ length: 6 }, () => spammer)]) {
          const batch = Array.from({ length: 100 }, () => scene.message(sender, receiver, { deliverAt: far }));
          await caught(scene.store.sendMessages(batch));
        }
        const before = await everyPage((page) => scene.store.peekMessages(receiver, page));
        expect(before.length).toBeGreaterThan(600);
        for (const sender of others.slice(6)) {
          await caught(scene.store.sendMessages(Array.from({ length: 100 }, () => scene.message(sender, receiver))));
        }
        const counts: number[] = [];
        for (let count = 1; count > 0; counts.push(count)) {
          count = await scene.store.purgeMailbox(receiver, { filter: {}, dryRun: false });
        }
        expect(counts[0]).toBe(1_000);
        expect(await scene.peek(receiver)).toEqual([]);
        expect(await caught(scene.send(spammer, receiver))).toBe("accepted");
      });
    });
  });
}
