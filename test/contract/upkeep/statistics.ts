import { describe, expect, it } from "@jest/globals";
import { AGENT_ROLES } from "../../../src/lib/model/agent.ts";
import { MESSAGE_STATUSES } from "../../../src/lib/model/message.ts";
import { TASK_STATUSES } from "../../../src/lib/model/task.ts";
import { NOTHING_USED } from "../nothing-used.ts";
import { type StoreFactory, withStore } from "../store-under-test.ts";
import { caught, everyPage, HOUR, MINUTE, type Scene, SECOND } from "../support.ts";

/** Statistics as section 4 defines them, and equal to a recount. Their numbers are absolute: each test opens a store. */
export function statisticsContract(open: StoreFactory): void {
  describe("statistics", () => {
    it("of an empty store are zeros", async () => {
      await withStore(open, {}, async ({ store }) => {
        expect(await store.queueStatistics()).toEqual({
          totalMessages: 0,
          messagesPerMinute: 0,
          byStatus: Object.fromEntries(MESSAGE_STATUSES.map((status) => [status, 0])),
          oldestAgeSeconds: 0,
          deadLetters: 0,
        });
        expect(await store.registryStatistics()).toEqual({
          totalAgents: 0,
          activeAgents: 0,
          averageLoad: 0,
          byRole: Object.fromEntries(AGENT_ROLES.map((role) => [role, 0])),
        });
        expect(await store.coordinationStatistics()).toEqual({
          activeAgents: 0,
          metrics: {
            tasksAssigned: 0,
            tasksCompleted: 0,
            tasksFailed: 0,
            tasksNotNeeded: 0,
            attemptsFailed: 0,
            attemptsLost: 0,
            usage: NOTHING_USED,
          },
          byStatus: Object.fromEntries(TASK_STATUSES.map((status) => [status, 0])),
        });
        expect(await store.checkHealth()).toEqual({
          databaseConnection: true,
          messageQueueOperational: true,
          agentRegistryAccessible: true,
          recentActivity: false,
        });
      });
    });

    it("of the queue count rows in every state", async () => {
      await withStore(open, {}, async (scene) => {
        const [sender, receiver] = [await scene.agent(), await scene.agent()];
        await scene.deadLetter(sender, receiver);
        await scene.deadLetter(sender, receiver);
        await scene.send(sender, receiver, { priority: "urgent" });
        await scene.settle(receiver, await scene.receiveOne(receiver), "complete");
        await scene.send(sender, receiver, { ttlSeconds: 1 });
        await scene.pass(2 * SECOND);
        await scene.send(sender, receiver);
        await scene.receiveOne(receiver, { leaseMilliseconds: HOUR });
        await scene.send(sender, receiver);
        await scene.send(sender, receiver, { delaySeconds: 60 });
        await scene.send(sender, receiver, { orderingKey: "k" });
        await scene.send(sender, receiver, { orderingKey: "k" });
        const statistics = await scene.store.queueStatistics();
        expect(statistics).toMatchObject({
          totalMessages: 9,
          messagesPerMinute: 9,
          byStatus: { queued: 4, leased: 1, completed: 1, dead_lettered: 2, expired: 1 },
          deadLetters: 2,
        });
        await scene.store.redriveDeadLetters({ filter: { receiver }, dryRun: true });
        expect((await scene.store.queueStatistics()).deadLetters).toBe(2);
        const [first] = (await scene.store.listDeadLetters({ receiver, limit: 1 })).items;
        await scene.store.purgeDeadLetters({ messageIds: [first?.messageId ?? ""], dryRun: false });
        await scene.store.redriveDeadLetters({ filter: { receiver }, dryRun: false });
        const after = await scene.store.queueStatistics();
        expect(after).toMatchObject({ totalMessages: 8, deadLetters: 0 });
        expect(after.byStatus).toMatchObject({ queued: 5, dead_lettered: 0 });
      });
    });

    it("of the queue move with every change of a message", async () => {
      await withStore(open, {}, async (scene) => {
        const [sender, receiver] = [await scene.agent(), await scene.agent()];
        const counts = async () => {
          const { byStatus } = await scene.store.queueStatistics();
          return Object.fromEntries(Object.entries(byStatus).filter(([, count]) => count !== 0));
        };
        const messageId = await scene.send(sender, receiver, { maxAttempts: 4 });
        expect(await counts()).toEqual({ queued: 1 });
        const retried = await scene.receiveOne(receiver);
        expect(await counts()).toEqual({ leased: 1 });
        await scene.settle(receiver, retried, "retry", { delayMilliseconds: 0 });
        expect(await counts()).toEqual({ queued: 1 });
        const given = await scene.receiveOne(receiver);
        const { attempt } = given;
        await scene.store.giveBackMessages({
          agentId: receiver,
          messages: [{ messageId, attempt }],
          delayMilliseconds: 0,
        });
        expect(await counts()).toEqual({ queued: 1 });
        await scene.receiveOne(receiver);
        await scene.pass(2 * MINUTE);
        expect(await counts()).toEqual({ queued: 1 });
        await scene.settle(receiver, await scene.receiveOne(receiver), "dead_letter");
        expect(await counts()).toEqual({ dead_lettered: 1 });
        await scene.store.redriveDeadLetters({ messageIds: [messageId], dryRun: false });
        expect(await counts()).toEqual({ queued: 1 });
        await scene.store.withdrawMessage(messageId);
        expect(await counts()).toEqual({ expired: 1 });
        await scene.send(sender, receiver);
        await scene.settle(receiver, await scene.receiveOne(receiver), "complete");
        expect(await counts()).toEqual({ completed: 1, expired: 1 });
        await scene.pass(8 * 24 * HOUR);
        await scene.store.maintain();
        expect(await counts()).toEqual({});
      });
    });

    it("of the queue tell the rate of the last minute and the age of the oldest waiting", async () => {
      await withStore(open, {}, async (scene) => {
        const agentId = await scene.agent();
        for (let i = 0; i < 3; i++) await scene.send(agentId, agentId);
        const duplicate = scene.message(agentId, agentId);
        await scene.store.sendMessages([duplicate]);
        await scene.store.sendMessages([duplicate]);
        expect(await caught(scene.send(agentId, scene.id("nobody")))).toBe("AGENT_NOT_FOUND");
        expect((await scene.store.queueStatistics()).messagesPerMinute).toBe(4);
        scene.advance(30 * SECOND);
        await scene.send(agentId, agentId);
        expect((await scene.store.queueStatistics()).messagesPerMinute).toBe(5);
        scene.advance(35 * SECOND);
        const statistics = await scene.store.queueStatistics();
        expect(statistics.messagesPerMinute).toBe(1);
        expect(statistics.oldestAgeSeconds).toBeGreaterThanOrEqual(65);
        expect(statistics.oldestAgeSeconds).toBeLessThan(80);
        const leased = await scene.receive(agentId, { maxMessages: 50 });
        expect((await scene.store.queueStatistics()).oldestAgeSeconds).toBe(0);
        for (const message of leased) await scene.settle(agentId, message, "complete");
        await scene.pass(MINUTE);
        expect((await scene.store.queueStatistics()).messagesPerMinute).toBe(0);
      });
    });

    it("of the queue keep the rate of the last minute over a sweep", async () => {
      await withStore(open, {}, async (scene) => {
        const agentId = await scene.agent();
        for (let i = 0; i < 3; i++) await scene.send(agentId, agentId);
        for (let sweeps = 0; sweeps < 5; sweeps++) {
          await scene.pass(11 * SECOND);
          expect((await scene.store.queueStatistics()).messagesPerMinute).toBe(3);
        }
        await scene.pass(11 * SECOND);
        expect((await scene.store.queueStatistics()).messagesPerMinute).toBe(0);
      });
    });

    it("of the registry count a worker as full whose capacity was lowered below what it has", async () => {
      await withStore(open, {}, async (scene) => {
        const supervisor = await scene.supervisor();
        const worker = await scene.worker(3);
        for (let i = 0; i < 3; i++) await scene.assign(supervisor, { assignTo: worker });
        await scene.store.heartbeat({ agentId: worker, maxConcurrentTasks: 2 });
        expect((await scene.store.registryStatistics()).averageLoad).toBe(1);
        await scene.worker(1);
        expect((await scene.store.registryStatistics()).averageLoad).toBe(0.5);
      });
    });

    it("of the registry leave out deregistered agents, and mean the load of active workers with capacity", async () => {
      await withStore(open, { heartbeatIntervalSeconds: 30, heartbeatTimeoutSeconds: 90 }, async (scene) => {
        const supervisor = await scene.supervisor();
        const half = await scene.worker(4);
        await scene.worker(0);
        const draining = await scene.worker(1);
        await scene.assign(supervisor, { assignTo: draining });
        await scene.store.heartbeat({ agentId: draining, status: "draining" });
        for (let i = 0; i < 2; i++) await scene.assign(supervisor, { assignTo: half });
        const gone = await scene.agent("observer");
        await scene.store.deregisterAgent(gone);
        const idle = await scene.worker(2);
        expect(await scene.store.registryStatistics()).toEqual({
          totalAgents: 5,
          activeAgents: 4,
          averageLoad: 0.25,
          byRole: { supervisor: 1, worker: 4, observer: 0, admin: 0 },
        });
        expect((await scene.store.coordinationStatistics()).activeAgents).toBe(4);
        scene.advance(60 * SECOND);
        for (const agentId of [half, supervisor]) await scene.store.heartbeat({ agentId });
        await scene.pass(31 * SECOND);
        expect((await scene.store.getAgent(idle)).status).toBe("inactive");
        expect(await scene.store.registryStatistics()).toMatchObject({ totalAgents: 5, activeAgents: 2 });
        expect((await scene.store.checkHealth()).recentActivity).toBe(true);
      });
    });

    it("of coordination count a task once, however often it is assigned", async () => {
      await withStore(open, {}, async (scene) => {
        const supervisor = await scene.supervisor();
        await scene.worker(3);
        const retried = await scene.assign(supervisor);
        await scene.fail(retried);
        await scene.pass(2 * SECOND);
        await scene.complete(await scene.held(retried.taskId));
        await scene.fail(await scene.assign(supervisor), { retryable: false });
        const running = await scene.assign(supervisor);
        await scene.start(running);
        await scene.assign(supervisor);
        await scene.submit(supervisor, { dependsOn: [running.taskId] });
        const waiting = { requiredCapabilities: [scene.id("rare")] };
        await scene.submit(supervisor, waiting);
        await scene.store.cancelTask(await scene.submit(supervisor, waiting), undefined);
        expect(await scene.store.coordinationStatistics()).toMatchObject({
          metrics: {
            tasksAssigned: 4,
            tasksCompleted: 1,
            tasksFailed: 1,
            tasksNotNeeded: 0,
            attemptsFailed: 2,
            attemptsLost: 0,
            usage: NOTHING_USED,
          },
          byStatus: { blocked: 1, pending: 1, assigned: 1, running: 1, completed: 1, failed: 1, cancelled: 1 },
        });
        await scene.store.deregisterAgent(running.agentId);
        expect((await scene.store.coordinationStatistics()).byStatus).toMatchObject({
          pending: 3,
          assigned: 0,
          running: 0,
        });
      });
    });

    it("equal a recount through the lists after much has happened", async () => {
      await withStore(open, {}, async (scene, under) => {
        await busyDay(scene);
        await scene.store.sweep();
        await expectRecount(scene);
        const before = await scene.store.coordinationStatistics();
        await under.reopen?.();
        expect(await scene.store.coordinationStatistics()).toEqual(before);
        await expectRecount(scene);
        scene.advance(40 * 24 * HOUR);
        await scene.store.maintain();
        await scene.store.sweep();
        await expectRecount(scene);
      });
    });
  });
}

