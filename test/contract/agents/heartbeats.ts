import { describe, expect, it } from "@jest/globals";
import { type StoreFactory, useStore } from "../store-under-test.ts";
import { at, caught, HOUR, MINUTE, newMessage, only, type Scene, SECOND } from "../support.ts";

const BEATS = { heartbeatIntervalSeconds: 30, heartbeatTimeoutSeconds: 90 };

/** Heartbeats, what counts as one, and what happens when they stop (design sections 3.5 and 4, Agent). */
export function heartbeatsContract(open: StoreFactory): void {
  describe("heartbeats", () => {
    const stage = useStore(open, BEATS);

    async function agentStatus(scene: Scene, agentId: string): Promise<string> {
      return (await scene.store.getAgent(agentId)).status;
    }

    describe("a heartbeat", () => {
      it("without a status keeps it, with one sets it", async () => {
        const scene = stage.scene();
        const agentId = await scene.worker();
        expect((await scene.store.heartbeat({ agentId })).status).toBe("active");
        expect((await scene.store.heartbeat({ agentId, status: "draining" })).status).toBe("draining");
        expect((await scene.store.heartbeat({ agentId })).status).toBe("draining");
        expect(await agentStatus(scene, agentId)).toBe("draining");
        expect((await scene.store.heartbeat({ agentId, status: "active" })).status).toBe("active");
      });

      it("is recorded", async () => {
        const scene = stage.scene();
        const agentId = await scene.worker();
        scene.advance(60 * SECOND);
        const before = scene.store.now();
        await scene.store.heartbeat({ agentId });
        expect(at((await scene.store.getAgent(agentId)).lastHeartbeatAt)).toBeGreaterThanOrEqual(before);
      });

      it("changes the room, and hands out what waits when there is more", async () => {
        const scene = stage.scene();
        const supervisor = await scene.supervisor();
        const agentId = await scene.worker(0);
        const taskId = await scene.submit(supervisor);
        expect((await scene.look(taskId)).status).toBe("pending");
        await scene.store.heartbeat({ agentId, maxConcurrentTasks: 2 });
        expect((await scene.store.getAgent(agentId)).maxConcurrentTasks).toBe(2);
        expect((await scene.look(taskId)).assignedTo).toBe(agentId);
      });

      it("that ends draining hands out what waits", async () => {
        const scene = stage.scene();
        const supervisor = await scene.supervisor();
        const agentId = await scene.worker(1);
        await scene.store.heartbeat({ agentId, status: "draining" });
        const taskId = await scene.submit(supervisor);
        expect((await scene.look(taskId)).status).toBe("pending");
        await scene.store.heartbeat({ agentId, status: "active" });
        expect((await scene.look(taskId)).assignedTo).toBe(agentId);
      });

      it("counts what could be received now: not the leased, the delayed, the blocked", async () => {
        const scene = stage.scene();
        const [sender, agentId] = [await scene.agent(), await scene.agent()];
        const pending = async () => (await scene.store.heartbeat({ agentId })).pendingMessages;
        expect(await pending()).toBe(0);
        for (let i = 0; i < 3; i++) await scene.send(sender, agentId);
        await scene.send(sender, agentId, { delaySeconds: 3_600 });
        expect(await pending()).toBe(3);
        await scene.send(sender, agentId, { orderingKey: "k", priority: "urgent" });
        await scene.send(sender, agentId, { orderingKey: "k" });
        expect(await pending()).toBe(4);
        const leased = await scene.receiveOne(agentId);
        expect(await pending()).toBe(3);
        await scene.settle(agentId, leased, "complete");
        expect(await pending()).toBe(4);
      });

      it("asks for attention while an urgent message could be received, as progress does", async () => {
        const scene = stage.scene();
        const [sender, supervisor, agentId] = [await scene.agent(), await scene.supervisor(), await scene.worker()];
        const task = await scene.assign(supervisor);
        await scene.start(task);
        const attention = async () => {
          const beat = (await scene.store.heartbeat({ agentId })).attention;
          const progress = await scene.store.progressTask(task.taskId, { agentId, attempt: task.attempt, percent: 1 });
          expect(progress.attention).toBe(beat);
          return beat;
        };
        expect(await attention()).toBeUndefined();
        for (const priority of ["low", "normal", "high"] as const) await scene.send(sender, agentId, { priority });
        await scene.send(sender, agentId, { priority: "urgent", delaySeconds: 60 });
        expect(await attention()).toBeUndefined();
        await scene.send(sender, agentId, { orderingKey: "k" });
        await scene.send(sender, agentId, { orderingKey: "k", priority: "urgent" });
        expect(await attention()).toBeUndefined();
        await scene.send(sender, agentId, { priority: "urgent", ttlSeconds: 10 });
        expect(await attention()).toBe(true);
        scene.advance(11 * SECOND);
        expect(await attention()).toBeUndefined();
        await scene.send(sender, agentId, { priority: "urgent" });
        expect(await attention()).toBe(true);
        const leased = await scene.receiveOne(agentId);
        expect([leased.priority, await attention()]).toEqual(["urgent", undefined]);
        await scene.settle(agentId, leased, "complete");
        expect(await attention()).toBeUndefined();
        scene.advance(60 * SECOND);
        expect(await attention()).toBe(true);
      });

      it("counts waiting messages up to 1,000", async () => {
        const scene = stage.scene();
        const [sender, agentId] = [await scene.agent(), await scene.agent()];
        for (let batch = 0; batch < 11; batch++) {
          const messages = Array.from({ length: 100 }, () => scene.message(sender, agentId));
          await scene.store.sendMessages(messages);
          if (batch === 9) expect((await scene.store.heartbeat({ agentId })).pendingMessages).toBe(1_000);
        }
        expect((await scene.store.heartbeat({ agentId })).pendingMessages).toBe(1_000);
      });

      it("tells the agent's tasks with their cancel requests", async () => {
        const scene = stage.scene();
        const supervisor = await scene.supervisor();
        const agentId = await scene.worker(3);
        const [running, assigned] = [await scene.assign(supervisor), await scene.assign(supervisor)];
        await scene.start(running);
        await scene.store.cancelTask(running.taskId, "enough");
        const { tasks } = await scene.store.heartbeat({ agentId });
        expect([...tasks].sort((a, b) => a.taskId.localeCompare(b.taskId))).toEqual([
          { taskId: running.taskId, attempt: 1, cancelRequested: true },
          { taskId: assigned.taskId, attempt: 1, cancelRequested: false },
        ]);
        await scene.complete(running);
        await scene.complete(assigned);
        expect((await scene.store.heartbeat({ agentId })).tasks).toEqual([]);
      });
    });

    describe("silence", () => {
      it("makes an agent inactive past the timeout, not before, and a heartbeat brings it back", async () => {
        const scene = stage.scene();
        const [silent, beating] = [await scene.worker(), await scene.worker()];
        await scene.pass(60 * SECOND);
        await scene.store.heartbeat({ agentId: beating });
        await scene.pass(25 * SECOND);
        expect(await agentStatus(scene, silent)).toBe("active");
        scene.advance(6 * SECOND);
        const report = await scene.store.sweep();
        expect(report.agentsInactivated).toBeGreaterThanOrEqual(1);
        expect([await agentStatus(scene, silent), await agentStatus(scene, beating)]).toEqual(["inactive", "active"]);
        expect((await scene.store.sweep()).agentsInactivated).toBe(0);
        expect((await scene.store.heartbeat({ agentId: silent })).status).toBe("active");
      });

      it("makes a draining agent inactive, too, but leaves a deregistered one", async () => {
        const scene = stage.scene();
        const [draining, gone] = [await scene.worker(), await scene.worker()];
        await scene.store.heartbeat({ agentId: draining, status: "draining" });
        await scene.store.deregisterAgent(gone);
        await scene.pass(95 * SECOND);
        expect([await agentStatus(scene, draining), await agentStatus(scene, gone)]).toEqual([
          "inactive",
          "deregistered",
        ]);
      });

      it("requeues the tasks at once, using one retry, for another agent in the same sweep", async () => {
        const scene = stage.scene();
        const supervisor = await scene.supervisor();
        const silent = await scene.worker(2);
        const [running, assigned] = [await scene.assign(supervisor), await scene.assign(supervisor)];
        await scene.start(running);
        scene.advance(95 * SECOND);
        const other = await scene.worker(1);
        await scene.store.sweep();
        const tasks = [await scene.look(running.taskId), await scene.look(assigned.taskId)];
        expect(tasks.map((task) => task.retriesUsed)).toEqual([1, 1]);
        expect(only(tasks.filter((task) => task.status === "assigned"))).toMatchObject({
          assignedTo: other,
          attempt: 2,
        });
        const waiting = only(tasks.filter((task) => task.status === "pending"));
        expect(waiting.attempt).toBe(1);
        expect(at(waiting.availableAt)).toBeLessThanOrEqual(scene.store.now());
        expect(await scene.store.getAgent(silent)).toMatchObject({ status: "inactive", activeTasks: 0 });
        const [first] = await scene.assignments(running.taskId);
        expect(first).toMatchObject({ chosen: silent, outcome: "agent_inactive" });
        const { performance } = await scene.store.getAgent(silent);
        expect(performance).toMatchObject({ completed: 0, failed: 0, lost: 2, released: 0, successRate: 0 });
        expect(await caught(scene.complete(running))).toBe("LEASE_LOST");
      });

      it("fails the task past its retries, and the supervisor is told", async () => {
        const scene = stage.scene();
        const supervisor = await scene.supervisor();
        await scene.worker();
        const held = await scene.assign(supervisor, { maxRetries: 0 });
        await scene.pass(95 * SECOND);
        expect(await scene.look(held.taskId)).toMatchObject({
          status: "failed",
          retriesUsed: 0,
          error: "AGENT_INACTIVE",
        });
        const result = only(await scene.results(supervisor, held.taskId));
        expect(result.payload).toMatchObject({ status: "failed", attempt: 1, error: "AGENT_INACTIVE" });
      });

      it("takes an inactive agent out of assigning until it is back", async () => {
        const scene = stage.scene();
        const supervisor = await scene.supervisor();
        const agentId = await scene.worker();
        await scene.pass(95 * SECOND);
        const taskId = await scene.submit(supervisor);
        expect((await scene.look(taskId)).status).toBe("pending");
        await scene.store.heartbeat({ agentId });
        expect((await scene.look(taskId)).assignedTo).toBe(agentId);
      });

      it("is ended by registering again, which hands out what waits", async () => {
        const scene = stage.scene();
        const supervisor = await scene.supervisor();
        const agentId = await scene.worker();
        await scene.pass(95 * SECOND);
        expect(await agentStatus(scene, agentId)).toBe("inactive");
        const taskId = await scene.submit(supervisor);
        await scene.worker(1, [], agentId);
        expect(await agentStatus(scene, agentId)).toBe("active");
        expect((await scene.held(taskId)).agentId).toBe(agentId);
      });

      it("does not stop an inactive agent from receiving and settling, which makes it active again", async () => {
        const scene = stage.scene();
        const [sender, agentId] = [await scene.agent(), await scene.agent()];
        await scene.send(sender, agentId);
        await scene.pass(95 * SECOND);
        expect(await agentStatus(scene, agentId)).toBe("inactive");
        const leased = await scene.receiveOne(agentId, { leaseMilliseconds: HOUR });
        expect(await agentStatus(scene, agentId)).toBe("active");
        await scene.pass(95 * SECOND);
        expect(await agentStatus(scene, agentId)).toBe("inactive");
        expect(await scene.settle(agentId, leased, "complete")).toBe("completed");
        expect(await agentStatus(scene, agentId)).toBe("active");
      });
    });

    it.each(["receive", "settlement"])("an agent that wakes by a %s is handed waiting work", async (call) => {
      const scene = stage.scene();
      const [sender, agentId, supervisor] = [await scene.agent(), await scene.worker(), await scene.supervisor()];
      await scene.send(sender, agentId);
      const leased = await scene.receiveOne(agentId, { leaseMilliseconds: HOUR });
      await scene.pass(95 * SECOND);
      expect(await agentStatus(scene, agentId)).toBe("inactive");
      const taskId = await scene.submit(supervisor);
      expect((await scene.look(taskId)).status).toBe("pending");
      if (call === "receive") await scene.claim(agentId);
      else expect(await scene.settle(agentId, leased, "complete")).toBe("completed");
      expect(await scene.held(taskId)).toMatchObject({ agentId, attempt: 1 });
    });

    describe("calls as heartbeats", () => {
      /** Calls after 60 s of silence; true when the agent is still active 60 s later, past its first timeout. */
      async function countsAsHeartbeat(scene: Scene, agentId: string, call: () => Promise<unknown>): Promise<boolean> {
        scene.advance(MINUTE);
        await call();
        await scene.pass(MINUTE);
        return (await agentStatus(scene, agentId)) === "active";
      }

      it("silence does not count, for comparison", async () => {
        const scene = stage.scene();
        expect(await countsAsHeartbeat(scene, await scene.worker(), async () => undefined)).toBe(false);
      });

      it("an accepted receive, renewal and settlement count", async () => {
        const scene = stage.scene();
        const [sender, agentId] = [await scene.agent(), await scene.agent()];
        await scene.send(sender, agentId);
        expect(await countsAsHeartbeat(scene, agentId, () => scene.receive(agentId))).toBe(true);
        await scene.store.heartbeat({ agentId });
        const leased = await scene.receiveOne(agentId, { leaseMilliseconds: HOUR });
        const { messageId, attempt } = leased;
        const renewal = { agentId, messageId, attempt, leaseMilliseconds: HOUR };
        expect(await countsAsHeartbeat(scene, agentId, () => scene.store.renewLease(renewal))).toBe(true);
        await scene.store.heartbeat({ agentId });
        expect(await countsAsHeartbeat(scene, agentId, () => scene.settle(agentId, leased, "complete"))).toBe(true);
      });

      it("an accepted start, progress, completion and failure count", async () => {
        const scene = stage.scene();
        const supervisor = await scene.supervisor();
        const agentId = await scene.worker(2);
        const beat = () => scene.store.heartbeat({ agentId });
        const held = await scene.assign(supervisor, { timeoutSeconds: 86_400 });
        const failing = await scene.assign(supervisor, { timeoutSeconds: 86_400 });
        expect(await countsAsHeartbeat(scene, agentId, () => scene.start(held))).toBe(true);
        await beat();
        expect(await countsAsHeartbeat(scene, agentId, () => scene.progress(held, { percent: 1 }))).toBe(true);
        await beat();
        expect(await countsAsHeartbeat(scene, agentId, () => scene.complete(held))).toBe(true);
        await beat();
        expect(await countsAsHeartbeat(scene, agentId, () => scene.fail(failing, { retryable: false }))).toBe(true);
      });

      it("an accepted send counts, alone, in a batch and to a channel, and so does its repeat", async () => {
        const scene = stage.scene();
        const [agentId, receiver] = [await scene.agent(), await scene.agent()];
        const message = scene.message(agentId, receiver);
        expect(await countsAsHeartbeat(scene, agentId, () => scene.store.sendMessages([message]))).toBe(true);
        await scene.store.heartbeat({ agentId });
        expect(await countsAsHeartbeat(scene, agentId, () => scene.store.sendMessages([message]))).toBe(true);
        await scene.store.heartbeat({ agentId });
        const several = [scene.message(agentId, receiver, { orderingKey: "k" }), scene.message(agentId, receiver)];
        expect(await countsAsHeartbeat(scene, agentId, () => scene.store.sendMessages(several))).toBe(true);
        const name = await scene.channel("broadcast");
        await scene.store.heartbeat({ agentId });
        const post = newMessage({ type: "query", sender: agentId, receiver: `#${name}` });
        expect(await countsAsHeartbeat(scene, agentId, () => scene.store.broadcastMessage(post))).toBe(true);
      });

      it("a send wakes a worker that had fallen silent, which is handed waiting work", async () => {
        const scene = stage.scene();
        const [agentId, supervisor] = [await scene.worker(), await scene.supervisor()];
        await scene.pass(95 * SECOND);
        expect(await agentStatus(scene, agentId)).toBe("inactive");
        const taskId = await scene.submit(supervisor);
        await scene.send(agentId, supervisor);
        expect(await agentStatus(scene, agentId)).toBe("active");
        expect(await scene.held(taskId)).toMatchObject({ agentId, attempt: 1 });
      });

      it("an accepted assignment counts for its supervisor", async () => {
        const scene = stage.scene();
        const supervisor = await scene.supervisor();
        expect(await countsAsHeartbeat(scene, supervisor, () => scene.submit(supervisor))).toBe(true);
      });

      it("refused calls do not count", async () => {
        const scene = stage.scene();
        const agentId = await scene.worker();
        const sender = await scene.agent();
        const messageId = await scene.send(sender, sender);
        const renewal = { agentId, messageId, attempt: 1, leaseMilliseconds: MINUTE };
        const refused = async () => {
          expect(await caught(scene.store.renewLease(renewal))).toBe("LEASE_LOST");
          expect(await scene.settle(agentId, { messageId, attempt: 1 }, "complete")).toBe("lease_lost");
          expect(await caught(scene.complete({ taskId: scene.id("no"), agentId, attempt: 1 }))).toBe("TASK_NOT_FOUND");
          expect(
            await caught(
              scene.store.sendMessages([newMessage({ type: "query", sender: agentId, receiver: scene.id("no") })]),
            ),
          ).toBe("AGENT_NOT_FOUND");
        };
        expect(await countsAsHeartbeat(scene, agentId, refused)).toBe(false);
      });

      it("the stored time is at most a quarter of the interval behind the last accepted call", async () => {
        const scene = stage.scene();
        const agentId = await scene.agent();
        for (let step = 0; step < 4; step++) {
          scene.advance(5 * SECOND);
          await scene.receive(agentId);
          const stored = at((await scene.store.getAgent(agentId)).lastHeartbeatAt);
          expect(scene.store.now() - stored).toBeLessThan(8_500);
        }
      });
    });
  });
}
