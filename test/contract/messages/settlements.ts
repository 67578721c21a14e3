import { describe, expect, it } from "@jest/globals";
import type { LeasedMessage } from "../../../src/lib/model/message.ts";
import { type StoreFactory, useStore } from "../store-under-test.ts";
import { at, caught, HOUR, MINUTE, type Scene, SECOND } from "../support.ts";

const OUTCOMES = [
  ["complete", "completed"],
  ["retry", "queued"],
  ["dead_letter", "dead_lettered"],
] as const;

/** Settling and renewing leases, and the fence around both (design sections 3.2, 3.3 and 4, Message). */
export function settlementsContract(open: StoreFactory): void {
  describe("settlements", () => {
    const stage = useStore(open);

    interface Delivery {
      scene: Scene;
      sender: string;
      receiver: string;
      leased: LeasedMessage;
    }

    /** A message in the hands of its receiver, for a minute. */
    async function delivered(maxAttempts = 5): Promise<Delivery> {
      const scene = stage.scene();
      const [sender, receiver] = [await scene.agent(), await scene.agent()];
      await scene.send(sender, receiver, { maxAttempts });
      return { scene, sender, receiver, leased: await scene.receiveOne(receiver) };
    }

    const renewal = ({ receiver, leased }: Delivery, leaseMilliseconds = MINUTE) => ({
      agentId: receiver,
      messageId: leased.messageId,
      attempt: leased.attempt,
      leaseMilliseconds,
    });

    it.each(OUTCOMES)("%s makes the message %s", async (outcome, status) => {
      const { scene, receiver, leased } = await delivered();
      expect(await scene.settle(receiver, leased, outcome)).toBe(status);
      const message = await scene.read(leased.messageId);
      expect(message).toMatchObject({ status, attempt: 1 });
      expect(message).not.toHaveProperty("leaseExpiresAt");
      expect(message.endedAt === undefined).toBe(outcome === "retry");
    });

    it.each(OUTCOMES)("%s repeated gets the first answer and changes nothing", async (outcome, status) => {
      const { scene, receiver, leased } = await delivered();
      await scene.settle(receiver, leased, outcome, outcome === "complete" ? {} : { reason: "first" });
      const before = await scene.read(leased.messageId);
      scene.advance(5 * MINUTE);
      const again = outcome === "complete" ? {} : { reason: "second" };
      expect(await scene.settle(receiver, leased, outcome, again)).toBe(status);
      expect(await scene.read(leased.messageId)).toEqual(before);
    });

    it.each(OUTCOMES)("after %s (%s) any other outcome is lease_lost and changes nothing", async (outcome, _status) => {
      const { scene, receiver, leased } = await delivered();
      await scene.settle(receiver, leased, outcome, { delayMilliseconds: HOUR });
      const before = await scene.read(leased.messageId);
      for (const [other] of OUTCOMES) {
        if (other === outcome) continue;
        expect(await scene.settle(receiver, leased, other)).toBe("lease_lost");
      }
      expect(await caught(scene.store.renewLease(renewal({ scene, sender: "", receiver, leased })))).toBe("LEASE_LOST");
      expect(await scene.read(leased.messageId)).toEqual(before);
    });

    it("unknown messages are not_found, unknown agents are refused", async () => {
      const { scene, receiver, leased } = await delivered();
      expect(await scene.settle(receiver, { messageId: scene.id("no"), attempt: 1 }, "complete")).toBe("not_found");
      expect(await caught(scene.settle(scene.id("nobody"), leased, "complete"))).toBe("AGENT_NOT_FOUND");
      const unknown = { ...renewal({ scene, sender: "", receiver, leased }), messageId: scene.id("no") };
      expect(await caught(scene.store.renewLease(unknown))).toBe("MESSAGE_NOT_FOUND");
      const nobody = { ...renewal({ scene, sender: "", receiver, leased }), agentId: scene.id("nobody") };
      expect(await caught(scene.store.renewLease(nobody))).toBe("AGENT_NOT_FOUND");
    });

    describe("the fence", () => {
      it("a stale attempt writes nothing", async () => {
        const delivery = await delivered();
        const { scene, receiver, leased } = delivery;
        scene.advance(61 * SECOND);
        const current = await scene.receiveOne(receiver);
        expect(current).toMatchObject({ messageId: leased.messageId, attempt: 2 });
        for (const [outcome] of OUTCOMES) {
          expect(await scene.settle(receiver, leased, outcome, { reason: "late" })).toBe("lease_lost");
        }
        expect(await caught(scene.store.renewLease(renewal(delivery)))).toBe("LEASE_LOST");
        expect(await scene.read(leased.messageId)).toEqual(current);
        expect(await scene.settle(receiver, current, "complete")).toBe("completed");
        expect(await scene.settle(receiver, leased, "complete")).toBe("lease_lost");
      });

      it("an attempt that has not been given yet writes nothing", async () => {
        const { scene, sender, receiver, leased } = await delivered();
        expect(await scene.settle(receiver, { messageId: leased.messageId, attempt: 2 }, "complete")).toBe(
          "lease_lost",
        );
        const queued = await scene.send(sender, receiver);
        expect(await scene.settle(receiver, { messageId: queued, attempt: 1 }, "complete")).toBe("lease_lost");
        expect(await scene.read(queued)).toMatchObject({ status: "queued", attempt: 0 });
      });

      it("another agent writes nothing", async () => {
        const { scene, sender, receiver, leased } = await delivered();
        for (const [outcome] of OUTCOMES) expect(await scene.settle(sender, leased, outcome)).toBe("lease_lost");
        const { messageId, attempt } = leased;
        const theft = { agentId: sender, messageId, attempt, leaseMilliseconds: HOUR };
        expect(await caught(scene.store.renewLease(theft))).toBe("LEASE_LOST");
        expect(await scene.read(messageId)).toEqual(leased);
        expect(await scene.settle(receiver, leased, "complete")).toBe("completed");
        expect(await scene.settle(sender, leased, "complete")).toBe("lease_lost");
      });

      it("a late call by the current attempt counts until the store has taken the message back", async () => {
        const late = await delivered();
        late.scene.advance(2 * MINUTE);
        expect(await late.scene.settle(late.receiver, late.leased, "complete")).toBe("completed");
        const swept = await delivered();
        await swept.scene.pass(2 * MINUTE);
        expect(await swept.scene.settle(swept.receiver, swept.leased, "complete")).toBe("lease_lost");
        expect(await swept.scene.status(swept.leased.messageId)).toBe("queued");
      });

      it("the attempt never decreases, over retries, ended leases and redrives", async () => {
        const { scene, receiver, leased } = await delivered(2);
        const { messageId } = leased;
        const attempts = [leased.attempt];
        await scene.settle(receiver, leased, "retry", { delayMilliseconds: 0 });
        attempts.push((await scene.receiveOne(receiver)).attempt);
        await scene.pass(2 * MINUTE);
        expect(await scene.status(messageId)).toBe("dead_lettered");
        await scene.store.redriveDeadLetters({ messageIds: [messageId], dryRun: false });
        attempts.push((await scene.receiveOne(receiver)).attempt);
        expect(attempts).toEqual([1, 2, 3]);
        expect(await scene.settle(receiver, leased, "retry")).toBe("lease_lost");
      });

      it("of different outcomes at once exactly one wins", async () => {
        const { scene, receiver, leased } = await delivered();
        const statuses = await Promise.all(OUTCOMES.map(([outcome]) => scene.settle(receiver, leased, outcome)));
        expect(statuses.filter((status) => status === "lease_lost")).toHaveLength(2);
        const won = statuses.find((status) => status !== "lease_lost");
        expect(await scene.status(leased.messageId)).toBe(won);
      });
    });

    describe("renewing", () => {
      it("moves the end of the lease to now and that much", async () => {
        const delivery = await delivered();
        const { scene, receiver, leased } = delivery;
        scene.advance(50 * SECOND);
        const before = scene.store.now();
        const reply = await scene.store.renewLease(renewal(delivery, 5 * MINUTE));
        expect(reply).toMatchObject({ messageId: leased.messageId, status: "leased" });
        expect(at(reply.leaseExpiresAt)).toBeGreaterThanOrEqual(before + 5 * MINUTE);
        expect(at(reply.leaseExpiresAt)).toBeLessThanOrEqual(scene.store.now() + 5 * MINUTE);
        await scene.pass(4 * MINUTE);
        expect(await scene.receive(receiver)).toEqual([]);
        expect(await scene.settle(receiver, leased, "complete")).toBe("completed");
      });

      it("may shorten the lease", async () => {
        const delivery = await delivered();
        await delivery.scene.store.renewLease(renewal(delivery, SECOND));
        delivery.scene.advance(2 * SECOND);
        expect(await delivery.scene.receiveOne(delivery.receiver)).toMatchObject({ attempt: 2 });
      });

      it("late counts until the store has taken the message back", async () => {
        const delivery = await delivered();
        const { scene, receiver, leased } = delivery;
        scene.advance(2 * MINUTE);
        expect(await caught(scene.store.renewLease(renewal(delivery, HOUR)))).toBe("accepted");
        await scene.store.sweep();
        expect(await scene.receive(receiver)).toEqual([]);
        expect(await scene.settle(receiver, leased, "complete")).toBe("completed");
        const swept = await delivered();
        await swept.scene.pass(2 * MINUTE);
        expect(await caught(swept.scene.store.renewLease(renewal(swept)))).toBe("LEASE_LOST");
      });
    });

    describe("retry", () => {
      it("with no delay puts the message back in its old place", async () => {
        const { scene, sender, receiver, leased } = await delivered();
        const later = await scene.send(sender, receiver);
        await scene.settle(receiver, leased, "retry", { delayMilliseconds: 0, reason: "not yet" });
        expect(await scene.read(leased.messageId)).toMatchObject({ status: "queued", reason: "not yet" });
        expect(await scene.receiveIds(receiver)).toEqual([leased.messageId, later]);
      });

      it("with a delay waits that long", async () => {
        const { scene, receiver, leased } = await delivered();
        const before = scene.store.now();
        await scene.settle(receiver, leased, "retry", { delayMilliseconds: 40 * SECOND });
        const available = at((await scene.read(leased.messageId)).availableAt);
        expect(available).toBeGreaterThanOrEqual(before + 40 * SECOND);
        expect(available).toBeLessThanOrEqual(scene.store.now() + 40 * SECOND);
        scene.advance(30 * SECOND);
        expect(await scene.receive(receiver)).toEqual([]);
        scene.advance(11 * SECOND);
        expect(await scene.receiveOne(receiver)).toMatchObject({ attempt: 2 });
      });

      it("without a delay waits as tasks do: 1 s doubling, with jitter", async () => {
        const { scene, receiver, leased } = await delivered(20);
        let current = leased;
        for (const nominal of [1, 2, 4, 8]) {
          const before = scene.store.now();
          await scene.settle(receiver, current, "retry");
          const after = scene.store.now();
          const available = at((await scene.read(leased.messageId)).availableAt);
          expect(available).toBeGreaterThanOrEqual(before + nominal * 0.5 * SECOND);
          expect(available).toBeLessThanOrEqual(after + nominal * 1.5 * SECOND);
          scene.advance(nominal * 1.5 * SECOND);
          current = await scene.receiveOne(receiver);
        }
      });

      it("at maxAttempts is a dead letter with the reason, and says so", async () => {
        const { scene, receiver, leased } = await delivered(1);
        expect(await scene.settle(receiver, leased, "retry", { reason: "cannot" })).toBe("dead_lettered");
        expect(await scene.read(leased.messageId)).toMatchObject({ status: "dead_lettered", reason: "cannot" });
        expect(await scene.settle(receiver, leased, "retry", { reason: "cannot" })).toBe("dead_lettered");
        expect(await scene.settle(receiver, leased, "dead_letter")).toBe("lease_lost");
        const silent = await delivered(1);
        await silent.scene.settle(silent.receiver, silent.leased, "retry");
        expect((await silent.scene.read(silent.leased.messageId)).reason).toBe("MAX_ATTEMPTS");
      });

      it("keeps the first answer only until the message is claimed again", async () => {
        const { scene, receiver, leased } = await delivered();
        await scene.settle(receiver, leased, "retry", { delayMilliseconds: 0 });
        expect(await scene.settle(receiver, leased, "retry", { delayMilliseconds: 0 })).toBe("queued");
        await scene.receiveOne(receiver);
        expect(await scene.settle(receiver, leased, "retry", { delayMilliseconds: 0 })).toBe("lease_lost");
      });
    });

    it.each(["mailbox of an agent", "work queue"])(
      "of an earlier attempt is no answer for a later one whose lease ended (%s)",
      async (kind) => {
        const scene = stage.scene();
        const [sender, receiver] = [await scene.agent(), await scene.agent()];
        const channel =
          kind === "mailbox of an agent" ? undefined : await scene.channel("work_queue", { members: [receiver] });
        const to = channel === undefined ? receiver : `#${channel}`;
        const messageId = await scene.send(sender, to, { maxAttempts: 2 });
        const first = await scene.receiveOne(receiver, { channel });
        expect(await scene.settle(receiver, first, "retry", { delayMilliseconds: 0 })).toBe("queued");
        const second = await scene.receiveOne(receiver, { channel, leaseMilliseconds: 10 * SECOND });
        expect(second.attempt).toBe(2);
        await scene.pass(11 * SECOND);
        expect(await scene.read(messageId)).toMatchObject({ status: "dead_lettered", reason: "MAX_ATTEMPTS" });
        for (const outcome of ["retry", "complete", "dead_letter"] as const) {
          expect(await scene.settle(receiver, second, outcome)).toBe("lease_lost");
        }
      },
    );

    it("an ended lease is no settlement: the attempt that lost it repeats none", async () => {
      const scene = stage.scene();
      const [sender, receiver] = [await scene.agent(), await scene.agent()];
      await scene.send(sender, receiver);
      const first = await scene.receiveOne(receiver);
      await scene.settle(receiver, first, "retry", { delayMilliseconds: 0 });
      const second = await scene.receiveOne(receiver, { leaseMilliseconds: 10 * SECOND });
      await scene.pass(11 * SECOND);
      expect(await scene.settle(receiver, second, "retry")).toBe("lease_lost");
    });

    it("dead_letter keeps the reason", async () => {
      const { scene, receiver, leased } = await delivered();
      await scene.settle(receiver, leased, "dead_letter", { reason: "poison ☠" });
      expect(await scene.read(leased.messageId)).toMatchObject({ status: "dead_lettered", reason: "poison ☠" });
      expect(await scene.receive(receiver)).toEqual([]);
    });

    describe("a batch", () => {
      it("settles one by one, in order, one's refusal not touching the others", async () => {
        const scene = stage.scene();
        const [sender, receiver] = [await scene.agent(), await scene.agent()];
        const foreign = await scene.send(sender, sender);
        const foreignLease = await scene.receiveOne(sender);
        for (let i = 0; i < 4; i++) await scene.send(sender, receiver);
        const [a, b, c, d] = await scene.receive(receiver, { maxMessages: 4 });
        if (a === undefined || b === undefined || c === undefined || d === undefined) throw new Error("four were sent");
        const results = await scene.store.settleMessages(receiver, [
          { messageId: a.messageId, attempt: 1, outcome: "complete" },
          { messageId: b.messageId, attempt: 9, outcome: "complete" },
          { messageId: scene.id("missing"), attempt: 1, outcome: "complete" },
          { messageId: c.messageId, attempt: 1, outcome: "retry", delayMilliseconds: 0 },
          { messageId: foreign, attempt: foreignLease.attempt, outcome: "complete" },
          { messageId: d.messageId, attempt: 1, outcome: "dead_letter", reason: "no" },
          { messageId: a.messageId, attempt: 1, outcome: "complete" },
          { messageId: a.messageId, attempt: 1, outcome: "retry" },
        ]);
        expect(results).toEqual([
          { messageId: a.messageId, status: "completed" },
          { messageId: b.messageId, status: "lease_lost" },
          { messageId: scene.id("missing"), status: "not_found" },
          { messageId: c.messageId, status: "queued" },
          { messageId: foreign, status: "lease_lost" },
          { messageId: d.messageId, status: "dead_lettered" },
          { messageId: a.messageId, status: "completed" },
          { messageId: a.messageId, status: "lease_lost" },
        ]);
        const statuses = [];
        for (const message of [a, b, c, d]) statuses.push(await scene.status(message.messageId));
        expect(statuses).toEqual(["completed", "leased", "queued", "dead_lettered"]);
        expect(await scene.status(foreign)).toBe("leased");
      });

      it("of a hundred is settled whole", async () => {
        const scene = stage.scene();
        const [sender, receiver] = [await scene.agent(), await scene.agent()];
        await scene.store.sendMessages(Array.from({ length: 100 }, () => scene.message(sender, receiver)));
        const leased = [
          ...(await scene.receive(receiver, { maxMessages: 50 })),
          ...(await scene.receive(receiver, { maxMessages: 50 })),
        ];
        const settlements = leased.map(({ messageId, attempt }) => ({
          messageId,
          attempt,
          outcome: "complete" as const,
        }));
        const results = await scene.store.settleMessages(receiver, settlements);
        expect(results).toEqual(leased.map(({ messageId }) => ({ messageId, status: "completed" })));
      });
    });
  });
}
