import { describe, expect, it } from "@jest/globals";
import { TaskUsage } from "../../../src/lib/domain/tasks/task-usage.ts";
import { actingAs } from "../../../src/lib/trace/call-context.ts";
import { type StoreFactory, withStore } from "../store-under-test.ts";
import { caught, DAY, HOUR, type Scene } from "../support.ts";

/** Who registers under the name of a deleted agent is another agent: nothing that the first one had is its own. */

const SHORT = {
  inactiveRetentionDays: 1,
  taskRetentionDays: 1,
  messageRetentionDays: 1,
  deadLetterRetentionDays: 1,
};

/** Takes an agent away and makes its name free. */
async function free(scene: Scene, ...agentIds: string[]): Promise<void> {
  for (const agentId of agentIds) await scene.store.deregisterAgent(agentId);
  for (let day = 0; day < 3; day++) {
    await scene.store.sweep();
    scene.advance(DAY + HOUR);
    await scene.store.maintain();
  }
  for (const agentId of agentIds) expect(await caught(scene.store.getAgent(agentId))).toBe("AGENT_NOT_FOUND");
}

export function freedNamesContract(open: StoreFactory): void {
  describe("the name of a deleted agent", () => {
    it("gives its next bearer none of the archived tasks", async () => {
      await withStore(open, SHORT, async (scene) => {
        const supervisor = await scene.supervisor();
        const worker = await scene.worker(2);
        const task = scene.task(supervisor, { taskId: scene.id("t") });
        await scene.store.assignTask(task);
        const { taskId } = task;
        const held = await scene.held(taskId);
        await scene.start(held);
        await scene.complete(held, { secret: 1 });
        const is = async () => [
          await scene.store.relationToTask(supervisor, taskId),
          await scene.store.relationToTask(worker, taskId),
        ];
        expect(await is()).toEqual(["assigned_by", "assigned_to"]);
        await free(scene, supervisor, worker);
        expect(await is()).toEqual([undefined, undefined]);
        await scene.register({ role: "supervisor", agentId: supervisor });
        await scene.register({ role: "worker", agentId: worker });
        expect(await is()).toEqual([undefined, undefined]);
        expect(await caught(scene.store.assignTask(task))).toBe("ID_TAKEN");
        expect(await caught(scene.complete(held, { secret: 1 }))).toBe("LEASE_LOST");
        expect(await caught(scene.fail(held))).toBe("LEASE_LOST");
      });
    });

    it("gives its next bearer no sums of usage", async () => {
      await withStore(open, SHORT, async (scene) => {
        const supervisor = await scene.supervisor();
        await scene.worker(1);
        const usage = new TaskUsage({ store: scene.store });
        const spend = async (inputTokens: number) => {
          const { taskId, agentId, attempt } = await scene.assign(supervisor);
          await usage.report(taskId, { agentId, attempt, usage: [{ model: "m", inputTokens, outputTokens: 0 }] });
          await scene.complete({ taskId, agentId, attempt }, {});
        };
        const read = (role: "supervisor" | "admin") =>
          actingAs({ actor: supervisor, role, credential: "token" }, async () => {
            const lines = (await usage.read({ supervisor })).usage;
            return lines.map(({ inputTokens }) => inputTokens);
          });
        await spend(100);
        expect(await read("supervisor")).toEqual([100]);
        await free(scene, supervisor);
        await scene.register({ role: "supervisor", agentId: supervisor });
        expect(await read("supervisor")).toEqual([]);
        await scene.worker(1);
        await spend(20);
        expect([await read("supervisor"), await read("admin")]).toEqual([[20], [120]]);
      });
    });

    it("is not free while the history of a task says that it has answered", async () => {
      await withStore(open, { ...SHORT, taskRetentionDays: 30 }, async (scene) => {
        const supervisor = await scene.supervisor();
        await scene.worker(1);
        const admin = await scene.agent("admin");
        const held = await scene.assign(supervisor);
        await scene.answer(held.taskId, await scene.ask(held, { text: "Which?" }), admin, "this");
        await scene.store.deregisterAgent(admin);
        for (let day = 0; day < 3; day++) {
          scene.advance(DAY + HOUR);
          await scene.store.maintain();
        }
        const { items } = await scene.store.getTaskHistory(held.taskId, { limit: 20 });
        expect(items.filter(({ event }) => event === "answered").map(({ agentId }) => agentId)).toEqual([admin]);
        expect((await scene.store.getAgent(admin)).status).toBe("deregistered");
      });
    });

    it("keeps what a deregistered agent had when that one comes back before it is deleted", async () => {
      await withStore(open, { taskRetentionDays: 1 }, async (scene) => {
        const supervisor = await scene.supervisor();
        const worker = await scene.worker(2);
        const held = await scene.assign(supervisor);
        await scene.complete(held, { r: 1 });
        scene.advance(DAY + HOUR);
        await scene.store.deregisterAgent(worker);
        expect((await scene.store.maintain()).tasksArchived).toBe(1);
        expect(await caught(scene.complete(held, { r: 1 }))).toBe("AGENT_DEREGISTERED");
        await scene.register({ role: "worker", agentId: worker });
        expect(await scene.store.relationToTask(worker, held.taskId)).toBe("assigned_to");
        expect((await scene.complete(held, { r: 1 })).status).toBe("completed");
      });
    });
  });

  describe("the name of an agent that held messages of a work queue", () => {
    it("is not free while one of them names it: neither an ended one, nor one that waits for another try", async () => {
      await withStore(open, { ...SHORT, messageRetentionDays: 5 }, async (scene) => {
        const [sender, a, b] = [await scene.agent(), await scene.agent(), await scene.agent()];
        const channel = await scene.channel("work_queue", { members: [a, b] });
        for (const _ of [1, 2]) await scene.send(sender, `#${channel}`);
        const done = await scene.receiveOne(a, { channel });
        expect(await scene.settle(a, done, "complete")).toBe("completed");
        const waiting = await scene.receiveOne(a, { channel });
        expect(await scene.settle(a, waiting, "retry", { delayMilliseconds: 9 * DAY })).toBe("queued");
        await scene.store.deregisterAgent(a);
        /** So many days later. @returns whether the name is free */
        const isFree = async (days: number) => {
          await scene.pass(days * DAY + HOUR);
          await scene.store.maintain();
          return (await caught(scene.store.getAgent(a))) === "AGENT_NOT_FOUND";
        };
        expect(await isFree(3)).toBe(false);
        expect(await isFree(4)).toBe(false);
        expect(await caught(scene.read(done.messageId))).toBe("MESSAGE_NOT_FOUND");
        await scene.pass(3 * DAY);
        const again = await scene.receiveOne(b, { channel });
        expect(again).toMatchObject({ messageId: waiting.messageId, attempt: 2, holder: b });
        expect(await isFree(0)).toBe(true);
        await scene.register({ role: "observer", agentId: a });
        for (const attempt of [1, 2]) {
          expect(await scene.settle(a, { ...again, attempt }, "complete")).toBe("lease_lost");
          expect(await scene.settle(a, { ...again, attempt }, "retry")).toBe("lease_lost");
        }
        expect(await scene.store.relationToMessage(a, again.messageId)).toBeUndefined();
      });
    });
  });

  describe("an agent that may not call", () => {
    it("does not learn which tasks exist", async () => {
      await withStore(open, {}, async (scene) => {
        const supervisor = await scene.supervisor();
        const worker = await scene.worker(2);
        const task = await scene.assign(supervisor, { timeoutSeconds: 1_000 });
        await scene.store.deregisterAgent(worker);
        const codes = async (agentId: string, taskId: string) => {
          const held = { ...task, agentId, taskId };
          const calls = [scene.start(held), scene.progress(held), scene.complete(held), scene.fail(held)];
          return Promise.all(calls.map(caught));
        };
        const gone = new Array(4).fill("AGENT_DEREGISTERED");
        expect(await codes(worker, task.taskId)).toEqual(gone);
        expect(await codes(worker, scene.id("nothing"))).toEqual(gone);
        const unknown = new Array(4).fill("AGENT_NOT_FOUND");
        expect(await codes(scene.id("nobody"), task.taskId)).toEqual(unknown);
        expect(await codes(scene.id("nobody"), scene.id("nothing"))).toEqual(unknown);
      });
    });
  });
}
