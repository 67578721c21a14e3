import { describe, expect, it } from "@jest/globals";
import { type StoreFactory, useStore } from "../store-under-test.ts";
import { at, caught, HOUR, MINUTE, only, SECOND } from "../support.ts";

/** Receiving under a lease: what is delivered, for how long, to whom (design sections 3.2 and 4, Message). */
export function claimsContract(open: StoreFactory): void {
  describe("claims", () => {
    const stage = useStore(open);

    async function pair() {
      const scene = stage.scene();
      return { scene, sender: await scene.agent(), receiver: await scene.agent() };
    }

    it("an empty mailbox gives nothing, an unknown agent is refused", async () => {
      const { scene, receiver } = await pair();
      expect(await scene.claim(receiver)).toEqual({ messages: [], unfinished: false });
      expect(await caught(scene.claim(scene.id("nobody")))).toBe("AGENT_NOT_FOUND");
    });

    it("a claim leases the message for the time asked, raising its attempt", async () => {
      const { scene, sender, receiver } = await pair();
      const messageId = await scene.send(sender, receiver, { payload: { a: 1 } });
      const before = scene.store.now();
      const leased = await scene.receiveOne(receiver, { leaseMilliseconds: 90 * SECOND });
      const after = scene.store.now();
      expect(leased).toMatchObject({ messageId, sender, receiver, status: "leased", attempt: 1, payload: { a: 1 } });
      expect(at(leased.leaseExpiresAt)).toBeGreaterThanOrEqual(before + 90 * SECOND);
      expect(at(leased.leaseExpiresAt)).toBeLessThanOrEqual(after + 90 * SECOND);
      expect(await scene.read(messageId)).toEqual(leased);
    });

    it("a leased message is delivered to nobody else until its lease ends", async () => {
      const { scene, sender, receiver } = await pair();
      const messageId = await scene.send(sender, receiver);
      await scene.receiveOne(receiver, { leaseMilliseconds: MINUTE });
      expect(await scene.receiveIds(receiver)).toEqual([]);
      await scene.pass(50 * SECOND);
      expect(await scene.receiveIds(receiver)).toEqual([]);
      scene.advance(11 * SECOND);
      expect(await scene.receiveOne(receiver)).toMatchObject({ messageId, attempt: 2 });
    });

    it("only the receiver's claims deliver", async () => {
      const { scene, sender, receiver } = await pair();
      await scene.send(sender, receiver);
      expect(await scene.receiveIds(sender)).toEqual([]);
    });

    it("gives at most maxMessages", async () => {
      const { scene, sender, receiver } = await pair();
      const ids: string[] = [];
      for (let i = 0; i < 5; i++) ids.push(await scene.send(sender, receiver));
      expect((await scene.receive(receiver, { maxMessages: 2 })).map((m) => m.messageId)).toEqual(ids.slice(0, 2));
      expect((await scene.receive(receiver, { maxMessages: 50 })).map((m) => m.messageId)).toEqual(ids.slice(2));
    });

    it("gives at most maxBytes of payload, but never holds back the first", async () => {
      const { scene, sender, receiver } = await pair();
      const payload = "x".repeat(998);
      const ids: string[] = [];
      for (let i = 0; i < 6; i++) ids.push(await scene.send(sender, receiver, { payload }));
      const first = await scene.receive(receiver, { maxMessages: 50, maxBytes: 10 });
      expect(first.map((message) => message.messageId)).toEqual(ids.slice(0, 1));
      const two = await scene.receive(receiver, { maxMessages: 50, maxBytes: 2_999 });
      expect(two.map((message) => message.messageId)).toEqual(ids.slice(1, 3));
      const rest = await scene.receive(receiver, { maxMessages: 50, maxBytes: 3_000 });
      expect(rest.map((message) => message.messageId)).toEqual(ids.slice(3));
    });

    it("counts maxBytes in bytes of UTF-8, not in characters", async () => {
      const { scene, sender, receiver } = await pair();
      // 302 bytes of JSON each, in 102 characters.
      for (let i = 0; i < 10; i++) await scene.send(sender, receiver, { payload: "€".repeat(100) });
      expect(await scene.receive(receiver, { maxMessages: 50, maxBytes: 1_000 })).toHaveLength(3);
      expect(await scene.receive(receiver, { maxMessages: 50, maxBytes: 1_208 })).toHaveLength(4);
    });

    it("gives only the types asked for, in delivery order", async () => {
      const { scene, sender, receiver } = await pair();
      const query = await scene.send(sender, receiver, { type: "query" });
      const other = await scene.send(sender, receiver, { type: "notification", priority: "high" });
      const custom = await scene.send(sender, receiver, { type: "my.type", priority: "high" });
      const types = ["query", "my.type", "never.sent"];
      const got = await scene.receive(receiver, { maxMessages: 50, types });
      expect(got.map((message) => message.messageId)).toEqual([custom, query]);
      expect(await scene.receive(receiver, { maxMessages: 50, types: ["never.sent"] })).toEqual([]);
      expect(await scene.receiveIds(receiver)).toEqual([other]);
    });

    it("leases a message once where a type is asked for twice", async () => {
      const { scene, sender, receiver } = await pair();
      const ids = [await scene.send(sender, receiver, { type: "query" })];
      ids.push(await scene.send(sender, receiver, { type: "query" }));
      const leased = await scene.receive(receiver, { maxMessages: 50, types: ["query", "my.type", "query"] });
      expect(leased.map(({ messageId, attempt }) => [messageId, attempt])).toEqual(ids.map((id) => [id, 1]));
      for (const messageId of ids) expect((await scene.read(messageId)).attempt).toBe(1);
    });

    it("delivers a delayed message when its time has come", async () => {
      const { scene, sender, receiver } = await pair();
      const delayed = await scene.send(sender, receiver, { delaySeconds: 100 });
      const deliverAt = new Date(scene.store.now() + 200 * SECOND).toISOString();
      const dated = await scene.send(sender, receiver, { deliverAt });
      const message = await scene.read(delayed);
      expect(at(message.availableAt)).toBe(at(message.acceptedAt) + 100 * SECOND);
      expect((await scene.read(dated)).availableAt).toBe(deliverAt);
      expect(await scene.receiveIds(receiver)).toEqual([]);
      scene.advance(90 * SECOND);
      expect(await scene.receiveIds(receiver)).toEqual([]);
      scene.advance(11 * SECOND);
      expect(await scene.receiveIds(receiver)).toEqual([delayed]);
      scene.advance(100 * SECOND);
      expect(await scene.receiveIds(receiver)).toContain(dated);
    });

    it("takes a deliverAt in the past as now", async () => {
      const { scene, sender, receiver } = await pair();
      const now = await scene.send(sender, receiver);
      const past = await scene.send(sender, receiver, { deliverAt: "2001-01-01T00:00:00Z" });
      const message = await scene.read(past);
      expect(at(message.availableAt)).toBe(at(message.acceptedAt));
      expect(await scene.receiveIds(receiver)).toEqual([now, past]);
    });

    it("takes a deliverAt with a zone as that instant", async () => {
      const { scene, sender, receiver } = await pair();
      const messageId = await scene.send(sender, receiver, { deliverAt: "2099-06-01T12:00:00+05:30" });
      expect(at((await scene.read(messageId)).availableAt)).toBe(Date.parse("2099-06-01T06:30:00Z"));
    });

    describe("an ended lease", () => {
      it("gives the message back in its old place", async () => {
        const { scene, sender, receiver } = await pair();
        const first = await scene.send(sender, receiver);
        await scene.receiveOne(receiver, { leaseMilliseconds: 10 * SECOND });
        const second = await scene.send(sender, receiver);
        scene.advance(11 * SECOND);
        expect(await scene.receiveIds(receiver)).toEqual([first, second]);
      });

      it("is recorded by the sweep", async () => {
        const { scene, sender, receiver } = await pair();
        await scene.store.sweep();
        const messageId = await scene.send(sender, receiver);
        await scene.receiveOne(receiver, { leaseMilliseconds: 10 * SECOND });
        scene.advance(11 * SECOND);
        expect((await scene.store.sweep()).leasesEnded).toBeGreaterThanOrEqual(1);
        const message = await scene.read(messageId);
        expect(message).toMatchObject({ status: "queued", attempt: 1 });
        expect(message).not.toHaveProperty("leaseExpiresAt");
        expect((await scene.store.sweep()).leasesEnded).toBe(0);
      });

      it("at maxAttempts is a dead letter, whether a claim or the sweep meets it", async () => {
        const { scene, sender, receiver } = await pair();
        const swept = await scene.send(sender, receiver, { maxAttempts: 1 });
        await scene.receiveOne(receiver, { leaseMilliseconds: SECOND });
        await scene.pass(2 * SECOND);
        expect(await scene.read(swept)).toMatchObject({ status: "dead_lettered", attempt: 1, reason: "MAX_ATTEMPTS" });
        const met = await scene.send(sender, receiver, { maxAttempts: 2 });
        for (let attempt = 1; attempt <= 2; attempt++) {
          expect(await scene.receiveOne(receiver, { leaseMilliseconds: SECOND })).toMatchObject({ attempt });
          scene.advance(2 * SECOND);
        }
        expect(await scene.receive(receiver)).toEqual([]);
        await scene.store.sweep();
        expect(await scene.read(met)).toMatchObject({ status: "dead_lettered", attempt: 2, reason: "MAX_ATTEMPTS" });
      });

      it("never gives more than maxAttempts deliveries", async () => {
        const { scene, sender, receiver } = await pair();
        await scene.send(sender, receiver, { maxAttempts: 3 });
        let deliveries = 0;
        for (let round = 0; round < 6; round++) {
          deliveries += (await scene.receive(receiver, { leaseMilliseconds: SECOND })).length;
          scene.advance(2 * SECOND);
          if (round % 2 === 1) await scene.store.sweep();
        }
        expect(deliveries).toBe(3);
      });
    });

    describe("time to live", () => {
      it("keeps a message from being delivered, and reads as expired at once", async () => {
        const { scene, sender, receiver } = await pair();
        const short = await scene.send(sender, receiver, { ttlSeconds: 30 });
        const long = await scene.send(sender, receiver, { ttlSeconds: 300 });
        scene.advance(31 * SECOND);
        expect(await scene.status(short)).toBe("expired");
        expect((await scene.peek(receiver)).map((message) => message.messageId)).toEqual([long]);
        expect((await scene.store.heartbeat({ agentId: receiver })).pendingMessages).toBe(1);
        expect(await scene.receiveIds(receiver)).toEqual([long]);
      });

      it("counts from acceptance, so it can end before the delay does", async () => {
        const { scene, sender, receiver } = await pair();
        const messageId = await scene.send(sender, receiver, { ttlSeconds: 30, delaySeconds: 60 });
        await scene.pass(61 * SECOND);
        expect(await scene.receiveIds(receiver)).toEqual([]);
        expect(await scene.status(messageId)).toBe("expired");
      });

      it("does not take a message from whoever holds it", async () => {
        const { scene, sender, receiver } = await pair();
        const messageId = await scene.send(sender, receiver, { ttlSeconds: 30 });
        const leased = await scene.receiveOne(receiver, { leaseMilliseconds: HOUR });
        await scene.pass(MINUTE);
        expect(await scene.status(messageId)).toBe("leased");
        expect(await scene.settle(receiver, leased, "complete")).toBe("completed");
        await scene.store.sweep();
        expect(await scene.status(messageId)).toBe("completed");
      });

      it("expires a message whose lease ends, or that is returned, after it", async () => {
        const { scene, sender, receiver } = await pair();
        const ended = await scene.send(sender, receiver, { ttlSeconds: 30 });
        await scene.receiveOne(receiver, { leaseMilliseconds: MINUTE });
        const returned = await scene.send(sender, receiver, { ttlSeconds: 30 });
        const leased = await scene.receiveOne(receiver, { leaseMilliseconds: HOUR });
        expect(leased.messageId).toBe(returned);
        scene.advance(61 * SECOND);
        await scene.settle(receiver, leased, "retry", { delayMilliseconds: 0 });
        expect(await scene.receiveIds(receiver)).toEqual([]);
        await scene.store.sweep();
        expect([await scene.status(ended), await scene.status(returned)]).toEqual(["expired", "expired"]);
        expect(await scene.settle(receiver, leased, "complete")).toBe("lease_lost");
      });

      it("is recorded by the sweep, once", async () => {
        const { scene, sender, receiver } = await pair();
        await scene.store.sweep();
        const ids = [
          await scene.send(sender, receiver, { ttlSeconds: 1 }),
          await scene.send(sender, receiver, { ttlSeconds: 1 }),
        ];
        scene.advance(2 * SECOND);
        expect((await scene.store.sweep()).messagesExpired).toBe(2);
        expect((await scene.store.sweep()).messagesExpired).toBe(0);
        for (const id of ids) {
          const message = await scene.read(id);
          expect(message.status).toBe("expired");
          expect(at(message.endedAt)).toBeGreaterThanOrEqual(at(message.expiresAt));
        }
      });
    });

    describe("a claim id", () => {
      it("first returns what it already leased, unchanged", async () => {
        const { scene, sender, receiver } = await pair();
        const ids: string[] = [];
        for (let i = 0; i < 5; i++) ids.push(await scene.send(sender, receiver));
        const claimId = scene.id("claim");
        const first = await scene.receive(receiver, { maxMessages: 3, claimId });
        const repeat = await scene.receive(receiver, { maxMessages: 3, claimId });
        expect(repeat).toEqual(first);
        expect(first.map((message) => message.attempt)).toEqual([1, 1, 1]);
        const other = await scene.receive(receiver, { maxMessages: 50, claimId: scene.id("other") });
        expect(other.map((message) => message.messageId)).toEqual(ids.slice(3));
      });

      it("repeated keeps the delivery order", async () => {
        const { scene, sender, receiver } = await pair();
        for (const priority of ["low", "urgent", "normal"] as const) await scene.send(sender, receiver, { priority });
        const claimId = scene.id("claim");
        const first = await scene.receive(receiver, { maxMessages: 3, claimId });
        expect(await scene.receive(receiver, { maxMessages: 3, claimId })).toEqual(first);
      });

      it("does not return what was settled since, and takes new ones only when it holds nothing any more", async () => {
        const { scene, sender, receiver } = await pair();
        const ids: string[] = [];
        for (let i = 0; i < 4; i++) ids.push(await scene.send(sender, receiver));
        const claimId = scene.id("claim");
        const [a, b] = await scene.receive(receiver, { maxMessages: 2, claimId });
        if (a === undefined || b === undefined) throw new Error("two messages were sent");
        await scene.settle(receiver, a, "complete");
        expect(await scene.receive(receiver, { maxMessages: 2, claimId })).toEqual([b]);
        expect(await Promise.all(ids.map((id) => scene.status(id)))).toEqual([
          "completed",
          "leased",
          "queued",
          "queued",
        ]);
        await scene.settle(receiver, b, "complete");
        expect(await scene.receiveMany(receiver, { maxMessages: 2, claimId })).toEqual(ids.slice(2));
      });

      it("repeated after the lease has ended takes the message anew: another attempt, another lease", async () => {
        const { scene, sender, receiver } = await pair();
        const messageId = await scene.send(sender, receiver);
        const claimId = scene.id("claim");
        const first = await scene.receiveOne(receiver, { leaseMilliseconds: 10 * SECOND, claimId });
        scene.advance(11 * SECOND);
        const again = await scene.receiveOne(receiver, { leaseMilliseconds: 10 * SECOND, claimId });
        expect(again).toMatchObject({ messageId, attempt: 2 });
        expect(at(again.leaseExpiresAt)).toBeGreaterThanOrEqual(at(first.leaseExpiresAt) + 11 * SECOND);
        expect(await scene.settle(receiver, first, "complete")).toBe("lease_lost");
        expect(await scene.settle(receiver, again, "complete")).toBe("completed");
      });

      it("of another agent's claim leads to nothing of that agent's", async () => {
        const { scene, sender, receiver } = await pair();
        await scene.send(sender, receiver);
        const claimId = scene.id("claim");
        await scene.receive(receiver, { claimId });
        expect(await scene.receive(sender, { claimId })).toEqual([]);
      });

      it("raises no attempt when it is repeated at once, however often", async () => {
        const { scene, sender, receiver } = await pair();
        const messageId = await scene.send(sender, receiver);
        const claimId = scene.id("claim");
        const replies = await Promise.all(Array.from({ length: 6 }, () => scene.receive(receiver, { claimId })));
        for (const reply of replies) expect(only(reply)).toMatchObject({ messageId, attempt: 1 });
      });
    });

    describe("peeking", () => {
      it("shows what waits, due or not, in delivery order, and leases nothing", async () => {
        const { scene, sender, receiver } = await pair();
        const low = await scene.send(sender, receiver, { priority: "low" });
        const delayed = await scene.send(sender, receiver, { delaySeconds: 3_600 });
        const high = await scene.send(sender, receiver, { priority: "high" });
        const before = await scene.peek(receiver);
        expect(before.map((message) => message.messageId)).toEqual([high, low, delayed]);
        expect(before.every((message) => message.status === "queued" && message.attempt === 0)).toBe(true);
        expect(await scene.peek(receiver)).toEqual(before);
        expect(await scene.receiveIds(receiver)).toEqual([high, low]);
        expect((await scene.peek(receiver)).map((message) => message.messageId)).toEqual([delayed]);
      });

      it("shows what waits behind its key", async () => {
        const { scene, sender, receiver } = await pair();
        const head = await scene.send(sender, receiver, { orderingKey: "k" });
        const behind = await scene.send(sender, receiver, { orderingKey: "k" });
        expect((await scene.peek(receiver)).map((message) => message.messageId)).toEqual([head, behind]);
        await scene.receiveOne(receiver);
        expect((await scene.peek(receiver)).map((message) => message.messageId)).toEqual([behind]);
      });
    });

    it("concurrent claims never deliver the same message twice", async () => {
      const { scene, sender, receiver } = await pair();
      for (let batch = 0; batch < 2; batch++) {
        await scene.store.sendMessages(Array.from({ length: 100 }, () => scene.message(sender, receiver)));
      }
      const claims = await Promise.all(Array.from({ length: 30 }, () => scene.receive(receiver, { maxMessages: 7 })));
      const ids = claims.flat().map((message) => message.messageId);
      expect(ids).toHaveLength(200);
      expect(new Set(ids).size).toBe(200);
    });

    it("draining and inactive agents receive", async () => {
      const { scene, sender, receiver } = await pair();
      await scene.store.heartbeat({ agentId: receiver, status: "draining" });
      const messageId = await scene.send(sender, receiver);
      expect(await scene.receiveIds(receiver)).toEqual([messageId]);
      expect((await scene.store.getAgent(receiver)).status).toBe("draining");
    });

    it("finds what is due behind many ended and expired rows, working off 500 expired ones at a time", async () => {
      const { scene, sender, receiver } = await pair();
      const send = async (count: number, ttlSeconds: number): Promise<string[]> => {
        const messages = Array.from({ length: count }, () =>
          scene.message(sender, receiver, { ttlSeconds, priority: "urgent" }),
        );
        await scene.store.sendMessages(messages);
        return messages.map((message) => message.messageId);
      };
      await send(100, HOUR / SECOND);
      for (let batch = 0; batch < 2; batch++) {
        const settlements = (await scene.receive(receiver, { maxMessages: 50 })).map(({ messageId, attempt }) => ({
          messageId,
          attempt,
          outcome: "complete" as const,
        }));
        expect(settlements).toHaveLength(50);
        await scene.store.settleMessages(receiver, settlements);
      }
      const expired: string[] = [];
      for (let batch = 0; batch < 6; batch++) expired.push(...(await send(100, 5)));
      const due = await scene.send(sender, receiver, { priority: "low" });
      scene.advance(6 * SECOND);
      expect(await scene.claim(receiver, { maxMessages: 50 })).toEqual({ messages: [], unfinished: true });
      expect((await scene.claim(receiver, { maxMessages: 1 })).messages.map((message) => message.messageId)).toEqual([
        due,
      ]);
      for (const messageId of expired) {
        const { status, endedAt } = await scene.read(messageId);
        expect([messageId, status, endedAt === undefined]).toEqual([messageId, "expired", false]);
      }
    });
  });
}
