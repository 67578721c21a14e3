import { describe, expect, it } from "@jest/globals";
import { type StoreFactory, useStore } from "../store-under-test.ts";
import { caught, type Scene } from "../support.ts";

/** No sender shuts a mailbox: above half of the limit, each has a tenth of it (design section 4, Message). */
export function mailboxSharesContract(open: StoreFactory): void {
  describe("a share of a mailbox", () => {
    const stage = useStore(open, { maxMailbox: 40 });

    interface Filled {
      scene: Scene;
      receiver: string;
      sender: string;
      others: string[];
    }

    /** A mailbox with `own` messages of one sender and `foreign` ones of others, at most two from each of them. */
    async function filled(own: number, foreign: number, receiver?: string): Promise<Filled> {
      const scene = stage.scene();
      const mailbox = receiver ?? (await scene.agent());
      const sender = await scene.agent();
      const others: string[] = [];
      for (let n = 0; n < own; n++) await scene.send(sender, mailbox, { delaySeconds: n % 2 });
      for (let n = 0; n < foreign; n++) {
        if (n % 2 === 0) others.push(await scene.agent());
        await scene.send(others.at(-1) ?? "", mailbox);
      }
      return { scene, receiver: mailbox, sender, others };
    }

    it("lets one sender fill half of it, and no more", async () => {
      const { scene, receiver, sender, others } = await filled(21, 0);
      expect(await caught(scene.send(sender, receiver))).toBe("MAILBOX_FULL");
      expect(others).toEqual([]);
      expect(await caught(scene.send(await scene.agent(), receiver))).toBe("accepted");
      const [, ...rest] = await scene.receive(receiver, { maxMessages: 3 });
      expect(rest).toHaveLength(2);
      // What is leased counts, too.
      expect(await caught(scene.send(sender, receiver))).toBe("MAILBOX_FULL");
      for (const message of rest) await scene.settle(receiver, message, "complete");
      expect(await caught(scene.send(sender, receiver))).toBe("accepted");
      expect(await caught(scene.send(sender, receiver))).toBe("MAILBOX_FULL");
    });

    it("above half, lets those go on who have no more than a tenth", async () => {
      const { scene, receiver, sender } = await filled(4, 17);
      expect(await caught(scene.send(sender, receiver))).toBe("accepted");
      expect(await caught(scene.send(sender, receiver))).toBe("MAILBOX_FULL");
      const detail = scene.send(sender, receiver).catch((error: Error) => error.message);
      expect(await detail).toContain("more than half full");
    });

    it("counts nothing up to half", async () => {
      const { scene, receiver, sender } = await filled(20, 0);
      expect(await caught(scene.send(sender, receiver))).toBe("accepted");
      expect(await caught(scene.send(sender, receiver))).toBe("MAILBOX_FULL");
    });

    it("counts within a batch that crosses the half, and refuses it wholly", async () => {
      const { scene, receiver, sender } = await filled(10, 0);
      const batch = Array.from({ length: 12 }, () => scene.message(sender, receiver));
      expect(await caught(scene.store.sendMessages(batch))).toBe("MAILBOX_FULL");
      expect(await scene.peek(receiver)).toHaveLength(10);
      expect(await caught(scene.store.sendMessages(batch.slice(1)))).toBe("accepted");
      // A repeat does not count.
      expect(await caught(scene.store.sendMessages(batch.slice(1)))).toBe("accepted");
    });

    it("is each sender's own in a batch of several", async () => {
      const { scene, receiver, others } = await filled(0, 21);
      const [one = "", two = ""] = others;
      const of = (sender: string, count: number) =>
        Array.from({ length: count }, () => scene.message(sender, receiver));
      expect(await caught(scene.store.sendMessages([...of(one, 3), ...of(two, 3)]))).toBe("accepted");
      expect(await caught(scene.store.sendMessages([...of(two, 1)]))).toBe("MAILBOX_FULL");
      const third = await scene.agent();
      expect(await caught(scene.store.sendMessages([...of(third, 6)]))).toBe("MAILBOX_FULL");
      expect(await caught(scene.store.sendMessages([...of(third, 5)]))).toBe("accepted");
    });

    it("holds for posts: one member's mailbox refuses the whole", async () => {
      const { scene, receiver, sender } = await filled(21, 0);
      const name = await scene.channel("broadcast", { members: [receiver, await scene.agent()] });
      expect(await caught(scene.post(sender, name))).toBe("MAILBOX_FULL");
      expect(await caught(scene.post(await scene.agent(), name))).toBe("accepted");
    });

    it("holds for work queues", async () => {
      const scene = stage.scene();
      const queue = await scene.channel("work_queue", { members: [await scene.agent()] });
      const { sender } = await filled(21, 0, `#${queue}`);
      expect(await caught(scene.send(sender, `#${queue}`))).toBe("MAILBOX_FULL");
      expect(await caught(scene.send(await scene.agent(), `#${queue}`))).toBe("accepted");
    });

    it("is the limit itself that a redrive keeps to", async () => {
      const scene = stage.scene();
      const [sender, receiver] = [await scene.agent(), await scene.agent()];
      for (let n = 0; n < 4; n++) await scene.deadLetter(sender, receiver);
      for (let n = 0; n < 38; n++) {
        await scene.send(await scene.agent(), receiver);
      }
      const selection = { filter: { receiver } };
      expect(await scene.store.redriveDeadLetters({ ...selection, dryRun: true })).toBe(2);
      expect(await scene.store.redriveDeadLetters({ ...selection, dryRun: false })).toBe(2);
      expect(await scene.store.redriveDeadLetters({ ...selection, dryRun: false })).toBe(0);
      expect(await scene.peek(receiver)).toHaveLength(40);
    });
  });
}
