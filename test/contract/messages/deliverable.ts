import { describe, expect, it } from "@jest/globals";
import { type StoreFactory, useStore } from "../store-under-test.ts";
import { eventually, HOUR, type Scene } from "../support.ts";

/** What a long poll waits for: onDeliverable wakes it in the same process, findDeliverable asks for many at once. */
export function deliverableContract(open: StoreFactory): void {
  onDeliverableTests(open);
  findDeliverableTests(open);
}

function onDeliverableTests(open: StoreFactory): void {
  describe("onDeliverable", () => {
    const stage = useStore(open);

    /** The agents named while `act` runs, until `awaited` is among them. */
    async function heard(scene: Scene, awaited: string, act: () => Promise<unknown>): Promise<string[]> {
      const agents: string[] = [];
      const stop = scene.store.onDeliverable((agentId) => agents.push(agentId));
      try {
        await act();
        await eventually(() => agents.includes(awaited));
      } finally {
        stop();
      }
      return agents;
    }

    /** A later commit that surely calls listeners, so that what was not heard before it will not be. */
    async function fence(scene: Scene): Promise<void> {
      const agentId = await scene.agent();
      await heard(scene, agentId, () => scene.send(agentId, agentId));
    }

    it("names the receiver of a send, after which a claim finds the message", async () => {
      const scene = stage.scene();
      const [sender, receiver] = [await scene.agent(), await scene.agent()];
      const agents = await heard(scene, receiver, () => scene.send(sender, receiver));
      expect(new Set(agents)).toEqual(new Set([receiver]));
      expect(await scene.receiveIds(receiver)).toHaveLength(1);
    });

    it("is called only when the message is there", async () => {
      const scene = stage.scene();
      const [sender, receiver] = [await scene.agent(), await scene.agent()];
      const found: Promise<number>[] = [];
      const stop = scene.store.onDeliverable((agentId) => {
        if (agentId === receiver) found.push(scene.receiveIds(receiver).then((ids) => ids.length));
      });
      await scene.send(sender, receiver);
      await eventually(() => found.length > 0);
      stop();
      expect(await found[0]).toBe(1);
    });

    it("names every receiver of a batch", async () => {
      const scene = stage.scene();
      const [sender, a, b] = [await scene.agent(), await scene.agent(), await scene.agent()];
      const agents: string[] = [];
      const stop = scene.store.onDeliverable((agentId) => agents.push(agentId));
      await scene.store.sendMessages([scene.message(sender, a), scene.message(sender, b)]);
      await eventually(() => agents.includes(a) && agents.includes(b));
      stop();
    });

    it("follows a retry without delay, a redrive, and the head of a key that frees the next", async () => {
      const scene = stage.scene();
      const [sender, receiver] = [await scene.agent(), await scene.agent()];
      await scene.send(sender, receiver, { orderingKey: "k" });
      await scene.send(sender, receiver, { orderingKey: "k" });
      const first = await scene.receiveOne(receiver);
      await heard(scene, receiver, () => scene.settle(receiver, first, "retry", { delayMilliseconds: 0 }));
      const again = await scene.receiveOne(receiver);
      await heard(scene, receiver, () => scene.settle(receiver, again, "complete"));
      const second = await scene.receiveOne(receiver);
      await scene.settle(receiver, second, "dead_letter");
      await heard(scene, receiver, () =>
        scene.store.redriveDeadLetters({ messageIds: [second.messageId], dryRun: false }),
      );
    });

    it("follows an assignment and its result", async () => {
      const scene = stage.scene();
      const supervisor = await scene.supervisor();
      const worker = await scene.worker();
      const taskId = scene.id("t");
      await heard(scene, worker, () => scene.submit(supervisor, { taskId }));
      const held = await scene.held(taskId);
      await heard(scene, supervisor, () => scene.complete(held));
    });

    it("follows a sweep that takes back a lease", async () => {
      const scene = stage.scene();
      const [sender, receiver] = [await scene.agent(), await scene.agent()];
      await scene.send(sender, receiver);
      await scene.receiveOne(receiver);
      scene.advance(HOUR);
      await heard(scene, receiver, () => scene.store.sweep());
    });

    it("is silent for what cannot be received yet, and for refused sends", async () => {
      const scene = stage.scene();
      const [sender, receiver] = [await scene.agent(), await scene.agent()];
      await scene.send(sender, receiver, { orderingKey: "k" });
      await scene.receiveOne(receiver);
      const agents: string[] = [];
      const stop = scene.store.onDeliverable((agentId) => agents.push(agentId));
      await scene.send(sender, receiver, { delaySeconds: 100 });
      await scene.send(sender, receiver, { orderingKey: "k" });
      const refused = [scene.message(sender, receiver), scene.message(sender, scene.id("nobody"))];
      await expect(scene.store.sendMessages(refused)).rejects.toThrow();
      await fence(scene);
      stop();
      expect(agents).not.toContain(receiver);
    });

    it("stops when told to, and a listener that throws harms nobody", async () => {
      const scene = stage.scene();
      const agentId = await scene.agent();
      const calls: string[] = [];
      const stop = scene.store.onDeliverable((id) => calls.push(id));
      const stopThrowing = scene.store.onDeliverable(() => {
        throw new Error("a listener's own defect");
      });
      await scene.send(agentId, agentId);
      await eventually(() => calls.includes(agentId));
      stop();
      stopThrowing();
      const count = calls.length;
      await fence(scene);
      expect(calls).toHaveLength(count);
    });
  });
}

