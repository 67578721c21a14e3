import { describe, expect, it } from "@jest/globals";
import { USAGE_MAX, USAGE_PAIRS_MAX } from "../../../src/lib/model/limits.ts";
import type { ModelUsage, PairUsage, UsageGroup, UsageLine } from "../../../src/lib/model/usage.ts";
import type { UsageQuery } from "../../../src/lib/store/store.ts";
import { type StoreFactory, useStore, withStore } from "../store-under-test.ts";
import { caught, DAY, everyPage, type Held, HOUR, MINUTE, only, type Scene } from "../support.ts";

const GPT = { provider: "openai", model: "gpt-5" };
const CLAUDE = { provider: "anthropic", model: "claude-sonnet-4-5" };

const some = (input: number, output: number, more: Partial<ModelUsage> = {}): ModelUsage => ({
  ...GPT,
  inputTokens: input,
  outputTokens: output,
  ...more,
});

/** A pair as it is read: what was not reported is 0. */
const pair = (input: number, output: number, more: Partial<PairUsage> = {}): PairUsage => ({
  ...GPT,
  inputTokens: input,
  outputTokens: output,
  cacheReadInputTokens: 0,
  cacheWriteInputTokens: 0,
  reasoningOutputTokens: 0,
  costMicros: 0,
  ...more,
});

const models = (count: number, first = 0): ModelUsage[] =>
  Array.from({ length: count }, (_, n) => ({ model: `m-${first + n}`, inputTokens: 1, outputTokens: 0 }));

