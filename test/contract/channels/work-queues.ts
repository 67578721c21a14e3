import { describe, expect, it } from "@jest/globals";
import type { AgentRole } from "../../../src/lib/model/agent.ts";
import type { ChannelReader } from "../../../src/lib/store/store.ts";
import { type StoreFactory, useStore, withStore } from "../store-under-test.ts";
import { caught, eventually, HOUR, MINUTE, only, SECOND } from "../support.ts";

/** One mailbox whose members compete; leases, attempts, order and dead letters are those of an agent's own (section 6). */
export function workQueuesContract(open: StoreFactory): void {
  describe("work queues", () => {
    const stage = useStore(open);

    async function arrange() {
      const scene = stage.scene();
      const [a, b, sender] = [await scene.agent(), await scene.agent(), await scene.agent()];
      const channel = await scene.channel("work_queue", { members: [a, b] });
      const queue = `#${channel}`;
      return { scene, a, b, sender, channel, queue };
    }

    it("give each message to one member, which settles it", async () => {
      const { scene, a, b, sender, channel, queue } = await arrange();
      const ids = [await scene.send(sender, queue), await scene.send(sender, queue, { payload: "x".repeat(5_000) })];
      expect(await scene.read(ids[0] ?? "")).toMatchObject({ receiver: queue, channel, status: "queued" });
      const first = await scene.receiveOne(a, { channel });
      const second = await scene.receiveOne(b, { channel });
      expect([first.messageId, second.messageId]).toEqual(ids);
      expect(first).toMatchObject({ receiver: queue, channel, holder: a, attempt: 1, sender });
      expect(second).toMatchObject({ holder: b, payload: "x".repeat(5_000) });
      expect(await scene.receive(a, { channel })).toEqual([]);
      expect(await scene.settle(b, first, "complete")).toBe("lease_lost");
      expect(await scene.settle(a, first, "complete")).toBe("completed");
      expect(await scene.settle(a, first, "complete")).toBe("completed");
      expect(await scene.settle(a, first, "retry")).toBe("lease_lost");
      expect(await scene.settle(b, first, "complete")).toBe("lease_lost");
      expect(await scene.settle(b, second, "dead_letter", { reason: "broken" })).toBe("dead_lettered");
      expect(await scene.read(first.messageId)).toMatchObject({ status: "completed", holder: a });
      const dead = await scene.store.listDeadLetters({ receiver: queue, limit: 5 });
      expect(only(dead.items)).toMatchObject({ messageId: second.messageId, reason: "broken", holder: b, channel });
      expect(await scene.store.redriveDeadLetters({ filter: { receiver: queue }, dryRun: false })).toBe(1);
      expect(await scene.receiveOne(a, { channel })).toMatchObject({ attempt: 2, holder: a });
    });

    it("make a message that of its sender, and of who leased it last", async () => {
      const { scene, a, b, sender, channel, queue } = await arrange();
      const messageId = await scene.send(sender, queue);
      const is = (agentId: string) => scene.store.relationToMessage(agentId, messageId);
      expect([await is(sender), await is(a), await is(b)]).toEqual(["sent_by", undefined, undefined]);
      const held = await scene.receiveOne(a, { channel });
      expect([await is(sender), await is(a), await is(b)]).toEqual(["sent_by", "leased_by", undefined]);
      await scene.settle(a, held, "complete");
      expect(await is(a)).toBe("leased_by");
      const direct = await scene.send(sender, b);
      const relations = [sender, a, b].map((agentId) => scene.store.relationToMessage(agentId, direct));
      expect(await Promise.all(relations)).toEqual(["sent_by", undefined, "sent_to"]);
      expect(await scene.store.relationToMessage(scene.id("nobody"), direct)).toBeUndefined();
      expect(await scene.store.relationToMessage(b, scene.id("nothing"))).toBeUndefined();
    });

    it("are held on only by who may still read them, where that is asked", async () => {
      const { scene, a, b, sender, channel, queue } = await arrange();
      await scene.send(sender, queue);
      const { messageId, attempt } = await scene.receiveOne(a, { channel });
      const renewal = { agentId: a, messageId, attempt, leaseMilliseconds: MINUTE };
      const renew = (reader?: ChannelReader) => caught(scene.store.renewLease({ ...renewal, reader }));
      const reader = { agentId: a, role: "worker" } as const;
      expect(await renew(reader)).toBe("accepted");
      await scene.store.removeChannelMember(channel, a);
      expect(await renew(reader)).toBe("LEASE_LOST");
      // Rights to do something else, and those of others, are none to read.
      const grant = (to: { agentId: string } | { role: AgentRole }, right: "post" | "read") =>
        scene.store.putChannelGrant(channel, { ...to, post: right === "post", read: right === "read", manage: false });
      await grant({ agentId: a }, "post");
      await grant({ agentId: sender }, "read");
      await grant({ role: "supervisor" }, "read");
      expect(await renew(reader)).toBe("LEASE_LOST");
      await grant({ role: "worker" }, "read");
      expect([await renew(reader), await renew({ agentId: a, role: "observer" })]).toEqual(["accepted", "LEASE_LOST"]);
      await grant({ role: "worker" }, "post");
      expect(await renew(reader)).toBe("LEASE_LOST");
      await grant({ agentId: a }, "read");
      expect(await renew(reader)).toBe("accepted");
      await scene.store.deleteChannel(channel);
      expect([await renew(reader), await renew()]).toEqual(["LEASE_LOST", "accepted"]);
      // A mailbox of one's own has no other reader.
      const own = await scene.send(sender, b);
      const mine = await scene.receiveOne(b);
      const kept = { agentId: b, messageId: own, attempt: mine.attempt, leaseMilliseconds: MINUTE };
      expect(await scene.store.renewLease({ ...kept, reader: { agentId: b, role: "worker" } })).toMatchObject({
        status: "leased",
      });
    });

    it("do not mix with the mailboxes of their members", async () => {
      const { scene, a, sender, channel, queue } = await arrange();
      const own = await scene.send(sender, a);
      const shared = await scene.send(sender, queue);
      expect(await scene.receiveIds(a)).toEqual([own]);
      expect((await scene.receive(a, { channel, maxMessages: 5 })).map((message) => message.messageId)).toEqual([
        shared,
      ]);
      expect((await scene.read(own)).holder).toBeUndefined();
      expect((await scene.read(own)).channel).toBeUndefined();
    });

    it("take back what its holder could not read, and only from the holder", async () => {
      const { scene, a, b, sender, channel, queue } = await arrange();
      await scene.send(sender, queue);
      const first = await scene.receiveOne(a, { channel });
      const messages = [{ messageId: first.messageId, attempt: 1 }];
      await scene.store.giveBackMessages({ agentId: b, messages, delayMilliseconds: MINUTE });
      expect(await scene.read(first.messageId)).toMatchObject({ status: "leased", holder: a });
      await scene.store.giveBackMessages({ agentId: a, messages, delayMilliseconds: MINUTE });
      expect(await scene.read(first.messageId)).toMatchObject({ status: "queued" });
      expect(await scene.settle(a, first, "complete")).toBe("lease_lost");
      expect(await scene.receive(b, { channel })).toEqual([]);
      scene.advance(61 * SECOND);
      expect(await scene.receiveOne(b, { channel })).toMatchObject({ attempt: 2, holder: b });
    });

    it("take a message back when its lease ends, and give it to whoever asks next", async () => {
      const { scene, a, b, sender, channel, queue } = await arrange();
      await scene.send(sender, queue);
      const first = await scene.receiveOne(a, { channel, leaseMilliseconds: MINUTE });
      scene.advance(30 * SECOND);
      const { messageId, attempt } = first;
      const renewal = { messageId, attempt, leaseMilliseconds: MINUTE };
      expect(await caught(scene.store.renewLease({ ...renewal, agentId: b }))).toBe("LEASE_LOST");
      expect(await scene.store.renewLease({ ...renewal, agentId: a })).toMatchObject({ messageId, status: "leased" });
      scene.advance(50 * SECOND);
      expect(await scene.receive(b, { channel })).toEqual([]);
      scene.advance(11 * SECOND);
      const second = await scene.receiveOne(b, { channel });
      expect(second).toMatchObject({ messageId, attempt: 2, holder: b });
      expect(await scene.settle(a, first, "complete")).toBe("lease_lost");
      expect(await caught(scene.store.renewLease({ ...renewal, agentId: a }))).toBe("LEASE_LOST");
      expect(await scene.settle(b, second, "retry", { delayMilliseconds: 0 })).toBe("queued");
      expect(await scene.receiveOne(a, { channel })).toMatchObject({ attempt: 3, holder: a });
    });

    it("are swept like any mailbox: ended leases, last attempts, times to live", async () => {
      const { scene, a, sender, channel, queue } = await arrange();
      const last = await scene.send(sender, queue, { maxAttempts: 1, priority: "urgent" });
      const again = await scene.send(sender, queue, { priority: "high" });
      const late = await scene.send(sender, queue, { ttlSeconds: 30 });
      expect(await scene.receive(a, { channel, maxMessages: 2, leaseMilliseconds: MINUTE })).toHaveLength(2);
      await scene.pass(2 * MINUTE);
      expect(await scene.read(last)).toMatchObject({ status: "dead_lettered", reason: "MAX_ATTEMPTS" });
      expect([await scene.status(again), await scene.status(late)]).toEqual(["queued", "expired"]);
      expect((await scene.receiveOne(a, { channel })).attempt).toBe(2);
    });

    it("repeat a claim by its id, for the member that made it alone", async () => {
      const { scene, a, b, sender, channel, queue } = await arrange();
      for (let n = 0; n < 4; n++) await scene.send(sender, queue);
      const claimId = scene.id("claim");
      const claim = (agentId: string) => scene.receiveMany(agentId, { channel, claimId, maxMessages: 2 });
      const first = await claim(a);
      expect(await claim(a)).toEqual(first);
      const others = await claim(b);
      expect(new Set([...first, ...others]).size).toBe(4);
      expect(await claim(b)).toEqual(others);
      expect(await claim(a)).toEqual(first);
    });

    it("keep to ranks, ordering keys, delays, types and sizes", async () => {
      const { scene, a, b, sender, channel, queue } = await arrange();
      const take = (agentId: string, more: object = {}) => scene.receiveMany(agentId, { channel, ...more });
      const low = await scene.send(sender, queue, { priority: "low" });
      const one = await scene.send(sender, queue, { orderingKey: "k" });
      const two = await scene.send(sender, queue, { orderingKey: "k", priority: "urgent" });
      const typed = await scene.send(sender, queue, { type: `t_${scene.tag}`, delaySeconds: 30 });
      expect(await take(a, { maxMessages: 5 })).toEqual([one, low]);
      expect(await take(b, { maxMessages: 5 })).toEqual([]);
      await scene.settle(a, { messageId: one, attempt: 1 }, "complete");
      scene.advance(31 * SECOND);
      const plain = await scene.send(sender, queue, { priority: "urgent" });
      expect(await take(b, { types: [`t_${scene.tag}`], maxMessages: 5 })).toEqual([typed]);
      expect(await take(b, { maxMessages: 5, maxBytes: 1 })).toEqual([two]);
      expect(await take(a, { maxMessages: 5 })).toEqual([plain]);
    });

    it("show what waits, without leasing it", async () => {
      const { scene, sender, channel, queue } = await arrange();
      const ids = [await scene.send(sender, queue), await scene.send(sender, queue, { delaySeconds: 60 })];
      const waiting = await scene.peek(queue);
      expect(waiting.map(({ messageId }) => messageId)).toEqual(ids);
      expect(waiting[0]).toMatchObject({ channel, receiver: queue });
      expect(await caught(scene.peek(`#${scene.id("unknown")}`))).toBe("CHANNEL_NOT_FOUND");
    });

    it("take batches that are for agents as well, all or none, and know repeats", async () => {
      const { scene, a, sender, channel, queue } = await arrange();
      const batch = [scene.message(sender, queue), scene.message(sender, a), scene.message(sender, queue)];
      const replies = batch.map(({ messageId }) => ({ messageId, duplicate: false }));
      expect(await scene.store.sendMessages(batch)).toEqual(replies);
      expect(await scene.store.sendMessages(batch)).toEqual(replies.map((reply) => ({ ...reply, duplicate: true })));
      const broadcast = await scene.channel("broadcast", { members: [a] });
      const mixed = [scene.message(sender, queue), scene.message(sender, `#${broadcast}`)];
      expect(await caught(scene.store.sendMessages(mixed))).toBe("CHANNEL_NOT_FOUND");
      const lost = [scene.message(sender, queue), scene.message(sender, `#${scene.id("unknown")}`)];
      expect(await caught(scene.store.sendMessages(lost))).toBe("CHANNEL_NOT_FOUND");
      expect(await scene.receive(a, { channel, maxMessages: 10 })).toHaveLength(2);
    });

    it("are not there for who is not, and broadcast channels are none", async () => {
      const { scene, a, channel } = await arrange();
      const broadcast = await scene.channel("broadcast", { members: [a] });
      expect(await caught(scene.claim(a, { channel: broadcast }))).toBe("CHANNEL_NOT_FOUND");
      expect(await caught(scene.claim(a, { channel: scene.id("unknown") }))).toBe("CHANNEL_NOT_FOUND");
      expect(await caught(scene.claim(scene.id("nobody"), { channel }))).toBe("AGENT_NOT_FOUND");
      await scene.store.deregisterAgent(a);
      expect(await caught(scene.claim(a, { channel }))).toBe("AGENT_DEREGISTERED");
    });

    it("tell who waits, by their own name", async () => {
      const { scene, a, sender, channel, queue } = await arrange();
      const heard: string[] = [];
      const stop = scene.store.onDeliverable((mailbox) => heard.push(mailbox));
      const awaited = async (act: () => Promise<unknown>) => {
        heard.length = 0;
        await act();
        await eventually(() => heard.includes(queue));
      };
      expect(await scene.store.findDeliverable([queue])).toEqual([]);
      await awaited(() => scene.send(sender, queue));
      expect(await scene.store.findDeliverable([queue, a])).toEqual([queue]);
      const leased = await scene.receiveOne(a, { channel, leaseMilliseconds: MINUTE });
      expect(await scene.store.findDeliverable([queue])).toEqual([]);
      await awaited(() => scene.settle(a, leased, "retry", { delayMilliseconds: 0 }));
      const ahead = await scene.send(sender, queue, { orderingKey: "k", priority: "urgent" });
      await scene.send(sender, queue, { orderingKey: "k", priority: "urgent" });
      const keyed = await scene.receiveOne(a, { channel, leaseMilliseconds: MINUTE });
      expect(keyed.messageId).toBe(ahead);
      await awaited(() => scene.settle(a, keyed, "complete"));
      await scene.receive(a, { channel, maxMessages: 5, leaseMilliseconds: MINUTE });
      scene.advance(2 * MINUTE);
      expect(await scene.store.findDeliverable([queue])).toEqual([queue]);
      await awaited(() => scene.store.sweep());
      stop();
    });

    it("give none twice to members that ask at once", async () => {
      const { scene, sender, channel, queue } = await arrange();
      const members = await Promise.all(Array.from({ length: 8 }, () => scene.agent()));
      const messages = Array.from({ length: 40 }, () => scene.message(sender, queue));
      await scene.store.sendMessages(messages);
      const claims = await Promise.all(
        [...members, ...members].map((agentId, n) => scene.claim(agentId, { channel, maxMessages: 1 + (n % 3) })),
      );
      const rest: string[] = [];
      await eventually(async () => {
        const more = await scene.receiveMany(members[0] ?? "", { channel, maxMessages: 50 });
        rest.push(...more);
        return more.length === 0 && rest.length + claims.flatMap((claim) => claim.messages).length >= 40;
      });
      const taken = [...claims.flatMap(({ messages: got }) => got.map(({ messageId }) => messageId)), ...rest];
      expect(taken.toSorted()).toEqual(messages.map(({ messageId }) => messageId).sort());
    });
  });

  describe("work queues and agents", () => {
    it("a claim is a heartbeat of the member", async () => {
      await withStore(open, { heartbeatIntervalSeconds: 30, heartbeatTimeoutSeconds: 90 }, async (scene) => {
        const [member, sender] = [await scene.agent(), await scene.agent()];
        const channel = await scene.channel("work_queue", { members: [member] });
        scene.advance(60 * SECOND);
        await scene.claim(member, { channel });
        await scene.pass(60 * SECOND);
        expect((await scene.store.getAgent(member)).status).toBe("active");
        expect((await scene.store.getAgent(sender)).status).toBe("inactive");
        await scene.pass(60 * SECOND);
        expect((await scene.store.getAgent(member)).status).toBe("inactive");
        await scene.claim(member, { channel });
        expect((await scene.store.getAgent(member)).status).toBe("active");
        await scene.store.heartbeat({ agentId: sender });
        await scene.send(sender, `#${channel}`);
        const leased = await scene.receiveOne(member, { channel, leaseMilliseconds: HOUR });
        await scene.pass(100 * SECOND);
        expect((await scene.store.getAgent(member)).status).toBe("inactive");
        expect(await scene.settle(member, leased, "complete")).toBe("completed");
        expect((await scene.store.getAgent(member)).status).toBe("active");
      });
    });

    it("its mailbox has the same limit as an agent's", async () => {
      await withStore(open, { maxMailbox: 2 }, async (scene) => {
        const [member, sender] = [await scene.agent(), await scene.agent()];
        const channel = await scene.channel("work_queue", { members: [member] });
        for (let n = 0; n < 2; n++) await scene.send(sender, `#${channel}`);
        expect(await caught(scene.send(sender, `#${channel}`))).toBe("MAILBOX_FULL");
        const leased = await scene.receiveOne(member, { channel });
        expect(await caught(scene.send(sender, `#${channel}`))).toBe("MAILBOX_FULL");
        await scene.settle(member, leased, "complete");
        expect(await caught(scene.send(sender, `#${channel}`))).toBe("accepted");
        expect(await scene.store.queueStatistics()).toMatchObject({ byStatus: { queued: 2, leased: 0, completed: 1 } });
      });
    });

    it("a member that leaves keeps what it has leased, until the lease ends", async () => {
      await withStore(open, {}, async (scene) => {
        const [member, sender] = [await scene.agent(), await scene.agent()];
        const channel = await scene.channel("work_queue", { members: [member] });
        for (let n = 0; n < 2; n++) await scene.send(sender, `#${channel}`);
        const [one, two] = await scene.receive(member, { channel, maxMessages: 2 });
        if (one === undefined || two === undefined) throw new Error("two were sent");
        await scene.store.removeChannelMember(channel, member);
        expect(await scene.settle(member, one, "complete")).toBe("completed");
        await scene.store.deregisterAgent(member);
        expect(await caught(scene.settle(member, two, "complete"))).toBe("AGENT_DEREGISTERED");
        scene.advance(2 * MINUTE);
        const other = await scene.agent();
        expect(await scene.receiveOne(other, { channel })).toMatchObject({ messageId: two.messageId, attempt: 2 });
      });
    });

    it("lists keep the holder out of ordinary mailboxes", async () => {
      await withStore(open, {}, async (scene) => {
        const [a, b] = [await scene.agent(), await scene.agent()];
        await scene.send(a, b);
        const leased = await scene.receiveOne(b);
        expect(leased).not.toHaveProperty("holder");
        expect(await scene.settle(a, leased, "complete")).toBe("lease_lost");
      });
    });
  });
}
