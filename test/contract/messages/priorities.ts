import { describe, expect, it } from "@jest/globals";
import { HEAD_START_MILLISECONDS, PRIORITIES, type Priority } from "../../../src/lib/model/values.ts";
import { type StoreFactory, useStore } from "../store-under-test.ts";
import { HOUR, type Scene } from "../support.ts";

/** Head starts as the design states them, in milliseconds: written out here so that a slip in the code shows. */
const HEAD_STARTS: Record<Priority, number> = { low: 0, normal: 60_000, high: 600_000, urgent: 3_600_000 };

/** Delivery by rank = availableAt − head start, then by arrival (design section 3.6). */
export function prioritiesContract(open: StoreFactory): void {
  describe("priorities", () => {
    const stage = useStore(open);

    /** Two messages available at exact instants, sent in this order; which comes first when both are due. */
    async function firstOf(scene: Scene, a: [Priority, number], b: [Priority, number]): Promise<"a" | "b"> {
      const [sender, receiver] = [await scene.agent(), await scene.agent()];
      const base = scene.store.now() + 2 * HOUR;
      const sent: string[] = [];
      for (const [priority, offset] of [a, b]) {
        const deliverAt = new Date(base + offset).toISOString();
        sent.push(await scene.send(sender, receiver, { priority, deliverAt }));
      }
      scene.advance(6 * HOUR);
      const peeked = (await scene.peek(receiver)).map((message) => message.messageId);
      const received = await scene.receiveIds(receiver);
      expect(peeked).toEqual(received);
      expect(new Set(received)).toEqual(new Set(sent));
      return received[0] === sent[0] ? "a" : "b";
    }

    it("have the head starts of the design", () => {
      expect(HEAD_START_MILLISECONDS).toEqual(HEAD_STARTS);
    });

    it("go urgent, high, normal, low when available together, by arrival within one", async () => {
      const scene = stage.scene();
      const [sender, receiver] = [await scene.agent(), await scene.agent()];
      const sent = new Map<Priority, string[]>();
      for (const priority of [...PRIORITIES, ...PRIORITIES]) {
        sent.set(priority, [...(sent.get(priority) ?? []), await scene.send(sender, receiver, { priority })]);
      }
      const expected = (["urgent", "high", "normal", "low"] as const).flatMap((priority) => sent.get(priority) ?? []);
      expect((await scene.peek(receiver)).map((message) => message.messageId)).toEqual(expected);
      expect(await scene.receiveIds(receiver, 3)).toEqual(expected.slice(0, 3));
      expect(await scene.receiveIds(receiver)).toEqual(expected.slice(3));
    });

    const pairs = PRIORITIES.flatMap((lesser, i) =>
      PRIORITIES.slice(i + 1).map((greater) => [lesser, greater] as const),
    );

    it.each(pairs)("%s never starves behind %s: the bound is exact to the millisecond", async (lesser, greater) => {
      const scene = stage.scene();
      const bound = HEAD_STARTS[greater] - HEAD_STARTS[lesser];
      // Waited one millisecond less than the bound: the greater priority still overtakes, even arriving last.
      expect(await firstOf(scene, [lesser, 0], [greater, bound - 1])).toBe("b");
      // One more: the lesser goes first, even arriving last.
      expect(await firstOf(scene, [greater, bound + 1], [lesser, 0])).toBe("b");
      // Equal ranks: by arrival, either way round.
      expect(await firstOf(scene, [lesser, 0], [greater, bound])).toBe("a");
      expect(await firstOf(scene, [greater, bound], [lesser, 0])).toBe("a");
    });

    it("of what waited long go before what is new and more important, in real sends", async () => {
      const scene = stage.scene();
      const [sender, receiver] = [await scene.agent(), await scene.agent()];
      const low = await scene.send(sender, receiver, { priority: "low" });
      scene.advance(60_000);
      const normal = await scene.send(sender, receiver, { priority: "normal" });
      scene.advance(540_000);
      const high = await scene.send(sender, receiver, { priority: "high" });
      scene.advance(3_000_000);
      const urgent = await scene.send(sender, receiver, { priority: "urgent" });
      expect(await scene.receiveIds(receiver)).toEqual([low, normal, high, urgent]);
    });

    it("do not let a flood of urgent messages starve a low one", async () => {
      const scene = stage.scene();
      const [sender, receiver] = [await scene.agent(), await scene.agent()];
      const low = await scene.send(sender, receiver, { priority: "low" });
      let waited = 0;
      for (let minutes = 0; minutes <= 70; minutes += 5) {
        await scene.send(sender, receiver, { priority: "urgent" });
        await scene.send(sender, receiver, { priority: "urgent" });
        const [next] = await scene.receive(receiver);
        if (next?.messageId === low) break;
        scene.advance(300_000);
        waited = minutes + 5;
      }
      // Two arrive for each that is received, so the mailbox never runs dry; the bound is 60 minutes past the ranks before it.
      expect(await scene.status(low)).toBe("queued");
      expect(waited).toBeGreaterThan(60);
      const order = (await scene.peek(receiver)).map((message) => message.messageId);
      const place = order.indexOf(low);
      const ahead = await Promise.all(order.slice(0, place).map((id) => scene.read(id)));
      const lowRank = Date.parse((await scene.read(low)).availableAt);
      for (const message of ahead) {
        expect(Date.parse(message.availableAt) - HEAD_STARTS[message.priority]).toBeLessThanOrEqual(lowRank);
      }
      const behind = await Promise.all(order.slice(place + 1).map((id) => scene.read(id)));
      expect(behind.length).toBeGreaterThan(0);
      for (const message of behind) {
        expect(Date.parse(message.availableAt) - HEAD_STARTS[message.priority]).toBeGreaterThanOrEqual(lowRank);
      }
    });

    it("hold among the types asked for, too", async () => {
      const scene = stage.scene();
      const [sender, receiver] = [await scene.agent(), await scene.agent()];
      const low = await scene.send(sender, receiver, { priority: "low", type: "query" });
      const urgent = await scene.send(sender, receiver, { priority: "urgent", type: "response" });
      const normal = await scene.send(sender, receiver, { priority: "normal", type: "query" });
      await scene.send(sender, receiver, { priority: "urgent", type: "error" });
      const got = await scene.receive(receiver, { maxMessages: 50, types: ["response", "query"] });
      expect(got.map((message) => message.messageId)).toEqual([urgent, normal, low]);
    });

    it("never bring a message out before it is due, however important", async () => {
      const scene = stage.scene();
      const [sender, receiver] = [await scene.agent(), await scene.agent()];
      const urgent = await scene.send(sender, receiver, { priority: "urgent", delaySeconds: 600 });
      const low = await scene.send(sender, receiver, { priority: "low" });
      expect(await scene.receiveIds(receiver)).toEqual([low]);
      scene.advance(601_000);
      expect(await scene.receiveIds(receiver)).toContain(urgent);
    });
  });
}
