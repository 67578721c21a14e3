import { describe, expect, it } from "@jest/globals";
import { type StoreFactory, withStore } from "../store-under-test.ts";
import { at, DAY, HOUR, MINUTE, type Scene, SECOND } from "../support.ts";

const YEAR = 365 * DAY;
const TIMEOUT_SECONDS = 90;

/** What happens when the clock of the store is set. */
export function clockStepsContract(open: StoreFactory): void {
  describe("a clock that is set back", () => {
    /** Runs `ahead` while the clock is ahead by so much, and `after` when it is right again and the store has been swept. */
    const stepped = (milliseconds: number, body: (scene: Scene, setBack: () => Promise<number>) => Promise<void>) =>
      withStore(open, { heartbeatTimeoutSeconds: TIMEOUT_SECONDS }, async (scene, under) => {
        under.clock.set?.(milliseconds);
        await body(scene, async () => {
          under.clock.set?.(-milliseconds);
          return (await scene.store.sweep()).timesCorrected;
        });
      });

    it.each([
      ["an hour", HOUR],
      ["ten years", 10 * YEAR],
    ])("by %s: waiting messages are delivered after one sweep, in their order", async (_, step) => {
      await stepped(step, async (scene, setBack) => {
        const [sender, receiver] = [await scene.agent(), await scene.agent()];
        const sent = [await scene.send(sender, receiver), await scene.send(sender, receiver, { priority: "urgent" })];
        expect(await setBack()).toBeGreaterThanOrEqual(2);
        const message = await scene.read(sent[0]!);
        expect(Math.abs(at(message.acceptedAt) - scene.store.now())).toBeLessThan(MINUTE);
        expect(await scene.receiveIds(receiver)).toEqual([sent[1], sent[0]]);
      });
    });

    it.each([
      ["an hour", HOUR],
      ["ten years", 10 * YEAR],
    ])("by %s: waiting tasks are handed out after one sweep, also those that another has held up", async (_, step) => {
      await stepped(step, async (scene, setBack) => {
        const supervisor = await scene.supervisor();
        const worker = await scene.worker();
        const first = await scene.assign(supervisor);
        const second = await scene.submit(supervisor, { dependsOn: [first.taskId] });
        const third = await scene.submit(supervisor);
        await setBack();
        await scene.complete(first);
        const next = await scene.look(third);
        expect([next.status, next.assignedTo]).toEqual(["assigned", worker]);
        await scene.complete(await scene.held(third));
        expect((await scene.look(second)).status).toBe("assigned");
      });
    });

    it("leaves no agent that cannot fall silent, and no attempt that cannot time out", async () => {
      await stepped(10 * YEAR, async (scene, setBack) => {
        const supervisor = await scene.supervisor();
        const worker = await scene.worker();
        const held = await scene.assign(supervisor, { timeoutSeconds: 10, maxRetries: 5 });
        await setBack();
        const deadline = at((await scene.look(held.taskId)).deadline);
        expect(deadline - scene.store.now()).toBeLessThanOrEqual(10 * SECOND);
        await scene.pass(11 * SECOND);
        expect((await scene.look(held.taskId)).attempt).toBe(1);
        expect((await scene.store.getAssignments(held.taskId, { limit: 1 })).items[0]?.outcome).toBe("timed_out");
        await scene.pass(TIMEOUT_SECONDS * SECOND);
        expect((await scene.store.getAgent(worker)).status).toBe("inactive");
      });
    });

    it("ends leases that no caller can have asked for, and keeps the others", async () => {
      await stepped(HOUR, async (scene, setBack) => {
        const [sender, receiver] = [await scene.agent(), await scene.agent()];
        await scene.send(sender, receiver);
        const lease = at((await scene.receiveOne(receiver)).leaseExpiresAt);
        await setBack();
        const [kept] = await scene.peek(receiver);
        expect(kept === undefined ? lease : at(kept.leaseExpiresAt)).toBe(lease);
      });
      await stepped(10 * YEAR, async (scene, setBack) => {
        const [sender, receiver] = [await scene.agent(), await scene.agent()];
        const sent = await scene.send(sender, receiver);
        await scene.receiveOne(receiver);
        await setBack();
        expect(await scene.receiveIds(receiver)).toEqual([sent]);
      });
    });

    it("keeps the times at which something is due, and counts a time to live from now", async () => {
      await stepped(HOUR, async (scene, setBack) => {
        const [sender, receiver] = [await scene.agent(), await scene.agent()];
        const deliverAt = new Date(scene.store.now() + 3 * HOUR).toISOString();
        const due = await scene.send(sender, receiver, { deliverAt });
        const short = await scene.send(sender, receiver, { ttlSeconds: 100 });
        await setBack();
        expect((await scene.read(due)).availableAt).toBe(deliverAt);
        expect(at((await scene.read(short)).expiresAt) - scene.store.now()).toBeLessThanOrEqual(100 * SECOND);
        await scene.pass(101 * SECOND);
        expect(await scene.status(short)).toBe("expired");
      });
    });

    it("lets retention take what ended ahead, and what ended later", async () => {
      await withStore(open, { messageRetentionDays: 7 }, async (scene, under) => {
        const [sender, receiver] = [await scene.agent(), await scene.agent()];
        const done = async () => {
          const sent = await scene.send(sender, receiver);
          await scene.settle(receiver, await scene.receiveOne(receiver), "complete");
          return sent;
        };
        under.clock.set?.(10 * YEAR);
        const sent = [await done()];
        under.clock.set?.(-10 * YEAR);
        sent.push(await done());
        await scene.store.sweep();
        under.clock.advance(8 * DAY);
        expect((await scene.store.maintain()).messagesPurged).toBe(2);
        for (const messageId of sent)
          await expect(scene.read(messageId)).rejects.toMatchObject({ code: "MESSAGE_NOT_FOUND" });
      });
    });

    it("forgets the rate of what was sent ahead: it is not the rate of the minute when the clock gets there", async () => {
      await stepped(HOUR, async (scene, setBack) => {
        const [sender, receiver] = [await scene.agent(), await scene.agent()];
        for (let n = 0; n < 3; n += 1) await scene.send(sender, receiver);
        await setBack();
        await scene.send(sender, receiver);
        expect((await scene.store.queueStatistics()).messagesPerMinute).toBe(1);
        scene.advance(HOUR);
        expect((await scene.store.queueStatistics()).messagesPerMinute).toBe(0);
      });
    });

    it("is looked for by every sweep, which corrects nothing where nothing lies ahead", async () => {
      await stepped(30 * SECOND, async (scene, setBack) => {
        const [sender, receiver] = [await scene.agent(), await scene.agent()];
        await scene.send(sender, receiver);
        expect(await setBack()).toBe(0);
      });
      await stepped(2 * MINUTE, async (scene, setBack) => {
        const [sender, receiver] = [await scene.agent(), await scene.agent()];
        for (let n = 0; n < 3; n += 1) await scene.send(sender, receiver);
        expect(await setBack()).toBeGreaterThanOrEqual(5);
        expect((await scene.store.sweep()).timesCorrected).toBe(0);
      });
    });

    it("seals what was done ahead like anything that has waited", async () => {
      await stepped(10 * YEAR, async (scene, setBack) => {
        await scene.agent();
        await setBack();
        const { items } = await scene.store.listAuditBlocks({ limit: 1, after: 0 });
        expect(items).toHaveLength(1);
      });
    });
  });
}