/** Usage of models (usage-store.ts; the rule is in store/rules/usage.ts). */
export function usageContract(open: StoreFactory): void {
  describe("usage of an attempt", () => {
    const stage = useStore(open);

    async function begin(options = {}) {
      const scene = stage.scene();
      const supervisor = await scene.supervisor();
      const worker = await scene.worker();
      const held = await scene.assign(supervisor, options);
      await scene.start(held);
      return { scene, supervisor, worker, held };
    }

    const progress = ({ store }: Scene, { taskId, agentId, attempt }: Held, ...usage: ModelUsage[]) =>
      store.progressTask(taskId, { agentId, attempt, usage });
    const report = ({ store }: Scene, { taskId, agentId, attempt }: Held, ...usage: ModelUsage[]) =>
      store.reportUsage(taskId, { agentId, attempt, usage });

    /** The sums of a supervisor, of whatever hour. */
    async function lines(
      scene: Scene,
      supervisor: string,
      by: UsageGroup[] = [],
      more: Partial<UsageQuery> = {},
    ): Promise<UsageLine[]> {
      const now = scene.under.clock.now();
      const query = { from: now - 300 * DAY, to: now + DAY, by, supervisor, ...more };
      return await everyPage((page) => scene.store.readUsage({ ...query, ...page }));
    }

    it("is the total so far: each report books what is new", async () => {
      const { scene, supervisor, held } = await begin();
      await progress(scene, held, some(100, 10));
      await progress(scene, held, some(250, 20, { cacheReadInputTokens: 50, costMicros: 7 }));
      expect((await scene.look(held.taskId)).usage).toEqual([
        pair(250, 20, { cacheReadInputTokens: 50, costMicros: 7 }),
      ]);
      expect(await lines(scene, supervisor, ["provider", "model"])).toEqual([
        pair(250, 20, { cacheReadInputTokens: 50, costMicros: 7 }),
      ]);
    });

    it("counts a smaller number as the one before, each number on its own", async () => {
      const { scene, supervisor, held } = await begin();
      await progress(scene, held, some(100, 10, { reasoningOutputTokens: 5 }));
      await progress(scene, held, some(90, 30, { reasoningOutputTokens: 4 }));
      const total = pair(100, 30, { reasoningOutputTokens: 5 });
      expect((await scene.look(held.taskId)).usage).toEqual([total]);
      expect(await lines(scene, supervisor, ["provider", "model"])).toEqual([total]);
    });

    it("stays as it was of what a report leaves out", async () => {
      const { scene, held } = await begin();
      await progress(scene, held, some(1, 1, { cacheWriteInputTokens: 3 }), {
        ...CLAUDE,
        inputTokens: 5,
        outputTokens: 6,
      });
      await progress(scene, held, some(2, 1));
      expect((await scene.look(held.taskId)).usage).toEqual([
        pair(5, 6, CLAUDE),
        pair(2, 1, { cacheWriteInputTokens: 3 }),
      ]);
      await progress(scene, held);
      expect((await scene.look(held.taskId)).usage).toHaveLength(2);
    });

    it("tells a report without provider or model apart from one with them", async () => {
      const { scene, supervisor, held } = await begin();
      const nameless = { inputTokens: 3, outputTokens: 4 };
      await progress(scene, held, nameless, { ...nameless, model: "gpt-5" }, some(1, 1));
      const { provider: _, ...modelAlone } = pair(3, 4);
      const { model: _model, ...neither } = modelAlone;
      const expected = [neither, modelAlone, pair(1, 1)];
      expect((await scene.look(held.taskId)).usage).toEqual(expected);
      expect(await lines(scene, supervisor, ["provider", "model"])).toEqual(expected);
    });

    it("comes with a completion, and its repeat books nothing twice", async () => {
      const { scene, supervisor, held } = await begin();
      const { taskId, agentId, attempt } = held;
      const completion = { agentId, attempt, result: 1, usage: [some(10, 20)] };
      const reply = await scene.store.completeTask(taskId, completion);
      expect(await scene.store.completeTask(taskId, completion)).toEqual(reply);
      expect(await scene.store.completeTask(taskId, { ...completion, usage: [some(99, 99)] })).toEqual(reply);
      expect((await scene.look(taskId)).usage).toEqual([pair(10, 20)]);
      expect(await lines(scene, supervisor, ["provider", "model"])).toEqual([pair(10, 20)]);
    });

    it("comes with a failure, and the next attempt counts from 0", async () => {
      const { scene, supervisor, held } = await begin();
      const { taskId, agentId, attempt } = held;
      const failure = { agentId, attempt, error: "e", retryable: true, usage: [some(10, 20)] };
      await scene.store.failTask(taskId, failure);
      await scene.store.failTask(taskId, failure);
      await scene.pass(MINUTE);
      const next = await scene.held(taskId);
      expect(next.attempt).toBe(2);
      await progress(scene, next, some(5, 6));
      expect((await scene.look(taskId)).usage).toEqual([pair(15, 26)]);
      expect(await lines(scene, supervisor, ["provider", "model"])).toEqual([pair(15, 26)]);
    });

    it("comes with a suspension, and its repeat books nothing twice", async () => {
      const { scene, supervisor, held } = await begin();
      const { taskId, agentId, attempt } = held;
      const until = { at: scene.under.clock.now() + HOUR };
      const suspension = { agentId, attempt, until, untilHash: "h", usage: [some(1, 2)] };
      const reply = await scene.store.suspendTask(taskId, suspension);
      expect(await scene.store.suspendTask(taskId, suspension)).toEqual(reply);
      expect((await scene.look(taskId)).usage).toEqual([pair(1, 2)]);
      expect(await lines(scene, supervisor, ["provider", "model"])).toEqual([pair(1, 2)]);
    });

    it("comes with a suspension until children have ended", async () => {
      const { scene, supervisor, held } = await begin({ children: { taskTypes: ["part"] } });
      const { taskId, agentId, attempt } = held;
      const {
        supervisor: _,
        priority: _priority,
        assignTo: _assignTo,
        question: _question,
        ...child
      } = scene.task("x", {
        taskType: "part",
        taskId: scene.fresh("c"),
      });
      const until = { tasks: [{ ...child, place: 0 }] };
      const suspension = { agentId, attempt, until, untilHash: "h", usage: [some(1, 2)] };
      expect(await scene.store.suspendTask(taskId, suspension)).toMatchObject({ status: "blocked" });
      await scene.store.suspendTask(taskId, suspension);
      expect((await scene.look(taskId)).usage).toEqual([pair(1, 2)]);
      expect(await lines(scene, supervisor, ["provider", "model"])).toEqual([pair(1, 2)]);
    });

    it("is refused with the call that it came with, and then nothing is booked", async () => {
      const { scene, supervisor, held } = await begin();
      const { taskId, attempt } = held;
      const other = await scene.worker();
      const usage = [some(1, 1)];
      const call = { agentId: other, attempt, usage };
      expect(await caught(scene.store.progressTask(taskId, call))).toBe("LEASE_LOST");
      expect(await caught(scene.store.completeTask(taskId, call))).toBe("LEASE_LOST");
      expect(await caught(scene.store.failTask(taskId, { ...call, error: "e", retryable: true }))).toBe("LEASE_LOST");
      const until = { at: scene.under.clock.now() + 1 };
      const suspension = { agentId: held.agentId, attempt, until, untilHash: "h", usage };
      expect(await caught(scene.store.suspendTask(taskId, suspension))).toBe("INVALID_REQUEST");
      expect((await scene.look(taskId)).usage).toBeUndefined();
      expect(await lines(scene, supervisor)).toEqual([]);
    });

    it("raises no version, and is no event", async () => {
      const { scene, held } = await begin();
      const before = await scene.look(held.taskId);
      const events = await scene.store.getTaskHistory(held.taskId, { limit: 50 });
      await report(scene, held, some(1, 1));
      expect(await scene.look(held.taskId)).toEqual({ ...before, usage: [pair(1, 1)] });
      expect(await scene.store.getTaskHistory(held.taskId, { limit: 50 })).toEqual(events);
    });

    it("is not in a list of tasks", async () => {
      const { scene, supervisor, held } = await begin();
      await report(scene, held, some(1, 1));
      expect(only((await scene.store.listTasks({ limit: 10, supervisor })).items)).not.toHaveProperty("usage");
    });

    it("is counted in the statistics", async () => {
      const { scene, held } = await begin();
      const before = (await scene.store.coordinationStatistics()).metrics.usage;
      await report(scene, held, some(5e9, 6e9, { costMicros: 7e9 }));
      await report(scene, held, some(5e9, 8e9, { costMicros: 7e9 }));
      const after = (await scene.store.coordinationStatistics()).metrics.usage;
      // A database that other tests have used has sums beyond 2^53, where the last digits are lost.
      expect(Math.round((after.inputTokens - before.inputTokens) / 1e6)).toBe(5_000);
      expect(Math.round((after.outputTokens - before.outputTokens) / 1e6)).toBe(8_000);
      expect(Math.round((after.costMicros - before.costMicros) / 1e6)).toBe(7_000);
    });

    describe("reported alone", () => {
      it("answers the totals of the attempt", async () => {
        const { scene, held } = await begin();
        await progress(scene, held, some(1, 2));
        const { taskId, attempt } = held;
        const reply = await report(scene, held, { ...CLAUDE, inputTokens: 3, outputTokens: 4 });
        expect(reply).toEqual({ taskId, attempt, usage: [pair(3, 4, CLAUDE), pair(1, 2)] });
        expect(await report(scene, held, some(0, 9))).toEqual({
          taskId,
          attempt,
          usage: [pair(3, 4, CLAUDE), pair(1, 9)],
        });
        expect((await report(scene, held)).usage).toHaveLength(2);
      });

      it("is accepted from an attempt that was lost, as cost only", async () => {
        const { scene, supervisor, held } = await begin();
        await scene.worker();
        await scene.pass(301_000);
        await scene.pass(MINUTE);
        const next = await scene.held(held.taskId);
        expect(next.attempt).toBe(2);
        const before = await scene.look(held.taskId);
        await report(scene, held, some(10, 1));
        await report(scene, held, some(10, 1));
        await report(scene, next, some(3, 1));
        expect(await scene.look(held.taskId)).toEqual({ ...before, usage: [pair(13, 2)] });
        expect(await lines(scene, supervisor, ["agent"])).toHaveLength(2);
        expect(await lines(scene, supervisor)).toEqual([expect.objectContaining({ inputTokens: 13, outputTokens: 2 })]);
        expect(await caught(progress(scene, held, some(11, 1)))).toBe("LEASE_LOST");
      });

      it("is accepted from an attempt that has completed, failed or suspended itself", async () => {
        const { scene, held } = await begin();
        await scene.complete(held);
        await report(scene, held, some(10, 1));
        expect((await scene.look(held.taskId)).usage).toEqual([pair(10, 1)]);
        const other = await begin();
        await other.scene.suspend(other.held, { at: other.scene.under.clock.now() + HOUR });
        await report(other.scene, other.held, some(2, 1));
        expect((await other.scene.look(other.held.taskId)).usage).toEqual([pair(2, 1)]);
      });

      it("is refused to every agent but that of the attempt", async () => {
        const { scene, supervisor, held } = await begin();
        const other = await scene.worker();
        const left = await scene.worker();
        await scene.store.deregisterAgent(left);
        const tried = (call: Partial<Held>) => caught(report(scene, { ...held, ...call }, some(1, 1)));
        expect(await tried({ agentId: other })).toBe("LEASE_LOST");
        expect(await tried({ agentId: supervisor })).toBe("LEASE_LOST");
        expect(await tried({ attempt: 2 })).toBe("LEASE_LOST");
        expect(await tried({ taskId: scene.fresh("t") })).toBe("TASK_NOT_FOUND");
        expect(await tried({ agentId: scene.fresh("a") })).toBe("AGENT_NOT_FOUND");
        expect(await tried({ agentId: left })).toBe("AGENT_DEREGISTERED");
        expect((await scene.look(held.taskId)).usage).toBeUndefined();
      });

      it("is in the audit when it adds something", async () => {
        const { scene, held } = await begin();
        const { taskId, agentId, attempt } = held;
        await report(scene, held, some(10, 1));
        await report(scene, held, some(10, 1));
        await report(scene, held, some(9, 1));
        const query = { limit: 10, subjectId: taskId, action: "task.usage_reported" as const };
        expect((await scene.store.listAudit(query)).items).toEqual([
          expect.objectContaining({ actor: agentId, detail: { attempt, agentId } }),
        ]);
      });
    });

    describe("of too many models", () => {
      it("is refused with all of the call", async () => {
        const { scene, supervisor, held } = await begin();
        const { taskId, agentId, attempt } = held;
        for (let n = 0; n < USAGE_PAIRS_MAX; n += 8) await report(scene, held, ...models(8, n));
        const usage = models(1, USAGE_PAIRS_MAX);
        const before = await scene.look(taskId);
        expect(before.usage).toHaveLength(USAGE_PAIRS_MAX);
        const call = { agentId, attempt, usage };
        expect(await caught(scene.store.reportUsage(taskId, call))).toBe("USAGE_LIMIT");
        expect(await caught(scene.store.progressTask(taskId, { ...call, percent: 50 }))).toBe("USAGE_LIMIT");
        expect(await caught(scene.store.completeTask(taskId, call))).toBe("USAGE_LIMIT");
        expect(await caught(scene.store.failTask(taskId, { ...call, error: "e", retryable: true }))).toBe(
          "USAGE_LIMIT",
        );
        const until = { at: scene.under.clock.now() + HOUR };
        expect(await caught(scene.store.suspendTask(taskId, { ...call, until, untilHash: "h" }))).toBe("USAGE_LIMIT");
        expect(await scene.look(taskId)).toEqual(before);
        expect(await lines(scene, supervisor)).toEqual([
          expect.objectContaining({ inputTokens: USAGE_PAIRS_MAX, outputTokens: 0 }),
        ]);
        await scene.store.completeTask(taskId, { ...call, usage: models(8) });
      });

      it("is one sum beyond the largest in the task, where several attempts named them", async () => {
        const { scene, held } = await begin({ maxRetries: 3 });
        for (let n = 0; n < USAGE_PAIRS_MAX; n += 8) await report(scene, held, ...models(8, n));
        await scene.fail(held);
        await scene.pass(MINUTE);
        const next = await scene.held(held.taskId);
        await report(scene, next, some(7, 0), ...models(4, 100));
        const { usage = [] } = await scene.look(held.taskId);
        expect(usage).toHaveLength(USAGE_PAIRS_MAX);
        expect(usage[0]).not.toHaveProperty("model");
        expect(usage).toContainEqual(pair(7, 0));
        expect(usage.reduce((sum, { inputTokens }) => sum + inputTokens, 0)).toBe(USAGE_PAIRS_MAX + 7 + 4);
      });
    });

    describe("by the hour", () => {
      /** Two agents, two types, two models, two hours. */
      async function varied() {
        const { scene, supervisor, worker, held } = await begin({ taskType: "build" });
        await scene.complete(held);
        await report(scene, held, some(1, 0), { ...CLAUDE, inputTokens: 10, outputTokens: 0 });
        scene.advance(HOUR);
        const second = await scene.assign(supervisor, { taskType: "test" });
        await scene.complete(second);
        await report(scene, second, some(100, 0));
        const other = await scene.worker();
        const third = await scene.assign(supervisor, { taskType: "test", assignTo: other });
        await report(scene, third, some(1_000, 0));
        return { scene, supervisor, worker, other };
      }
      const inputs = (list: UsageLine[]) => list.map(({ inputTokens }) => inputTokens);

      it("is told apart by what is asked for, in the order of its names", async () => {
        const { scene, supervisor, worker, other } = await varied();
        expect(inputs(await lines(scene, supervisor))).toEqual([1_111]);
        const byAgent = await lines(scene, supervisor, ["agent"]);
        expect(byAgent).toEqual([
          expect.objectContaining({ agentId: worker, inputTokens: 111 }),
          expect.objectContaining({ agentId: other, inputTokens: 1_000 }),
        ]);
        expect(byAgent[0]).not.toHaveProperty("taskType");
        expect(await lines(scene, supervisor, ["taskType", "model"])).toEqual([
          expect.objectContaining({ taskType: "build", model: CLAUDE.model, inputTokens: 10 }),
          expect.objectContaining({ taskType: "build", model: GPT.model, inputTokens: 1 }),
          expect.objectContaining({ taskType: "test", model: GPT.model, inputTokens: 1_100 }),
        ]);
        expect(await lines(scene, supervisor, ["supervisor"])).toEqual([
          expect.objectContaining({ supervisor, inputTokens: 1_111 }),
        ]);
        expect(inputs(await lines(scene, supervisor, ["provider"]))).toEqual([10, 1_101]);
      });

      it("is told apart by hour and day", async () => {
        const { scene, supervisor } = await varied();
        const byHour = await lines(scene, supervisor, ["hour"]);
        expect(inputs(byHour)).toEqual([11, 1_100]);
        const [first, second] = byHour.map(({ hour = "" }) => Date.parse(hour));
        expect([Number(first) % HOUR, Number(second) - Number(first)]).toEqual([0, HOUR]);
        const byDay = await lines(scene, supervisor, ["day"]);
        expect(inputs(byDay).reduce((sum, one) => sum + one, 0)).toBe(1_111);
        for (const { day = "" } of byDay) expect(Date.parse(day) % DAY).toBe(0);
        const both = await lines(scene, supervisor, ["day", "hour"]);
        expect(inputs(both)).toEqual([11, 1_100]);
        for (const { day = "", hour = "" } of both) expect(hour.slice(0, 10)).toBe(day.slice(0, 10));
      });

      it("is narrowed to hours, agents and task types", async () => {
        const { scene, supervisor, worker } = await varied();
        const hour = Math.floor(scene.under.clock.now() / HOUR) * HOUR;
        expect(inputs(await lines(scene, supervisor, [], { from: hour }))).toEqual([1_100]);
        expect(inputs(await lines(scene, supervisor, [], { to: hour }))).toEqual([11]);
        expect(inputs(await lines(scene, supervisor, [], { agentId: worker }))).toEqual([111]);
        expect(inputs(await lines(scene, supervisor, [], { taskType: "test" }))).toEqual([1_100]);
        expect(await lines(scene, scene.fresh("nobody"))).toEqual([]);
        const all = await scene.store.readUsage({ from: hour, to: hour + HOUR, by: ["supervisor"], limit: 200 });
        expect(all.items.map((line) => line.supervisor)).toContain(supervisor);
      });

      it("comes in pages, and a cursor belongs to its query", async () => {
        const { scene, supervisor } = await varied();
        const now = scene.under.clock.now();
        const query = { from: now - DAY, to: now + DAY, by: ["hour", "agent", "model"] as const, supervisor };
        const pages = await everyPage((page) => scene.store.readUsage({ ...query, ...page }), 1);
        expect(pages).toEqual(await everyPage((page) => scene.store.readUsage({ ...query, ...page })));
        expect(pages).toHaveLength(4);
        const { nextCursor } = await scene.store.readUsage({ ...query, limit: 1 });
        const other = { ...query, by: ["agent"] as const, limit: 1, cursor: nextCursor ?? "" };
        expect(await caught(scene.store.readUsage(other))).toBe("INVALID_REQUEST");
      });
    });
  });

  describe("usage and time", () => {
    it("reaches its largest numbers, and sums beyond them", async () => {
      await withStore(open, {}, async (scene) => {
        const supervisor = await scene.supervisor();
        await scene.worker(2);
        const most = some(USAGE_MAX, USAGE_MAX, {
          cacheReadInputTokens: USAGE_MAX,
          cacheWriteInputTokens: USAGE_MAX,
          reasoningOutputTokens: USAGE_MAX,
          costMicros: USAGE_MAX,
        });
        const usage = Array.from({ length: 8 }, (_, n) => ({ ...most, model: `m-${n}` }));
        for (let turn = 0; turn < 2; turn += 1) {
          const { taskId, agentId, attempt } = await scene.assign(supervisor);
          await scene.store.completeTask(taskId, { agentId, attempt, usage });
        }
        const sum = 16 * USAGE_MAX;
        const to = scene.under.clock.now() + HOUR;
        const { items } = await scene.store.readUsage({ from: 0, to, by: [], supervisor, limit: 1 });
        expect(items).toEqual([
          {
            inputTokens: sum,
            outputTokens: sum,
            cacheReadInputTokens: sum,
            cacheWriteInputTokens: sum,
            reasoningOutputTokens: sum,
            costMicros: sum,
          },
        ]);
      });
    });

    it("is not summed of more rows than may be read; a page reads none of the times before it", async () => {
      await withStore(open, {}, async (scene) => {
        const supervisor = await scene.supervisor();
        await scene.worker();
        const begin = scene.under.clock.now();
        for (let turn = 0; turn < 3; turn += 1) {
          const { taskId, agentId, attempt } = await scene.assign(supervisor);
          await scene.store.completeTask(taskId, {
            agentId,
            attempt,
            usage: [some(1, 0), { ...some(2, 0), model: "m" }],
          });
          scene.advance(HOUR);
        }
        const hour = begin - (begin % HOUR);
        const query = { from: hour - DAY, to: hour + DAY, by: [] as UsageGroup[], limit: 50, maxRows: 6 };
        expect((await scene.store.readUsage(query)).items).toEqual([expect.objectContaining({ inputTokens: 9 })]);
        for (const more of [{}, { by: ["hour"] as UsageGroup[] }, { supervisor }, { agentId: "other" }]) {
          const refusal = await scene.store
            .readUsage({ ...query, ...more, maxRows: 5 })
            .catch((error: unknown) => error);
          expect(refusal).toMatchObject({
            code: "INVALID_REQUEST",
            errors: [{ path: "from", message: expect.stringContaining("more than 5 rows; ask for a shorter time") }],
          });
        }
        const shorter = await scene.store.readUsage({ ...query, from: hour + HOUR, maxRows: 4 });
        expect(shorter.items).toEqual([expect.objectContaining({ inputTokens: 6 })]);
        const byHour = { ...query, by: ["hour", "model"] as UsageGroup[], limit: 3 };
        const { nextCursor } = await scene.store.readUsage(byHour);
        const rest = await scene.store.readUsage({ ...byHour, maxRows: 4, cursor: nextCursor ?? "" });
        expect(rest.items.map(({ inputTokens }) => inputTokens)).toEqual([2, 1, 2]);
      });
    });

    it("stays with a task in the archive, where nothing is added any more", async () => {
      await withStore(open, { taskRetentionDays: 1 }, async (scene) => {
        const supervisor = await scene.supervisor();
        await scene.worker();
        const { taskId, agentId, attempt } = await scene.assign(supervisor);
        const call = { agentId, attempt, usage: [some(5, 6, { costMicros: 9 })] };
        await scene.store.completeTask(taskId, call);
        const before = await scene.look(taskId);
        await scene.pass(2 * DAY);
        expect((await scene.store.maintain()).tasksArchived).toBe(1);
        expect(await scene.look(taskId)).toEqual({ ...before, archived: true });
        expect(await caught(scene.store.reportUsage(taskId, call))).toBe("LEASE_LOST");
        const now = scene.under.clock.now();
        const { items } = await scene.store.readUsage({ from: 0, to: now, by: ["agent"], supervisor, limit: 10 });
        expect(items).toEqual([expect.objectContaining({ agentId, inputTokens: 5, costMicros: 9 })]);
      });
    });

    it("outlives its agents, and is kept for 400 days", async () => {
      await withStore(
        open,
        { taskRetentionDays: 1, inactiveRetentionDays: 1, messageRetentionDays: 1 },
        async (scene) => {
          const supervisor = await scene.supervisor();
          await scene.worker();
          const { taskId, agentId, attempt } = await scene.assign(supervisor);
          await scene.store.completeTask(taskId, { agentId, attempt, usage: [some(5, 6)] });
          await scene.store.deregisterAgent(agentId);
          await scene.store.deregisterAgent(supervisor);
          await scene.pass(3 * DAY);
          await scene.store.maintain();
          await scene.pass(3 * DAY);
          await scene.store.maintain();
          expect(await caught(scene.store.getAgent(agentId))).toBe("AGENT_NOT_FOUND");
          const sums = async () => {
            const to = scene.under.clock.now();
            return (await scene.store.readUsage({ from: 0, to, by: ["agent", "supervisor"], supervisor, limit: 10 }))
              .items;
          };
          expect(await sums()).toEqual([expect.objectContaining({ agentId, supervisor, inputTokens: 5 })]);
          scene.advance(393 * DAY);
          await scene.store.maintain();
          expect(await sums()).toHaveLength(1);
          scene.advance(2 * DAY);
          expect((await scene.store.maintain()).usageHoursDropped).toBeGreaterThanOrEqual(1);
          expect(await sums()).toEqual([]);
        },
      );
    });
  });
}
