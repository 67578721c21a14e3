import { describe, expect, it } from "@jest/globals";
import { type StoreFactory, useStore } from "../store-under-test.ts";
import { at, caught, MINUTE, only } from "../support.ts";

/** Registering, reading and deregistering agents (design section 4, Agent). */
export function agentsContract(open: StoreFactory): void {
  describe("agents", () => {
    const stage = useStore(open);

    describe("registering", () => {
      it("creates an active agent with everything it said", async () => {
        const scene = stage.scene();
        const agentId = scene.id("new");
        const before = scene.store.now();
        const { agent, created } = await scene.store.registerAgent({
          agentId,
          role: "worker",
          capabilities: ["python@3.12", "c++"],
          maxConcurrentTasks: 3,
          metadata: { team: "å", nested: { deep: [1, null] } },
        });
        expect(created).toBe(true);
        expect(agent).toMatchObject({
          agentId,
          role: "worker",
          maxConcurrentTasks: 3,
          metadata: { team: "å", nested: { deep: [1, null] } },
          status: "active",
          activeTasks: 0,
          performance: {
            completed: 0,
            failed: 0,
            lost: 0,
            released: 0,
            successRate: null,
            meanDurationSeconds: null,
            p95DurationSeconds: null,
          },
        });
        expect(new Set(agent.capabilities)).toEqual(new Set(["python@3.12", "c++"]));
        expect(at(agent.registeredAt)).toBeGreaterThanOrEqual(before);
        expect(at(agent.lastHeartbeatAt)).toBeLessThanOrEqual(scene.store.now());
        expect(await scene.store.getAgent(agentId)).toEqual(agent);
      });

      it("leaves metadata absent when none was given", async () => {
        const scene = stage.scene();
        expect(await scene.register({ role: "observer" })).not.toHaveProperty("metadata");
      });

      it("takes capabilities as a set: repeats are dropped and order means nothing", async () => {
        const scene = stage.scene();
        const first = await scene.register({ role: "worker", capabilities: ["b", "a", "b", "a"] });
        const second = await scene.register({ role: "worker", capabilities: ["a", "b"] });
        expect(first.capabilities).toHaveLength(2);
        expect(first.capabilities).toEqual(second.capabilities);
      });

      it("compares ids byte for byte", async () => {
        const scene = stage.scene();
        const lower = await scene.register({ role: "observer", agentId: scene.id("case") });
        const upper = await scene.register({ role: "worker", agentId: scene.id("Case") });
        expect(upper.agentId).not.toBe(lower.agentId);
        expect((await scene.store.getAgent(lower.agentId)).role).toBe("observer");
        expect(await caught(scene.store.getAgent(scene.id("CASE")))).toBe("AGENT_NOT_FOUND");
      });

      it("again updates it, and says that it was known", async () => {
        const scene = stage.scene();
        const agentId = scene.id("again");
        const first = await scene.register({ agentId, role: "worker", capabilities: ["a"], metadata: { v: 1 } });
        const { agent, created } = await scene.store.registerAgent({
          agentId,
          role: "supervisor",
          capabilities: ["b", "c"],
          maxConcurrentTasks: 7,
          metadata: { v: 2 },
        });
        expect(created).toBe(false);
        expect(agent).toMatchObject({
          role: "supervisor",
          maxConcurrentTasks: 7,
          metadata: { v: 2 },
          status: "active",
        });
        expect(new Set(agent.capabilities)).toEqual(new Set(["b", "c"]));
        expect(agent.registeredAt >= first.registeredAt).toBe(true);
      });

      it("again ends draining", async () => {
        const scene = stage.scene();
        const agentId = await scene.worker();
        await scene.store.heartbeat({ agentId, status: "draining" });
        expect((await scene.store.getAgent(agentId)).status).toBe("draining");
        expect((await scene.register({ agentId, role: "worker" })).status).toBe("active");
      });

      it("again reactivates a deregistered agent, which is known", async () => {
        const scene = stage.scene();
        const agentId = await scene.worker();
        await scene.store.deregisterAgent(agentId);
        const { agent, created } = await scene.store.registerAgent({
          agentId,
          role: "worker",
          capabilities: [],
          maxConcurrentTasks: 1,
        });
        expect([agent.status, created]).toEqual(["active", false]);
      });

      it("again keeps live tasks, which can still be completed", async () => {
        const scene = stage.scene();
        const supervisor = await scene.supervisor();
        const agentId = await scene.worker(2);
        const held = await scene.assign(supervisor);
        await scene.start(held);
        const agent = await scene.register({
          agentId,
          role: "worker",
          capabilities: [scene.skill],
          maxConcurrentTasks: 2,
        });
        expect(agent.activeTasks).toBe(1);
        expect((await scene.look(held.taskId)).status).toBe("running");
        expect((await scene.complete(held)).status).toBe("completed");
      });

      it("with less room only stops new assignments", async () => {
        const scene = stage.scene();
        const supervisor = await scene.supervisor();
        const agentId = await scene.worker(2);
        const first = await scene.assign(supervisor);
        const second = await scene.assign(supervisor);
        await scene.worker(1, [], agentId);
        expect(await scene.store.getAgent(agentId)).toMatchObject({ activeTasks: 2, maxConcurrentTasks: 1 });
        const waiting = await scene.submit(supervisor);
        expect((await scene.look(waiting)).status).toBe("pending");
        await scene.complete(first);
        expect((await scene.look(waiting)).status).toBe("pending");
        await scene.complete(second);
        expect((await scene.look(waiting)).assignedTo).toBe(agentId);
      });

      it("of the same new id at once creates one agent", async () => {
        const scene = stage.scene();
        const agentId = scene.id("race");
        const registration = { agentId, role: "worker" as const, capabilities: ["x"], maxConcurrentTasks: 1 };
        const replies = await Promise.all(Array.from({ length: 5 }, () => scene.store.registerAgent(registration)));
        expect(replies.filter((reply) => reply.created)).toHaveLength(1);
      });
    });

    it("an unknown agent is AGENT_NOT_FOUND", async () => {
      const scene = stage.scene();
      expect(await caught(scene.store.getAgent(scene.id("nobody")))).toBe("AGENT_NOT_FOUND");
      expect(await caught(scene.store.deregisterAgent(scene.id("nobody")))).toBe("AGENT_NOT_FOUND");
      expect(await caught(scene.store.heartbeat({ agentId: scene.id("nobody") }))).toBe("AGENT_NOT_FOUND");
    });

    describe("deregistering", () => {
      it("is read back, and a repeat changes nothing", async () => {
        const scene = stage.scene();
        const agentId = await scene.worker();
        const gone = await scene.store.deregisterAgent(agentId);
        expect(gone).toMatchObject({ agentId, status: "deregistered", activeTasks: 0 });
        scene.advance(MINUTE);
        expect(await scene.store.deregisterAgent(agentId)).toEqual(gone);
      });

      it("refuses all that needs an agent until it registers again", async () => {
        const scene = stage.scene();
        const other = await scene.agent();
        const agentId = await scene.agent("supervisor");
        const messageId = await scene.send(other, agentId);
        const leased = await scene.receiveOne(agentId);
        await scene.store.deregisterAgent(agentId);
        const settlement = { messageId, attempt: leased.attempt, outcome: "complete" as const };
        const renewal = { agentId, messageId, attempt: leased.attempt, leaseMilliseconds: MINUTE };
        const calls = {
          heartbeat: () => scene.store.heartbeat({ agentId }),
          send: () => scene.send(agentId, other),
          sendTo: () => scene.send(other, agentId),
          claim: () => scene.claim(agentId),
          settle: () => scene.store.settleMessages(agentId, [settlement]),
          renew: () => scene.store.renewLease(renewal),
          assign: () => scene.submit(agentId),
          preview: () => scene.store.previewAssignment(scene.task(agentId)),
        };
        for (const [name, call] of Object.entries(calls)) {
          expect([name, await caught(call())]).toEqual([name, "AGENT_DEREGISTERED"]);
        }
        await scene.register({ agentId, role: "supervisor" });
        expect(await caught(scene.claim(agentId))).toBe("accepted");
        expect(await caught(scene.send(other, agentId))).toBe("accepted");
        expect(await caught(scene.submit(agentId))).toBe("accepted");
      });

      it("releases tasks without using a retry, to another agent at once", async () => {
        const scene = stage.scene();
        const supervisor = await scene.supervisor();
        const leaving = await scene.worker(2);
        const [running, assigned] = [await scene.assign(supervisor), await scene.assign(supervisor)];
        await scene.start(running);
        const staying = await scene.worker(1);
        await scene.store.deregisterAgent(leaving);
        const tasks = [await scene.look(running.taskId), await scene.look(assigned.taskId)];
        expect(tasks.map((task) => task.retriesUsed)).toEqual([0, 0]);
        expect(tasks.map((task) => task.status).sort()).toEqual(["assigned", "pending"]);
        const moved = only(tasks.filter((task) => task.status === "assigned"));
        expect(moved).toMatchObject({ assignedTo: staying, attempt: 2 });
        const [first] = await scene.assignments(running.taskId);
        expect(first).toMatchObject({ chosen: leaving, outcome: "released" });
        expect(await caught(scene.complete(running))).toBe("AGENT_DEREGISTERED");
        const waiting = only(tasks.filter((task) => task.status === "pending"));
        expect(waiting.assignedTo).toBeUndefined();
        expect(at(waiting.availableAt)).toBeLessThanOrEqual(scene.store.now());
      });

      it("lets the sweep dead-letter the mailbox, leased messages too", async () => {
        const scene = stage.scene();
        const [sender, receiver] = [await scene.agent(), await scene.agent()];
        const leased = await scene.send(sender, receiver);
        await scene.receiveOne(receiver);
        const queued = await scene.send(sender, receiver);
        const delayed = await scene.send(sender, receiver, { delaySeconds: 3_600 });
        const keyed = await scene.send(sender, receiver, { orderingKey: "k" });
        const behind = await scene.send(sender, receiver, { orderingKey: "k" });
        await scene.store.deregisterAgent(receiver);
        const report = await scene.store.sweep();
        for (const id of [leased, queued, delayed, keyed, behind]) {
          expect(await scene.read(id)).toMatchObject({ status: "dead_lettered", reason: "RECEIVER_DEREGISTERED" });
        }
        expect(report.messagesDeadLettered).toBeGreaterThanOrEqual(5);
        await scene.register({ agentId: receiver, role: "observer" });
        expect(await scene.receiveIds(receiver)).toEqual([]);
      });

      it("with an empty mailbox keeps no other mailbox from the dead letters", async () => {
        const scene = stage.scene();
        const sender = await scene.agent();
        const receivers = [await scene.agent(), await scene.agent(), await scene.agent()];
        const [before, full, behind] = receivers;
        if (before === undefined || full === undefined || behind === undefined) throw new Error("three were made");
        for (const empty of [before, behind]) {
          await scene.send(sender, empty);
          await scene.settle(empty, await scene.receiveOne(empty), "complete");
        }
        const messageId = await scene.send(sender, full);
        for (const agentId of receivers) await scene.store.deregisterAgent(agentId);
        await scene.store.sweep();
        expect(await scene.read(messageId)).toMatchObject({ status: "dead_lettered", reason: "RECEIVER_DEREGISTERED" });
      });
    });
  });
}