/** A little of everything, so that every counter has moved. */
async function busyDay(scene: Scene): Promise<void> {
  const supervisor = await scene.supervisor();
  const workers = [await scene.worker(2), await scene.worker(3), await scene.worker(1)];
  for (let i = 0; i < 30; i++) {
    const taskId = await scene.submit(supervisor, { maxRetries: i % 3, timeoutSeconds: 60 });
    const task = await scene.look(taskId);
    if (task.status === "assigned") {
      const held = await scene.held(taskId);
      if (i % 5 === 0) await scene.complete(held);
      else if (i % 5 === 1) await scene.fail(held);
      else if (i % 5 === 2) await scene.start(held);
      else if (i % 5 === 3) await scene.store.cancelTask(taskId, undefined);
    }
    if (i % 7 === 6) await scene.pass(20 * SECOND);
    const worker = workers[i % 3] ?? "";
    const [leased] = await scene.receive(worker, { leaseMilliseconds: 30 * SECOND });
    if (leased !== undefined && i % 4 !== 0)
      await scene.settle(worker, leased, i % 4 === 1 ? "complete" : "dead_letter");
    await scene.send(supervisor, worker, i % 2 === 0 ? { ttlSeconds: 30 } : { orderingKey: "k" });
  }
  await scene.store.deregisterAgent(workers[0] ?? "");
  await scene.pass(10 * MINUTE);
}

