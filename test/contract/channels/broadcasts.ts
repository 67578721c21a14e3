import { describe, expect, it } from "@jest/globals";
import { type StoreFactory, useStore, withStore } from "../store-under-test.ts";
import { at, caught, DAY, eventually, HOUR, MINUTE, only, type Scene, SECOND } from "../support.ts";

/** A post is copied to every member, in one transaction, and kept as a completed message itself (design section 6). */
export function broadcastsContract(open: StoreFactory): void {
  describe("broadcasts", () => {
    const stage = useStore(open);

    async function arrange() {
      const scene = stage.scene();
      const members = [await scene.agent(), await scene.agent(), await scene.agent()];
      const sender = await scene.agent();
      const name = await scene.channel("broadcast", { members });
      return { scene, members, sender, name };
    }

    it("reach every member, the sender too if it is one, each as a message of its own", async () => {
      const { scene, members, name } = await arrange();
      const [sender = ""] = members;
      const payload = { news: 'é ✓ "\\\n', big: "x".repeat(5_000) };
      const postId = await scene.post(sender, name, {
        payload,
        type: "broadcast",
        correlationId: "c-1",
        replyTo: sender,
      });
      const copies = await Promise.all(members.map((member) => scene.receiveOne(member)));
      expect(new Set([postId, ...copies.map(({ messageId }) => messageId)]).size).toBe(4);
      for (const [index, copy] of copies.entries()) {
        expect(copy).toMatchObject({ sender, receiver: members[index], channel: name, postId, payload, attempt: 1 });
        expect(copy).toMatchObject({ type: "broadcast", correlationId: "c-1", replyTo: sender, priority: "normal" });
        expect(copy).not.toHaveProperty("holder");
        expect(await scene.settle(members[index] ?? "", copy, "complete")).toBe("completed");
      }
      expect(await scene.read(postId)).toMatchObject({
        messageId: postId,
        sender,
        receiver: `#${name}`,
        channel: name,
        status: "completed",
        attempt: 0,
        payload,
      });
      expect(await scene.read(postId)).not.toHaveProperty("postId");
    });

    it("leave out who is deregistered, and who comes later", async () => {
      const { scene, members, sender, name } = await arrange();
      const [a = "", gone = "", b = ""] = members;
      await scene.store.deregisterAgent(gone);
      await scene.post(sender, name);
      const late = await scene.agent();
      await scene.store.addChannelMember(name, late);
      expect([await scene.peek(a), await scene.peek(b)].map((waiting) => waiting.length)).toEqual([1, 1]);
      expect([await scene.peek(gone), await scene.peek(late)]).toEqual([[], []]);
    });

    it("go to nobody where there are no members, and are kept all the same", async () => {
      const scene = stage.scene();
      const sender = await scene.agent();
      const name = await scene.channel("broadcast");
      expect(await scene.status(await scene.post(sender, name))).toBe("completed");
    });

    it("carry delay, time to live, attempts and priority over to the copies", async () => {
      const { scene, members, sender, name } = await arrange();
      const [member = ""] = members;
      await scene.post(sender, name, { delaySeconds: 60, ttlSeconds: 600, maxAttempts: 2, priority: "high" });
      expect(await scene.receive(member)).toEqual([]);
      scene.advance(61 * SECOND);
      const copy = await scene.receiveOne(member);
      expect(copy).toMatchObject({ maxAttempts: 2, priority: "high" });
      expect(at(copy.expiresAt) - at(copy.acceptedAt)).toBe(600 * SECOND);
      scene.advance(HOUR);
      const other = members[1] ?? "";
      expect(await scene.receive(other)).toEqual([]);
    });

    it("keep the order of their key in each mailbox", async () => {
      const { scene, members, sender, name } = await arrange();
      const [member = "", quick = ""] = members;
      const ahead = await scene.send(sender, member, { orderingKey: "k" });
      const first = await scene.post(sender, name, { orderingKey: "k" });
      const second = await scene.post(sender, name, { orderingKey: "k", priority: "urgent" });
      const posts = async (agentId: string) => (await scene.receive(agentId, { maxMessages: 5 })).map((m) => m.postId);
      const leased = await scene.receiveOne(member);
      expect(leased.messageId).toBe(ahead);
      expect(await posts(member)).toEqual([]);
      await scene.settle(member, leased, "complete");
      const copy = await scene.receiveOne(member);
      expect(copy.postId).toBe(first);
      await scene.settle(member, copy, "complete");
      expect(await posts(member)).toEqual([second]);
      expect(await posts(quick)).toEqual([first]);
    });

    it("are recognised when they are repeated, by id and by key", async () => {
      const { scene, members, sender, name } = await arrange();
      const [member = ""] = members;
      const byId = scene.message(sender, `#${name}`, { messageId: scene.fresh("m"), payload: 1 });
      expect(await scene.store.broadcastMessage(byId)).toEqual({ messageId: byId.messageId, duplicate: false });
      expect(await scene.store.broadcastMessage(byId)).toEqual({ messageId: byId.messageId, duplicate: true });
      const key = scene.id("key");
      const byKey = scene.message(sender, `#${name}`, { payload: 2 }, key);
      const again = scene.message(sender, `#${name}`, { payload: 2 }, key);
      expect(await scene.store.broadcastMessage(byKey)).toEqual({ messageId: byKey.messageId, duplicate: false });
      expect(await scene.store.broadcastMessage(again)).toEqual({ messageId: byKey.messageId, duplicate: true });
      expect(await scene.peek(member)).toHaveLength(2);
      const { messageId } = byId;
      expect(await caught(scene.post(sender, name, { messageId, payload: 3 }))).toBe("IDEMPOTENCY_MISMATCH");
      expect(await caught(scene.post(member, name, { messageId, payload: 1 }))).toBe("ID_TAKEN");
      const differing = scene.message(sender, `#${name}`, { payload: 4 }, key);
      expect(await caught(scene.store.broadcastMessage(differing))).toBe("IDEMPOTENCY_MISMATCH");
      // Also by members that are not there any more, and when the channel is gone.
      await scene.store.deleteChannel(name);
      expect(await scene.store.broadcastMessage(byId)).toEqual({ messageId, duplicate: true });
    });

    it("of one id at once are one", async () => {
      const { scene, members, sender, name } = await arrange();
      const post = scene.message(sender, `#${name}`, { messageId: scene.fresh("m") });
      const replies = await Promise.all([1, 2, 3].map(() => scene.store.broadcastMessage(post)));
      expect(replies.map(({ duplicate }) => duplicate).sort()).toEqual([false, true, true]);
      expect(await scene.peek(members[0] ?? "")).toHaveLength(1);
    });

    it("need a broadcast channel and a registered sender", async () => {
      const { scene, members, sender, name } = await arrange();
      const queue = await scene.channel("work_queue", { members });
      expect(await caught(scene.post(sender, queue))).toBe("CHANNEL_NOT_FOUND");
      expect(await caught(scene.post(sender, scene.id("unknown")))).toBe("CHANNEL_NOT_FOUND");
      expect(await caught(scene.post(scene.id("nobody"), name))).toBe("AGENT_NOT_FOUND");
      await scene.store.deregisterAgent(sender);
      expect(await caught(scene.post(sender, name))).toBe("AGENT_DEREGISTERED");
      // Nor is a plain send taken for one: nobody would ever receive it.
      expect(await caught(scene.send(members[0] ?? "", `#${name}`))).toBe("CHANNEL_NOT_FOUND");
    });

    it("are bounded: the payload times the members", async () => {
      const scene = stage.scene();
      const sender = await scene.agent();
      const members = await Promise.all(Array.from({ length: 65 }, () => scene.agent()));
      const name = await scene.channel("broadcast", { members });
      const payload = "x".repeat(262_140);
      expect(await caught(scene.post(sender, name, { payload }))).toBe("PAYLOAD_TOO_LARGE");
      await scene.store.removeChannelMember(name, members[0] ?? "");
      expect(await caught(scene.post(sender, name, { payload }))).toBe("accepted");
      expect((await scene.receiveOne(members[1] ?? "")).payload).toBe(payload);
      expect(await scene.peek(members[0] ?? "")).toEqual([]);
    }, 120_000);

    it("wake every member that waits", async () => {
      const { scene, members, sender, name } = await arrange();
      const heard: string[] = [];
      const stop = scene.store.onDeliverable((agentId) => heard.push(agentId));
      await scene.post(sender, name);
      await eventually(() => members.every((member) => heard.includes(member)));
      stop();
      expect(heard).not.toContain(`#${name}`);
      expect((await scene.store.findDeliverable([...members, sender, `#${name}`])).sort()).toEqual(members.toSorted());
    });
  });

  it("broadcasts reach a thousand members at once", async () => {
    await withStore(open, {}, async (scene) => {
      const members = await Promise.all(Array.from({ length: 1_000 }, () => scene.agent()));
      const name = await scene.channel("broadcast", { members });
      await scene.post(members[0] ?? "", name, { orderingKey: "k" });
      const { byStatus } = await scene.store.queueStatistics();
      expect(byStatus).toMatchObject({ queued: 1_000, completed: 1 });
      expect(await scene.receive(members[999] ?? "")).toHaveLength(1);
    });
  }, 120_000);

  it("broadcasts are refused whole when one mailbox is full", async () => {
    await withStore(open, { maxMailbox: 2 }, async (scene: Scene) => {
      const [full, empty, sender] = [await scene.agent(), await scene.agent(), await scene.agent()];
      const name = await scene.channel("broadcast", { members: [full, empty] });
      await scene.post(sender, name);
      await scene.send(sender, full);
      expect(await caught(scene.post(sender, name))).toBe("MAILBOX_FULL");
      expect([(await scene.peek(full)).length, (await scene.peek(empty)).length]).toEqual([2, 1]);
      await scene.settle(full, await scene.receiveOne(full), "complete");
      expect(await caught(scene.post(sender, name))).toBe("accepted");
      await scene.store.deregisterAgent(full);
      expect(await caught(scene.post(sender, name))).toBe("MAILBOX_FULL");
      await scene.store.removeChannelMember(name, empty);
      expect(await caught(scene.post(sender, name))).toBe("accepted");
    });
  });

  it("broadcasts are purged like other messages, each when it has ended", async () => {
    await withStore(open, { messageRetentionDays: 7 }, async (scene) => {
      const [member, sender] = [await scene.agent(), await scene.agent()];
      const name = await scene.channel("broadcast", { members: [member] });
      const postId = await scene.post(sender, name);
      scene.advance(8 * DAY + MINUTE);
      expect((await scene.store.maintain()).messagesPurged).toBe(1);
      expect(await caught(scene.read(postId))).toBe("MESSAGE_NOT_FOUND");
      const copy = only(await scene.receive(member));
      expect(copy).toMatchObject({ postId, channel: name });
      await scene.settle(member, copy, "complete");
      scene.advance(8 * DAY);
      expect((await scene.store.maintain()).messagesPurged).toBe(1);
    });
  });
}
