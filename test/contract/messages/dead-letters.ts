import { describe, expect, it } from "@jest/globals";
import { type StoreFactory, useStore, withStore } from "../store-under-test.ts";
import { at, caught, everyPage, HOUR, MINUTE, SECOND } from "../support.ts";

/** Listing, redriving and purging dead letters (design sections 4 and 5). */
export function deadLettersContract(open: StoreFactory): void {
  describe("dead letters", () => {
    const stage = useStore(open);

    async function pair() {
      const scene = stage.scene();
      return { scene, sender: await scene.agent(), receiver: await scene.agent() };
    }

    it("are listed newest first, by when they died", async () => {
      const { scene, sender, receiver } = await pair();
      const older = await scene.send(sender, receiver);
      const newer = await scene.send(sender, receiver);
      const [a, b] = await scene.receive(receiver, { maxMessages: 2, leaseMilliseconds: HOUR });
      if (a === undefined || b === undefined) throw new Error("two were sent");
      await scene.settle(receiver, b, "dead_letter");
      scene.advance(SECOND);
      await scene.settle(receiver, a, "dead_letter");
      const { items, nextCursor } = await scene.store.listDeadLetters({ receiver, limit: 10 });
      expect(items.map((message) => message.messageId)).toEqual([older, newer]);
      expect(items.every((message) => message.status === "dead_lettered")).toBe(true);
      expect(nextCursor).toBeNull();
    });

    it("are filtered by receiver, type and reason, alone and together", async () => {
      const { scene, sender, receiver } = await pair();
      const other = await scene.agent();
      const type = `t_${scene.tag}`;
      const plain = await scene.deadLetter(sender, receiver, {}, scene.id("bad"));
      const typed = await scene.deadLetter(sender, receiver, { type }, scene.id("bad"));
      const reasoned = await scene.deadLetter(sender, receiver, { type }, scene.id("worse"));
      const elsewhere = await scene.deadLetter(sender, other, { type }, scene.id("bad"));
      const list = async (filter: { receiver?: string; type?: string; reason?: string }) =>
        (await scene.store.listDeadLetters({ ...filter, limit: 50 })).items.map((message) => message.messageId);
      expect(await list({ receiver })).toEqual([reasoned, typed, plain]);
      expect(await list({ type })).toEqual([elsewhere, reasoned, typed]);
      expect(await list({ reason: scene.id("bad") })).toEqual([elsewhere, typed, plain]);
      expect(await list({ receiver, type })).toEqual([reasoned, typed]);
      expect(await list({ receiver, reason: scene.id("worse") })).toEqual([reasoned]);
      expect(await list({ type, reason: scene.id("bad") })).toEqual([elsewhere, typed]);
      expect(await list({ receiver, type, reason: scene.id("bad") })).toEqual([typed]);
      expect(await list({ receiver, reason: "nothing" })).toEqual([]);
      expect((await everyPage((page) => scene.store.listDeadLetters(page))).length).toBeGreaterThanOrEqual(4);
    });

    describe("redriving", () => {
      it("queues a message again, keeping its attempt and granting maxAttempts more", async () => {
        const { scene, sender, receiver } = await pair();
        const messageId = await scene.send(sender, receiver, { maxAttempts: 2, payload: { kept: true } });
        const run = async (from: number) => {
          for (const attempt of [from, from + 1]) {
            const leased = await scene.receiveOne(receiver);
            expect(leased.attempt).toBe(attempt);
            await scene.settle(receiver, leased, "retry", { delayMilliseconds: 0 });
          }
          expect(await scene.status(messageId)).toBe("dead_lettered");
        };
        await run(1);
        expect(await scene.store.redriveDeadLetters({ messageIds: [messageId], dryRun: false })).toBe(1);
        const redriven = await scene.read(messageId);
        expect(redriven).toMatchObject({ status: "queued", attempt: 2, maxAttempts: 4, payload: { kept: true } });
        expect(redriven).not.toHaveProperty("endedAt");
        await run(3);
        await scene.store.redriveDeadLetters({ messageIds: [messageId], dryRun: false });
        expect((await scene.read(messageId)).maxAttempts).toBe(6);
        await run(5);
      });

      it("of one that died with attempts to spare grants maxAttempts more from there", async () => {
        const { scene, sender, receiver } = await pair();
        const messageId = await scene.deadLetter(sender, receiver, { maxAttempts: 5 });
        await scene.store.redriveDeadLetters({ messageIds: [messageId], dryRun: false });
        expect(await scene.read(messageId)).toMatchObject({ attempt: 1, maxAttempts: 6 });
      });

      it("makes a delayed death due at once", async () => {
        const { scene, sender, receiver } = await pair();
        const messageId = await scene.deadLetter(sender, receiver);
        scene.advance(HOUR);
        await scene.store.redriveDeadLetters({ messageIds: [messageId], dryRun: false });
        expect(at((await scene.read(messageId)).availableAt)).toBeLessThanOrEqual(scene.store.now());
        expect(await scene.receiveIds(receiver)).toEqual([messageId]);
      });

      it("takes the time to live away, or an old message would expire at once", async () => {
        const { scene, sender, receiver } = await pair();
        const messageId = await scene.deadLetter(sender, receiver, { ttlSeconds: 60 });
        scene.advance(HOUR);
        await scene.store.redriveDeadLetters({ messageIds: [messageId], dryRun: false });
        const redriven = await scene.read(messageId);
        expect(redriven.status).toBe("queued");
        expect(redriven).not.toHaveProperty("expiresAt");
        await scene.store.sweep();
        expect(await scene.receiveIds(receiver)).toEqual([messageId]);
      });

      it("repeated finds nothing more to do", async () => {
        const { scene, sender, receiver } = await pair();
        const messageId = await scene.deadLetter(sender, receiver);
        const selection = { messageIds: [messageId], dryRun: false };
        expect(await scene.store.redriveDeadLetters(selection)).toBe(1);
        expect(await scene.store.redriveDeadLetters(selection)).toBe(0);
        expect((await scene.read(messageId)).maxAttempts).toBe(6);
        const counts = await Promise.all([
          scene
            .deadLetter(sender, await scene.agent())
            .then((id) => scene.store.redriveDeadLetters({ messageIds: [id, id], dryRun: false })),
        ]);
        expect(counts).toEqual([1]);
      });

      it("ends what the last attempt may still say", async () => {
        const { scene, sender, receiver } = await pair();
        await scene.send(sender, receiver);
        const leased = await scene.receiveOne(receiver);
        await scene.settle(receiver, leased, "dead_letter");
        await scene.store.redriveDeadLetters({ messageIds: [leased.messageId], dryRun: false });
        expect(await scene.settle(receiver, leased, "complete")).toBe("lease_lost");
        expect(await scene.status(leased.messageId)).toBe("queued");
      });

      it("ignores ids that are not dead letters", async () => {
        const { scene, sender, receiver } = await pair();
        const alive = await scene.send(sender, receiver);
        const count = await scene.store.redriveDeadLetters({ messageIds: [alive, scene.id("none")], dryRun: false });
        expect(count).toBe(0);
        expect((await scene.read(alive)).maxAttempts).toBe(5);
      });

      it("takes the arrival place of the redrive, oldest dead letter first", async () => {
        const { scene, sender, receiver } = await pair();
        const dead: string[] = [];
        for (let i = 0; i < 3; i++) {
          dead.push(await scene.deadLetter(sender, receiver));
          scene.advance(SECOND);
        }
        await scene.store.redriveDeadLetters({ filter: { receiver }, dryRun: false });
        expect(await scene.receiveIds(receiver)).toEqual(dead);
      });
    });

    describe("purging", () => {
      it("deletes them, and only them", async () => {
        const { scene, sender, receiver } = await pair();
        const dead = await scene.deadLetter(sender, receiver);
        const alive = await scene.send(sender, receiver);
        expect(await scene.store.purgeDeadLetters({ messageIds: [dead, alive, scene.id("none")], dryRun: false })).toBe(
          1,
        );
        expect(await caught(scene.read(dead))).toBe("MESSAGE_NOT_FOUND");
        expect(await scene.status(alive)).toBe("queued");
        expect(await scene.store.purgeDeadLetters({ messageIds: [dead], dryRun: false })).toBe(0);
      });

      it("frees the id for a new message, even with another body", async () => {
        const { scene, sender, receiver } = await pair();
        const messageId = await scene.deadLetter(sender, receiver);
        await scene.store.purgeDeadLetters({ messageIds: [messageId], dryRun: false });
        expect(await caught(scene.send(sender, receiver, { messageId, payload: "new" }))).toBe("accepted");
        expect(await scene.receiveOne(receiver)).toMatchObject({ messageId, attempt: 1, payload: "new" });
      });
    });

    for (const verb of ["redriveDeadLetters", "purgeDeadLetters"] as const) {
      describe(`${verb} by filter`, () => {
        it("takes what matches every field", async () => {
          const { scene, sender, receiver } = await pair();
          const wanted = await scene.deadLetter(sender, receiver, { type: "query" }, "why");
          const otherType = await scene.deadLetter(sender, receiver, { type: "error" }, "why");
          const otherReason = await scene.deadLetter(sender, receiver, { type: "query" }, "else");
          const filter = { receiver, type: "query", reason: "why" };
          expect(await scene.store[verb]({ filter, dryRun: false })).toBe(1);
          const left = (await scene.store.listDeadLetters({ receiver, limit: 10 })).items.map((m) => m.messageId);
          expect(left).toEqual([otherReason, otherType]);
          expect(left).not.toContain(wanted);
        });

        it("before a time takes what died before it", async () => {
          const { scene, sender, receiver } = await pair();
          await scene.deadLetter(sender, receiver);
          scene.advance(MINUTE);
          const before = new Date(scene.store.now()).toISOString();
          scene.advance(MINUTE);
          const late = await scene.deadLetter(sender, receiver);
          expect(await scene.store[verb]({ filter: { receiver, before }, dryRun: false })).toBe(1);
          const { items } = await scene.store.listDeadLetters({ receiver, limit: 10 });
          expect(items.map((message) => message.messageId)).toEqual([late]);
        });

        it("as a dry run counts and changes nothing", async () => {
          const { scene, sender, receiver } = await pair();
          const dead = [await scene.deadLetter(sender, receiver), await scene.deadLetter(sender, receiver)];
          const before = await scene.store.listDeadLetters({ receiver, limit: 10 });
          expect(await scene.store[verb]({ filter: { receiver }, dryRun: true })).toBe(2);
          expect(await scene.store[verb]({ messageIds: [...dead, scene.id("none")], dryRun: true })).toBe(2);
          expect(await scene.store.listDeadLetters({ receiver, limit: 10 })).toEqual(before);
        });

        it("touches at most 1,000 a call, the oldest first", async () => {
          await withStore(open, {}, async (own) => {
            const [sender, receiver] = [await own.agent(), await own.agent()];
            const ids: string[] = [];
            for (let batch = 0; batch < 11; batch++) {
              const messages = Array.from({ length: 100 }, () =>
                own.message(sender, receiver, { messageId: own.fresh("d") }),
              );
              await own.store.sendMessages(messages);
              for (let half = 0; half < 2; half++) {
                const leased = await own.receive(receiver, { maxMessages: 50 });
                ids.push(...leased.map((message) => message.messageId));
                const settlements = leased.map(({ messageId, attempt }) => ({
                  messageId,
                  attempt,
                  outcome: "dead_letter" as const,
                }));
                await own.store.settleMessages(receiver, settlements);
              }
              own.advance(SECOND);
            }
            expect(ids).toHaveLength(1_100);
            expect(await own.store[verb]({ filter: { receiver }, dryRun: false })).toBe(1_000);
            const left = await everyPage((page) => own.store.listDeadLetters({ receiver, ...page }));
            expect(new Set(left.map((message) => message.messageId))).toEqual(new Set(ids.slice(1_000)));
            expect(await own.store[verb]({ filter: { receiver }, dryRun: false })).toBe(100);
          });
        });
      });
    }
  });
}
