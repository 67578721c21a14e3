import { describe, expect, it } from "@jest/globals";
import type { ErrorCode } from "../../../src/lib/model/errors.ts";
import { type StoreFactory, useStore } from "../store-under-test.ts";
import { at, caught, type Held, HOUR, only, payloadField, type Scene, SECOND } from "../support.ts";

/** Creating tasks and moving them to their end (design sections 3.2, 3.3, 3.7 and 4, Task). */
export function tasksContract(open: StoreFactory): void {
  describe("tasks", () => {
    const stage = useStore(open);

    async function team(capacity = 1) {
      const scene = stage.scene();
      return { scene, supervisor: await scene.supervisor(), worker: await scene.worker(capacity) };
    }

    describe("creating", () => {
      it("keeps everything that was said, and assigns", async () => {
        const { scene, supervisor, worker } = await team();
        const taskId = scene.id("t");
        const parameters = { deep: [{ ü: 1.5 }, null] };
        const before = scene.store.now();
        const reply = await scene.store.assignTask(
          scene.task(supervisor, {
            taskId,
            taskType: "build:x",
            description: "Build it. 🏗",
            parameters,
            preferredCapabilities: ["nice"],
            priority: "high",
            timeoutSeconds: 120,
            maxRetries: 2,
            parentTaskId: "parent",
          }),
        );
        expect(reply).toEqual({ taskId, status: "assigned", assignedTo: worker, attempt: 1, duplicate: false });
        const task = await scene.look(taskId);
        expect(task).toMatchObject({
          taskId,
          supervisor,
          taskType: "build:x",
          description: "Build it. 🏗",
          parameters,
          requiredCapabilities: [scene.skill],
          preferredCapabilities: ["nice"],
          priority: "high",
          timeoutSeconds: 120,
          maxRetries: 2,
          retriesUsed: 0,
          dependsOn: [],
          parentTaskId: "parent",
          status: "assigned",
          assignedTo: worker,
          attempt: 1,
          cancelRequested: false,
        });
        expect(at(task.createdAt)).toBeGreaterThanOrEqual(before);
        expect(at(task.deadline)).toBe(at(task.assignedAt) + 120 * SECOND);
        for (const field of ["percent", "note", "result", "error", "startedAt", "endedAt", "assignTo"]) {
          expect(task).not.toHaveProperty(field);
        }
      });

      it("lets the task wait when nobody fits", async () => {
        const { scene, supervisor } = await team();
        const reply = await scene.store.assignTask(
          scene.task(supervisor, { requiredCapabilities: [scene.id("rare")] }),
        );
        expect(reply).toMatchObject({ status: "pending", attempt: 0, duplicate: false });
        expect(reply.assignedTo).toBeUndefined();
        const task = await scene.look(reply.taskId);
        expect(task).toMatchObject({ status: "pending", attempt: 0 });
        expect(task).not.toHaveProperty("assignedTo");
        expect(task).not.toHaveProperty("deadline");
      });

      it("is for registered supervisors and admins only", async () => {
        const scene = stage.scene();
        const codes: Record<string, ErrorCode | "accepted"> = {};
        for (const role of ["supervisor", "admin", "worker", "observer"] as const) {
          codes[role] = await caught(scene.submit(await scene.agent(role)));
        }
        const gone = await scene.supervisor();
        await scene.store.deregisterAgent(gone);
        codes.gone = await caught(scene.submit(gone));
        codes.unknown = await caught(scene.submit(scene.id("nobody")));
        const expected = {
          supervisor: "accepted",
          admin: "accepted",
          worker: "FORBIDDEN",
          observer: "FORBIDDEN",
          gone: "AGENT_DEREGISTERED",
          unknown: "AGENT_NOT_FOUND",
        };
        expect(codes).toEqual(expected);
      });

      it("recognises a repeat by id, in every state", async () => {
        const { scene, supervisor, worker } = await team();
        const task = scene.task(supervisor, { taskId: scene.id("t") });
        const repeat = async () => await scene.store.assignTask(task);
        expect((await repeat()).duplicate).toBe(false);
        expect(await repeat()).toMatchObject({ taskId: task.taskId, duplicate: true });
        await scene.complete(await scene.held(task.taskId));
        expect(await repeat()).toMatchObject({ taskId: task.taskId, duplicate: true });
        expect(await scene.look(task.taskId)).toMatchObject({ status: "completed", attempt: 1 });
        expect((await scene.store.getAgent(worker)).activeTasks).toBe(0);
      });

      it("refuses a used id with another body, or by another supervisor", async () => {
        const { scene, supervisor } = await team();
        const other = await scene.supervisor();
        const taskId = await scene.submit(supervisor, { description: "one" });
        const before = await scene.look(taskId);
        expect(await caught(scene.submit(supervisor, { taskId, description: "two" }))).toBe("IDEMPOTENCY_MISMATCH");
        expect(await caught(scene.submit(other, { taskId, description: "one" }))).toBe("ID_TAKEN");
        expect(await caught(scene.submit(other, { taskId, description: "two" }))).toBe("ID_TAKEN");
        expect(await scene.look(taskId)).toEqual(before);
      });

      it("recognises a repeat by idempotency key", async () => {
        const { scene, supervisor } = await team();
        const key = scene.id("key");
        const first = scene.task(supervisor, {}, key);
        const second = scene.task(supervisor, {}, key);
        await scene.store.assignTask(first);
        expect(await scene.store.assignTask(second)).toMatchObject({ taskId: first.taskId, duplicate: true });
        expect(await caught(scene.look(second.taskId))).toBe("TASK_NOT_FOUND");
        const different = scene.task(supervisor, { description: "else" }, key);
        expect(await caught(scene.store.assignTask(different))).toBe("IDEMPOTENCY_MISMATCH");
      });

      it("of the same task many times at once creates it once", async () => {
        const { scene, supervisor, worker } = await team(5);
        const task = scene.task(supervisor, { taskId: scene.id("t") });
        const replies = await Promise.all(Array.from({ length: 6 }, () => scene.store.assignTask(task)));
        expect(replies.filter((reply) => !reply.duplicate)).toHaveLength(1);
        expect((await scene.store.getAgent(worker)).activeTasks).toBe(1);
        expect(await scene.waiting(worker, "task_assignment")).toHaveLength(1);
      });
    });

    it("unknown tasks are TASK_NOT_FOUND in every verb", async () => {
      const { scene, worker } = await team();
      const held: Held = { taskId: scene.id("none"), agentId: worker, attempt: 1 };
      const calls = [
        scene.look(held.taskId),
        scene.assignments(held.taskId),
        scene.store.getTaskHistory(held.taskId, { limit: 10 }),
        scene.start(held),
        scene.progress(held),
        scene.complete(held),
        scene.fail(held),
        scene.store.cancelTask(held.taskId, undefined),
      ];
      expect(await Promise.all(calls.map(caught))).toEqual(calls.map(() => "TASK_NOT_FOUND"));
    });

    describe("working", () => {
      it("start makes it running, with its deadline unchanged, and may be repeated", async () => {
        const { scene, supervisor, worker } = await team();
        const held = await scene.assign(supervisor);
        const { deadline } = await scene.look(held.taskId);
        const reply = await scene.start(held);
        expect(reply).toEqual({ taskId: held.taskId, status: "running", cancelRequested: false, deadline });
        scene.advance(SECOND);
        expect(await scene.start(held)).toEqual(reply);
        const task = await scene.look(held.taskId);
        expect(task).toMatchObject({ status: "running", assignedTo: worker, deadline });
        expect(at(task.startedAt)).toBeLessThan(scene.store.now());
        expect((await scene.store.getAgent(worker)).activeTasks).toBe(1);
      });

      it("the first progress starts it; progress keeps percent and note", async () => {
        const { scene, supervisor } = await team();
        const held = await scene.assign(supervisor);
        expect(await scene.progress(held, { percent: 12.5, note: "half ½" })).toMatchObject({ status: "running" });
        expect(await scene.look(held.taskId)).toMatchObject({ status: "running", percent: 12.5, note: "half ½" });
        await scene.progress(held, { percent: 80 });
        expect((await scene.look(held.taskId)).percent).toBe(80);
        expect((await scene.look(held.taskId)).startedAt).toBeDefined();
      });

      it("a completed task shows 100 percent, whatever the last progress said; a failed one shows how far it was", async () => {
        const { scene, supervisor } = await team(3);
        const [done, silent, failed] = [
          await scene.assign(supervisor),
          await scene.assign(supervisor),
          await scene.assign(supervisor),
        ];
        for (const held of [done, failed]) await scene.progress(held, { percent: 80 });
        for (const held of [done, silent]) await scene.complete(held);
        await scene.fail(failed, { retryable: false });
        const percent = async ({ taskId }: { taskId: string }) => (await scene.look(taskId)).percent;
        expect([await percent(done), await percent(silent), await percent(failed)]).toEqual([100, 100, 80]);
        const { items } = await scene.store.listTasks({ status: "completed", supervisor, limit: 10 });
        expect(items.map((task) => task.percent)).toEqual([100, 100]);
      });

      it("extendSeconds moves the deadline to now and that much, if later", async () => {
        const { scene, supervisor } = await team();
        const held = await scene.assign(supervisor, { timeoutSeconds: 600 });
        const { deadline } = await scene.look(held.taskId);
        expect((await scene.progress(held, { extendSeconds: 60 })).deadline).toBe(deadline);
        const before = scene.store.now();
        const reply = await scene.progress(held, { extendSeconds: 3_600 });
        expect(at(reply.deadline)).toBeGreaterThanOrEqual(before + HOUR);
        expect(at(reply.deadline)).toBeLessThanOrEqual(scene.store.now() + HOUR);
        await scene.pass(601 * SECOND);
        expect((await scene.look(held.taskId)).status).toBe("running");
      });

      it("completing keeps the result and frees the slot", async () => {
        const { scene, supervisor, worker } = await team();
        const held = await scene.assign(supervisor);
        await scene.start(held);
        const result = { answer: [42, "žluť"] };
        const reply = await scene.complete(held, result);
        expect(reply).toMatchObject({ taskId: held.taskId, status: "completed", cancelRequested: false });
        const task = await scene.look(held.taskId);
        expect(task).toMatchObject({ status: "completed", result, attempt: 1, retriesUsed: 0 });
        expect(at(task.endedAt)).toBeLessThanOrEqual(scene.store.now());
        expect((await scene.store.getAgent(worker)).activeTasks).toBe(0);
      });

      it("completing without a result has none", async () => {
        const { scene, supervisor } = await team();
        const { taskId, ...by } = await scene.assign(supervisor);
        await scene.store.completeTask(taskId, by);
        expect(await scene.look(taskId)).not.toHaveProperty("result");
        const message = only(await scene.results(supervisor, taskId));
        expect(message.payload).not.toHaveProperty("result");
      });

      it("complete and fail are accepted from assigned, too", async () => {
        const { scene, supervisor } = await team(2);
        const [a, b] = [await scene.assign(supervisor), await scene.assign(supervisor)];
        expect((await scene.complete(a)).status).toBe("completed");
        expect((await scene.fail(b, { retryable: false })).status).toBe("failed");
      });

      it("a failure that is not retryable ends the task at once, using no retry", async () => {
        const { scene, supervisor, worker } = await team();
        const held = await scene.assign(supervisor, { maxRetries: 5 });
        expect((await scene.fail(held, { error: "no disk", retryable: false })).status).toBe("failed");
        expect(await scene.look(held.taskId)).toMatchObject({ status: "failed", error: "no disk", retriesUsed: 0 });
        expect((await scene.store.getAgent(worker)).activeTasks).toBe(0);
      });
    });

    describe("the fence", () => {
      const verbs = ["start", "progress", "complete", "fail"] as const;

      async function refusals(scene: Scene, held: Held): Promise<string[]> {
        const codes: string[] = [];
        for (const verb of verbs) codes.push(await caught(scene[verb](held)));
        return codes;
      }

      it("another attempt or another agent is LEASE_LOST and writes nothing", async () => {
        const { scene, supervisor } = await team();
        const other = await scene.agent("worker");
        const held = await scene.assign(supervisor);
        await scene.start(held);
        const before = await scene.look(held.taskId);
        const lost = verbs.map(() => "LEASE_LOST");
        expect(await refusals(scene, { ...held, attempt: 2 })).toEqual(lost);
        expect(await refusals(scene, { ...held, agentId: other })).toEqual(lost);
        expect(await refusals(scene, { ...held, agentId: supervisor })).toEqual(lost);
        expect(await scene.look(held.taskId)).toEqual(before);
      });

      it("a task that waits has no attempt to speak for", async () => {
        const { scene, supervisor, worker } = await team();
        const taskId = await scene.submit(supervisor, { requiredCapabilities: [scene.id("rare")] });
        expect(await refusals(scene, { taskId, agentId: worker, attempt: 1 })).toEqual(verbs.map(() => "LEASE_LOST"));
        expect((await scene.look(taskId)).status).toBe("pending");
      });

      it("the attempt before the current one is stale, also by the same agent", async () => {
        const { scene, supervisor } = await team();
        const first = await scene.assign(supervisor);
        await scene.fail(first);
        await scene.pass(2 * SECOND);
        const second = await scene.held(first.taskId);
        expect(second).toMatchObject({ agentId: first.agentId, attempt: 2 });
        const before = await scene.look(first.taskId);
        expect(await refusals(scene, first)).toEqual(verbs.map(() => "LEASE_LOST"));
        expect(await scene.look(first.taskId)).toEqual(before);
        expect((await scene.complete(second)).status).toBe("completed");
      });

      it("unknown and deregistered agents are named as such", async () => {
        const { scene, supervisor } = await team();
        const held = await scene.assign(supervisor);
        const gone = await scene.agent("worker");
        await scene.store.deregisterAgent(gone);
        expect(await refusals(scene, { ...held, agentId: scene.id("nobody") })).toEqual(
          verbs.map(() => "AGENT_NOT_FOUND"),
        );
        expect(await refusals(scene, { ...held, agentId: gone })).toEqual(verbs.map(() => "AGENT_DEREGISTERED"));
      });
    });

    describe("repeats", () => {
      it("of a completion get the first answer and change nothing", async () => {
        const { scene, supervisor } = await team();
        const held = await scene.assign(supervisor);
        const reply = await scene.complete(held, { n: 1 });
        const before = await scene.look(held.taskId);
        scene.advance(SECOND);
        expect(await scene.complete(held, { n: 1 })).toEqual(reply);
        expect(await scene.complete(held, { n: 2 })).toEqual(reply);
        expect(await scene.look(held.taskId)).toEqual(before);
        expect(await scene.results(supervisor, held.taskId)).toHaveLength(1);
      });

      it("by another agent are LEASE_LOST, however the attempt ended, and reveal nothing about it", async () => {
        const { scene, supervisor, worker } = await team(2);
        for (const end of ["complete", "fail"] as const) {
          const held = await scene.assign(supervisor);
          expect(held.agentId).toBe(worker);
          const other = await scene.agent("worker");
          if (end === "complete") await scene.complete(held, { n: 1 });
          else await scene.fail(held, { retryable: false });
          for (const agentId of [other, supervisor]) {
            const foreign = { ...held, agentId };
            expect(await caught(scene.complete(foreign, { n: 1 }))).toBe("LEASE_LOST");
            expect(await caught(scene.fail(foreign, { retryable: false }))).toBe("LEASE_LOST");
          }
        }
      });

      it("of a final failure get the first answer and change nothing", async () => {
        const { scene, supervisor } = await team();
        const held = await scene.assign(supervisor);
        const reply = await scene.fail(held, { retryable: false });
        expect(await scene.fail(held, { retryable: false })).toEqual(reply);
        expect(await scene.results(supervisor, held.taskId)).toHaveLength(1);
      });

      it("of a failure that is retried get the first answer until the task is assigned again", async () => {
        const { scene, supervisor } = await team();
        const held = await scene.assign(supervisor);
        const reply = await scene.fail(held);
        expect(reply.status).toBe("pending");
        const before = await scene.look(held.taskId);
        expect(await scene.fail(held)).toEqual(reply);
        expect(await scene.look(held.taskId)).toEqual(before);
        expect(before.retriesUsed).toBe(1);
        await scene.pass(2 * SECOND);
        expect(await caught(scene.fail(held))).toBe("LEASE_LOST");
      });

      it("with another outcome are LEASE_LOST", async () => {
        const { scene, supervisor } = await team(3);
        const [a, b, c] = [
          await scene.assign(supervisor),
          await scene.assign(supervisor),
          await scene.assign(supervisor),
        ];
        await scene.complete(a);
        await scene.fail(b, { retryable: false });
        await scene.fail(c);
        expect(await caught(scene.fail(a))).toBe("LEASE_LOST");
        expect(await caught(scene.fail(a, { retryable: false }))).toBe("LEASE_LOST");
        expect(await caught(scene.complete(b))).toBe("LEASE_LOST");
        expect(await caught(scene.complete(c))).toBe("LEASE_LOST");
        for (const held of [a, b, c]) {
          expect(await caught(scene.start(held))).toBe("LEASE_LOST");
          expect(await caught(scene.progress(held))).toBe("LEASE_LOST");
        }
      });
    });

    describe("task_result", () => {
      it("tells the supervisor of a completion, once", async () => {
        const { scene, supervisor } = await team();
        const held = await scene.assign(supervisor, { taskType: "sum" });
        await scene.complete(held, [1, 2]);
        const message = only(await scene.results(supervisor, held.taskId));
        expect(message).toMatchObject({
          sender: "system",
          receiver: supervisor,
          type: "task_result",
          status: "queued",
        });
        expect(message.payload).toEqual({
          taskId: held.taskId,
          taskType: "sum",
          status: "completed",
          attempt: 1,
          version: 2,
          result: [1, 2],
        });
        const leased = await scene.receiveOne(supervisor, { types: ["task_result"] });
        expect(leased.payload).toEqual(message.payload);
      });

      it("tells of a final failure with its error, and not of one that is retried", async () => {
        const { scene, supervisor } = await team();
        const held = await scene.assign(supervisor, { taskType: "sum", maxRetries: 1 });
        await scene.fail(held, { error: "first" });
        expect(await scene.results(supervisor, held.taskId)).toEqual([]);
        await scene.pass(2 * SECOND);
        await scene.fail(await scene.held(held.taskId), { error: "second" });
        const message = only(await scene.results(supervisor, held.taskId));
        expect(message.payload).toEqual({
          taskId: held.taskId,
          taskType: "sum",
          status: "failed",
          attempt: 2,
          version: 4,
          error: "second",
        });
      });

      it("is left out when the supervisor is deregistered, and the task ends all the same", async () => {
        const { scene, supervisor } = await team();
        const held = await scene.assign(supervisor);
        await scene.store.deregisterAgent(supervisor);
        expect((await scene.complete(held)).status).toBe("completed");
        await scene.register({ agentId: supervisor, role: "supervisor" });
        expect(await scene.results(supervisor, held.taskId)).toEqual([]);
      });
    });

    it("the history tells every step, newest first", async () => {
      const { scene, supervisor, worker } = await team();
      const held = await scene.assign(supervisor);
      await scene.start(held);
      await scene.progress(held, { percent: 10, note: "going" });
      await scene.fail(held, { error: "broken" });
      await scene.pass(2 * SECOND);
      const second = await scene.held(held.taskId);
      await scene.start(second);
      await scene.store.cancelTask(held.taskId, "enough");
      await scene.complete(second);
      const { items, nextCursor } = await scene.store.getTaskHistory(held.taskId, { limit: 50 });
      expect(nextCursor).toBeNull();
      expect(items.map((item) => [item.event, item.attempt])).toEqual([
        ["completed", 2],
        ["cancel_requested", 2],
        ["started", 2],
        ["assigned", 2],
        ["requeued", 1],
        ["progress", 1],
        ["started", 1],
        ["assigned", 1],
        ["created", 0],
      ]);
      expect(items.find((item) => item.event === "assigned")?.agentId).toBe(worker);
      const times = items.map((item) => at(item.at));
      expect(times).toEqual([...times].sort((a, b) => b - a));
    });

    it("exactly one end wins when all are tried at once", async () => {
      for (let round = 0; round < 5; round++) {
        const { scene, supervisor, worker } = await team();
        const held = await scene.assign(supervisor, { timeoutSeconds: 10, maxRetries: 0 });
        if (round % 2 === 0) await scene.start(held);
        if (round > 2) scene.advance(11 * SECOND);
        const calls = [
          () => scene.complete(held),
          () => scene.fail(held, { retryable: false }),
          () => scene.store.cancelTask(held.taskId, "race"),
          () => scene.store.sweep(),
          () => scene.store.deregisterAgent(worker),
        ];
        const order = calls.map((_, i) => calls[(i + round) % calls.length]);
        await Promise.all(order.map((call) => (call === undefined ? undefined : caught(call()))));
        await scene.store.sweep();
        const task = await scene.look(held.taskId);
        expect(["completed", "failed", "cancelled", "pending"]).toContain(task.status);
        const results = await scene.results(supervisor, held.taskId);
        expect(results).toHaveLength(task.status === "pending" ? 0 : 1);
        for (const message of results) expect(payloadField(message, "status")).toBe(task.status);
        expect((await scene.store.getAgent(worker)).activeTasks).toBe(0);
        await scene.pass(HOUR);
        expect((await scene.look(held.taskId)).status).toBe(task.status);
      }
    });
  });
}
