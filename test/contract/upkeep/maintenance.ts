import { describe, expect, it } from "@jest/globals";
import { type StoreFactory, withStore } from "../store-under-test.ts";
import { caught, DAY, everyPage, HOUR, MINUTE, SECOND } from "../support.ts";

/** The daily upkeep (design section 4, Maintenance). Its counts are absolute: each test opens a store. */
export function maintenanceContract(open: StoreFactory): void {
  describe("maintenance", () => {
    it("of an empty store does nothing, and says so", async () => {
      await withStore(open, {}, async ({ store }) => {
        const { durationSeconds, ...report } = await store.maintain();
        expect(report).toEqual({
          messagesPurged: 0,
          deadLettersPurged: 0,
          agentsDeregistered: 0,
          agentsDeleted: 0,
          tasksArchived: 0,
          credentialsDeleted: 0,
          agentsRefreshed: 0,
          usageHoursDropped: 0,
          auditEntriesDropped: 0,
          finished: true,
        });
        expect(durationSeconds).toBeGreaterThanOrEqual(0);
      });
    });

    it("purges completed and expired messages past their retention, by when they ended, and no others", async () => {
      await withStore(open, { messageRetentionDays: 7 }, async (scene) => {
        const [sender, receiver] = [await scene.agent(), await scene.agent()];
        const completed = await scene.send(sender, receiver);
        await scene.settle(receiver, await scene.receiveOne(receiver), "complete");
        const expired = await scene.send(sender, receiver, { ttlSeconds: 1 });
        await scene.pass(2 * SECOND);
        const late = await scene.send(sender, receiver);
        const lateLease = await scene.receiveOne(receiver, { leaseMilliseconds: 5 * DAY });
        const queued = await scene.send(sender, receiver);
        const dead = await scene.deadLetter(sender, receiver);
        scene.advance(4 * DAY);
        await scene.settle(receiver, lateLease, "complete");
        expect((await scene.store.maintain()).messagesPurged).toBe(0);
        scene.advance(3 * DAY + MINUTE);
        expect(await scene.store.maintain()).toMatchObject({ messagesPurged: 2, deadLettersPurged: 0, finished: true });
        for (const id of [completed, expired]) expect(await caught(scene.read(id))).toBe("MESSAGE_NOT_FOUND");
        for (const id of [late, queued, dead]) expect(await caught(scene.read(id))).toBe("accepted");
        scene.advance(4 * DAY);
        expect((await scene.store.maintain()).messagesPurged).toBe(1);
        expect(await scene.status(queued)).toBe("queued");
        expect(await caught(scene.send(sender, receiver, { messageId: completed, payload: "new" }))).toBe("accepted");
      });
    });

    it("purges dead letters past theirs", async () => {
      await withStore(open, { messageRetentionDays: 1, deadLetterRetentionDays: 30 }, async (scene) => {
        const [sender, receiver] = [await scene.agent(), await scene.agent()];
        const old = await scene.deadLetter(sender, receiver);
        scene.advance(29 * DAY);
        const fresh = await scene.deadLetter(sender, receiver);
        expect((await scene.store.maintain()).deadLettersPurged).toBe(0);
        scene.advance(DAY + MINUTE);
        expect((await scene.store.maintain()).deadLettersPurged).toBe(1);
        expect(await caught(scene.read(old))).toBe("MESSAGE_NOT_FOUND");
        expect(await scene.status(fresh)).toBe("dead_lettered");
        expect((await scene.store.queueStatistics()).deadLetters).toBe(1);
      });
    });

    it("purges more than one batch of rows in one run", async () => {
      await withStore(open, { messageRetentionDays: 1 }, async (scene) => {
        const agentId = await scene.agent();
        for (let batch = 0; batch < 22; batch++) {
          await scene.store.sendMessages(
            Array.from({ length: 100 }, () => scene.message(agentId, agentId, { ttlSeconds: 1 })),
          );
        }
        await scene.pass(2 * SECOND);
        scene.advance(DAY + MINUTE);
        expect(await scene.store.maintain()).toMatchObject({ messagesPurged: 2_200, finished: true });
        expect((await scene.store.queueStatistics()).totalMessages).toBe(0);
      });
    });

    describe("agents", () => {
      const beats = { heartbeatIntervalSeconds: 30, heartbeatTimeoutSeconds: 90, inactiveRetentionDays: 30 };

      it("inactive too long are deregistered, then deleted when no row names them", async () => {
        await withStore(open, beats, async (scene) => {
          const [silent, alive] = [await scene.agent(), await scene.agent()];
          await scene.pass(5 * MINUTE);
          await scene.store.heartbeat({ agentId: alive });
          scene.advance(29 * DAY);
          await scene.store.heartbeat({ agentId: alive });
          expect((await scene.store.maintain()).agentsDeregistered).toBe(0);
          scene.advance(DAY + HOUR);
          await scene.store.heartbeat({ agentId: alive });
          expect(await scene.store.maintain()).toMatchObject({ agentsDeregistered: 1, agentsDeleted: 0 });
          expect((await scene.store.getAgent(silent)).status).toBe("deregistered");
          scene.advance(30 * DAY + HOUR);
          await scene.store.heartbeat({ agentId: alive });
          expect((await scene.store.maintain()).agentsDeleted).toBe(1);
          expect(await caught(scene.store.getAgent(silent))).toBe("AGENT_NOT_FOUND");
          expect((await scene.store.getAgent(alive)).status).toBe("active");
          expect((await scene.store.registryStatistics()).totalAgents).toBe(1);
        });
      });

      it("that a message or a task names are kept until that row goes", async () => {
        await withStore(open, { deadLetterRetentionDays: 100, taskRetentionDays: 1 }, async (scene) => {
          const keeper = await scene.agent();
          const named = await scene.agent();
          const dead = await scene.deadLetter(named, keeper);
          const supervisor = await scene.supervisor();
          const waiting = await scene.submit(supervisor);
          await scene.store.deregisterAgent(named);
          await scene.store.deregisterAgent(supervisor);
          scene.advance(31 * DAY);
          expect((await scene.store.maintain()).agentsDeleted).toBe(0);
          expect((await scene.store.getAgent(named)).status).toBe("deregistered");
          expect((await scene.read(dead)).sender).toBe(named);
          await scene.store.purgeDeadLetters({ messageIds: [dead], dryRun: false });
          expect((await scene.store.maintain()).agentsDeleted).toBe(1);
          expect(await caught(scene.store.getAgent(named))).toBe("AGENT_NOT_FOUND");
          expect((await scene.look(waiting)).supervisor).toBe(supervisor);
        });
      });

      it("deregistered by maintenance lose their mailbox to the dead letters, as an agent that deregisters does", async () => {
        await withStore(open, beats, async (scene) => {
          const [sender, silent] = [await scene.agent(), await scene.agent()];
          const messageId = await scene.send(sender, silent);
          await scene.pass(5 * MINUTE);
          scene.advance(31 * DAY);
          await scene.store.maintain();
          await scene.store.sweep();
          expect(await scene.read(messageId)).toMatchObject({
            status: "dead_lettered",
            reason: "RECEIVER_DEREGISTERED",
          });
        });
      });
    });

    describe("tasks", () => {
      it("that ended long ago move to the archive: not listed, but read whole by id", async () => {
        await withStore(open, { taskRetentionDays: 30 }, async (scene) => {
          const supervisor = await scene.supervisor();
          await scene.worker(3);
          const done = await scene.assign(supervisor, { parameters: { p: 1 }, description: "kept" });
          await scene.start(done);
          await scene.complete(done, { r: 2 });
          const failed = await scene.assign(supervisor);
          await scene.fail(failed, { retryable: false });
          const cancelled = await scene.assign(supervisor);
          await scene.store.cancelTask(cancelled.taskId, undefined);
          const live = await scene.assign(supervisor, { timeoutSeconds: 31_536_000 });
          const ended = [done.taskId, failed.taskId, cancelled.taskId];
          const before = await Promise.all(ended.map((taskId) => scene.look(taskId)));
          const assignments = await scene.assignments(done.taskId);
          const history = await scene.store.getTaskHistory(done.taskId, { limit: 50 });
          scene.advance(29 * DAY);
          expect((await scene.store.maintain()).tasksArchived).toBe(0);
          scene.advance(DAY + HOUR);
          expect(await scene.store.maintain()).toMatchObject({ tasksArchived: 3, finished: true });
          const listed = await everyPage((page) => scene.store.listTasks({ supervisor, ...page }));
          expect(listed.map((task) => task.taskId)).toEqual([live.taskId]);
          for (const [i, taskId] of ended.entries())
            expect(await scene.look(taskId)).toEqual({ ...before[i], archived: true });
          expect(await scene.assignments(done.taskId)).toEqual(assignments);
          expect((await scene.store.getTaskHistory(done.taskId, { limit: 50 })).items).toEqual(history.items);
          expect((await scene.store.maintain()).tasksArchived).toBe(0);
        });
      });

      it("in the archive are still recognised, still ended, still fenced", async () => {
        await withStore(open, { taskRetentionDays: 1 }, async (scene) => {
          const supervisor = await scene.supervisor();
          const other = await scene.supervisor();
          await scene.worker(2);
          const key = scene.id("key");
          const byId = scene.task(supervisor, { taskId: scene.id("t"), description: "one" });
          const byKey = scene.task(supervisor, {}, key);
          for (const task of [byId, byKey]) {
            await scene.store.assignTask(task);
            await scene.complete(await scene.held(task.taskId));
          }
          scene.advance(DAY + HOUR);
          expect((await scene.store.maintain()).tasksArchived).toBe(2);
          expect(await scene.store.assignTask(byId)).toMatchObject({ taskId: byId.taskId, duplicate: true });
          const repeat = scene.task(supervisor, {}, key);
          expect(await scene.store.assignTask(repeat)).toMatchObject({ taskId: byKey.taskId, duplicate: true });
          const taskId = byId.taskId;
          expect(await caught(scene.submit(supervisor, { taskId, description: "two" }))).toBe("IDEMPOTENCY_MISMATCH");
          expect(await caught(scene.submit(other, { taskId, description: "one" }))).toBe("ID_TAKEN");
          expect(await caught(scene.store.cancelTask(taskId, undefined))).toBe("TASK_ENDED");
          const agentId = byId.assignTo ?? (await scene.look(taskId)).assignedTo ?? "";
          const held = { taskId, agentId, attempt: 2 };
          expect(await caught(scene.complete(held))).toBe("LEASE_LOST");
          expect(await caught(scene.fail(held))).toBe("LEASE_LOST");
        });
      });

      it("whose dependents have not been told yet are told all the same", async () => {
        await withStore(open, { taskRetentionDays: 1 }, async (scene) => {
          const supervisor = await scene.supervisor();
          await scene.worker(500);
          const head = await scene.assign(supervisor);
          const dependents: string[] = [];
          for (let i = 0; i < 120; i++) dependents.push(await scene.submit(supervisor, { dependsOn: [head.taskId] }));
          await scene.complete(head);
          scene.advance(DAY + HOUR);
          await scene.store.maintain();
          await scene.store.sweep();
          const tasks = await Promise.all(dependents.map((taskId) => scene.look(taskId)));
          expect(new Set(tasks.map((task) => task.status))).not.toContain("blocked");
        });
      });
    });

    it("refreshes the performance of agents: the window is 30 days, p95 of completed attempts", async () => {
      await withStore(open, { taskRetentionDays: 365 }, async (scene) => {
        const supervisor = await scene.supervisor();
        const worker = await scene.worker(100);
        for (let i = 1; i <= 20; i++) {
          const held = await scene.assign(supervisor, { timeoutSeconds: 86_400 });
          scene.advance(10 * i * SECOND);
          await scene.complete(held);
        }
        await scene.fail(await scene.assign(supervisor), { retryable: false });
        await scene.assign(supervisor, { timeoutSeconds: 10, maxRetries: 0 });
        const late = await scene.assign(supervisor, { startTimeoutSeconds: 10, timeoutSeconds: 86_400 });
        await scene.pass(11 * SECOND);
        await scene.store.cancelTask(late.taskId, undefined);
        const live = (await scene.store.getAgent(worker)).performance;
        expect(live).toMatchObject({ completed: 20, failed: 1, lost: 2, released: 1 });
        expect(live.successRate).toBeCloseTo(20 / 22, 5);
        expect(live.meanDurationSeconds).toBeCloseTo(105, 0);
        expect((await scene.store.maintain()).agentsRefreshed).toBeGreaterThanOrEqual(1);
        const refreshed = (await scene.store.getAgent(worker)).performance;
        expect(refreshed).toMatchObject({ completed: 20, failed: 1, lost: 2, released: 1 });
        const { p95DurationSeconds } = refreshed;
        // 10, 20, … 200 seconds, and what the calls took: 19 of the 20 are no longer than the nineteenth, the p95 by nearest rank.
        expect(p95DurationSeconds).toBeGreaterThanOrEqual(190);
        expect(p95DurationSeconds).toBeLessThan(195);
        scene.advance(20 * DAY);
        await scene.complete(await scene.assign(supervisor));
        scene.advance(11 * DAY);
        await scene.store.maintain();
        expect((await scene.store.getAgent(worker)).performance).toMatchObject({
          completed: 1,
          failed: 0,
          lost: 0,
          released: 0,
          successRate: 1,
        });
        scene.advance(20 * DAY);
        await scene.store.maintain();
        expect((await scene.store.getAgent(worker)).performance).toEqual({
          completed: 0,
          failed: 0,
          lost: 0,
          released: 0,
          successRate: null,
          meanDurationSeconds: null,
          p95DurationSeconds: null,
        });
      });
    });

    it("is harmless when two run at once, beside everything else", async () => {
      await withStore(open, { messageRetentionDays: 1, taskRetentionDays: 1 }, async (scene) => {
        const supervisor = await scene.supervisor();
        const worker = await scene.worker(50);
        for (let i = 0; i < 40; i++) await scene.complete(await scene.assign(supervisor));
        const fresh = await scene.assign(supervisor, { timeoutSeconds: 31_536_000 });
        await scene.receiveIds(supervisor);
        scene.advance(DAY + HOUR);
        const [a, b, c] = await Promise.all([scene.store.maintain(), scene.store.maintain(), scene.store.maintain()]);
        const sum = (pick: (report: typeof a) => number) =>
          [a, b, c].reduce((total, report) => total + pick(report), 0);
        expect(sum((report) => report.tasksArchived)).toBe(40);
        expect(sum((report) => report.messagesPurged)).toBe(40);
        const more = await Promise.all([
          scene.store.maintain(),
          scene.store.sweep(),
          scene.complete(fresh),
          scene.submit(supervisor),
          scene.store.heartbeat({ agentId: worker }),
        ]);
        expect(more[2].status).toBe("completed");
        expect((await scene.store.getAgent(worker)).activeTasks).toBe(1);
      });
    });
  });

  describe("the sweep", () => {
    it("of an empty store does nothing, and says so", async () => {
      await withStore(open, {}, async ({ store }) => {
        expect(new Set(Object.values(await store.sweep()))).toEqual(new Set([0]));
      });
    });

    it("reports what it did, row by row", async () => {
      await withStore(open, { heartbeatIntervalSeconds: 30, heartbeatTimeoutSeconds: 90 }, async (scene) => {
        const supervisor = await scene.supervisor();
        const [sender, receiver, silent] = [await scene.agent(), await scene.agent(), await scene.worker(1)];
        const held = await scene.assign(supervisor);
        for (let i = 0; i < 3; i++) await scene.send(sender, receiver, { ttlSeconds: 20 });
        for (let i = 0; i < 2; i++) {
          await scene.send(sender, receiver, { priority: "urgent" });
          await scene.receiveOne(receiver, { leaseMilliseconds: 20 * SECOND });
        }
        await scene.send(sender, receiver, { maxAttempts: 1, priority: "urgent" });
        await scene.receiveOne(receiver, { leaseMilliseconds: 20 * SECOND });
        scene.advance(60 * SECOND);
        for (const agentId of [supervisor, sender, receiver]) await scene.store.heartbeat({ agentId });
        scene.advance(31 * SECOND);
        const report = await scene.store.sweep();
        expect(report).toMatchObject({
          agentsInactivated: 1,
          leasesEnded: 3,
          messagesExpired: 3,
          messagesDeadLettered: 1,
          tasksRequeued: 1,
          tasksTimedOut: 0,
          tasksAssigned: 0,
        });
        expect((await scene.look(held.taskId)).status).toBe("pending");
        await scene.store.heartbeat({ agentId: silent });
        expect(new Set(Object.values(await scene.store.sweep()))).toEqual(new Set([0]));
      });
    });

    it("takes more rows than one transaction may touch", async () => {
      await withStore(open, {}, async (scene) => {
        const agentId = await scene.agent();
        for (let batch = 0; batch < 23; batch++) {
          await scene.store.sendMessages(
            Array.from({ length: 100 }, () => scene.message(agentId, agentId, { ttlSeconds: 1 })),
          );
        }
        scene.advance(2 * SECOND);
        expect((await scene.store.sweep()).messagesExpired).toBe(2_300);
      });
    });

    it("twice at once does nothing twice", async () => {
      await withStore(open, {}, async (scene) => {
        const agentId = await scene.agent();
        for (let i = 0; i < 20; i++) await scene.send(agentId, agentId, { ttlSeconds: 1 });
        scene.advance(2 * SECOND);
        const reports = await Promise.all([scene.store.sweep(), scene.store.sweep(), scene.store.sweep()]);
        expect(reports.reduce((sum, report) => sum + report.messagesExpired, 0)).toBe(20);
      });
    });
  });

  describe("closing", () => {
    it("finishes what is under way; later calls are STORE_UNAVAILABLE, and health says so without throwing", async () => {
      await withStore(open, {}, async (scene) => {
        const agentId = await scene.agent();
        const underWay = Promise.all([caught(scene.send(agentId, agentId)), caught(scene.send(agentId, agentId))]);
        await scene.store.close();
        expect(await underWay).toEqual(["accepted", "accepted"]);
        expect(await caught(scene.send(agentId, agentId))).toBe("STORE_UNAVAILABLE");
        expect(await caught(scene.store.getAgent(agentId))).toBe("STORE_UNAVAILABLE");
        expect(await caught(scene.store.sweep())).toBe("STORE_UNAVAILABLE");
        expect((await scene.store.checkHealth()).databaseConnection).toBe(false);
        await scene.store.close();
      });
    });
  });
}