function findDeliverableTests(open: StoreFactory): void {
  describe("findDeliverable", () => {
    const stage = useStore(open);

    it("names the mailboxes with something due, and no others", async () => {
      const scene = stage.scene();
      const [sender, empty, due, leased] = [
        await scene.agent(),
        await scene.agent(),
        await scene.agent(),
        await scene.agent(),
      ];
      await scene.send(sender, due, { priority: "low" });
      await scene.send(sender, leased, { priority: "urgent" });
      await scene.receiveOne(leased);
      expect(await scene.store.findDeliverable([empty, due, leased])).toEqual([due]);
      expect(await scene.store.findDeliverable([empty])).toEqual([]);
      expect(await scene.store.findDeliverable([])).toEqual([]);
    });

    it("names each mailbox once, whatever its priorities", async () => {
      const scene = stage.scene();
      const [sender, receiver] = [await scene.agent(), await scene.agent()];
      for (const priority of ["low", "normal", "high", "urgent"] as const) {
        await scene.send(sender, receiver, { priority });
      }
      expect(await scene.store.findDeliverable([receiver, receiver])).toEqual([receiver]);
    });

    it("follows delays, leases that end, and messages held behind an ordering key", async () => {
      const scene = stage.scene();
      const [sender, delayed, held] = [await scene.agent(), await scene.agent(), await scene.agent()];
      await scene.send(sender, delayed, { delaySeconds: 100 });
      await scene.send(sender, held, { orderingKey: "k" });
      await scene.send(sender, held, { orderingKey: "k" });
      const first = await scene.receiveOne(held);
      expect(await scene.store.findDeliverable([delayed, held])).toEqual([]);
      await scene.settle(held, first, "complete");
      expect(await scene.store.findDeliverable([delayed, held])).toEqual([held]);
      await scene.receiveOne(held);
      scene.advance(HOUR);
      expect(new Set(await scene.store.findDeliverable([delayed, held]))).toEqual(new Set([delayed, held]));
    });

    it("names unknown and deregistered agents: a claim says so", async () => {
      const scene = stage.scene();
      const gone = await scene.agent();
      await scene.store.deregisterAgent(gone);
      const nobody = scene.id("nobody");
      expect(new Set(await scene.store.findDeliverable([gone, nobody]))).toEqual(new Set([gone, nobody]));
    });

    it("changes nothing, and is no heartbeat", async () => {
      const scene = stage.scene();
      const [sender, receiver] = [await scene.agent(), await scene.agent()];
      const messageId = await scene.send(sender, receiver, { ttlSeconds: 10 });
      const before = await scene.store.getAgent(receiver);
      scene.advance(HOUR);
      await scene.store.findDeliverable([receiver]);
      expect(await scene.store.getAgent(receiver)).toEqual(before);
      expect((await scene.read(messageId)).attempt).toBe(0);
    });
  });
}