/** Every number that the lists can confirm. */
async function expectRecount({ store }: Scene): Promise<void> {
  const queue = await store.queueStatistics();
  const coordination = await store.coordinationStatistics();
  const registry = await store.registryStatistics();
  for (const status of TASK_STATUSES) {
    const tasks = await everyPage((page) => store.listTasks({ status, ...page }));
    expect([status, coordination.byStatus[status]]).toEqual([status, tasks.length]);
  }
  expect(queue.deadLetters).toBe((await everyPage((page) => store.listDeadLetters(page))).length);
  expect(queue.byStatus.dead_lettered).toBe(queue.deadLetters);
  expect(queue.totalMessages).toBe(MESSAGE_STATUSES.reduce((sum, status) => sum + (queue.byStatus[status] ?? 0), 0));
  const agents = await everyPage((page) => store.listAgents(page));
  const present = agents.filter((agent) => agent.status !== "deregistered");
  expect(registry.totalAgents).toBe(present.length);
  expect(registry.activeAgents).toBe(present.filter((agent) => agent.status === "active").length);
  let queued = 0;
  for (const agent of present) queued += (await everyPage((page) => store.peekMessages(agent.agentId, page))).length;
  expect(queue.byStatus.queued).toBe(queued);
  for (const agent of agents) {
    const held = await everyPage((page) => store.listTasks({ assignedTo: agent.agentId, ...page }));
    const live = held.filter((task) => task.status === "assigned" || task.status === "running");
    expect([agent.agentId, agent.activeTasks]).toEqual([agent.agentId, live.length]);
  }
}
