import { describe, expect, it } from "@jest/globals";
import { type Answer, type Api, expectProblem } from "./support.ts";

/** Of the settings AGENT_MAX_TASK_DEPTH and AGENT_MAX_TASKS_PER_ROOT where they are left out. */
const MAX_TASK_DEPTH = 8;
const MAX_TASKS_PER_ROOT = 1_000;

type Code = Parameters<typeof expectProblem>[1];

/** A supervisor, a worker with room, and what tells whether anything of the supervisor has changed. */
async function scene(api: Api) {
  const capability = api.id("cap");
  const supervisor = await api.register("supervisor");
  const worker = await api.register("worker", { capabilities: [capability], maxConcurrentTasks: 100 });
  const work = { taskType: "step", requiredCapabilities: [capability] };
  const create = async (more: object = {}) =>
    (await api.ok<{ taskId: string }>("POST /tasks", {}, { body: { ...work, supervisor, ...more } })).taskId;
  const suspend = (taskId: string, until: object) =>
    api.call("POST /tasks/{taskId}/suspend", { taskId }, { body: { agentId: worker, attempt: 1, until } });
  const state = async () => {
    const query = `supervisor=${supervisor}&limit=200`;
    const [tasks, workflows, schedules] = await Promise.all([
      api.ok("GET /tasks", {}, { query }),
      api.ok("GET /workflows", {}, { query }),
      api.ok("GET /schedules", {}, { query }),
    ]);
    return {
      tasks,
      workflows,
      schedules,
      messages: await api.ok("GET /agents/{agentId}/messages", { agentId: supervisor }),
    };
  };
  /** Each is refused with the code, and says so in those words; afterwards all is as it was. */
  const refused = async (...calls: readonly [Code, string, () => Promise<Answer>][]) => {
    const before = await state();
    for (const [code, words, call] of calls) {
      const reply = await call();
      expectProblem(reply, code);
      expect(reply.text).toContain(words);
    }
    expect(await state()).toEqual(before);
  };
  return { capability, supervisor, worker, work, create, suspend, refused };
}

/** What a caller can say wrongly of work that waits: each time a precise refusal, and nothing has changed. */
export function waitingBadInput(api: () => Api): void {
  describe("bad input about work that waits changes nothing", () => {
    it("answers: of the wrong shape, by the asker, by a stranger, to another question, and once it has ended", async () => {
      const { supervisor, worker, create, suspend, refused } = await scene(api());
      const stranger = await api().register("worker");
      const taskId = await create();
      const asked = await suspend(taskId, { question: { text: "Go on?", options: ["yes", "no"] } });
      const { questionId } = asked.json as { questionId: string };
      const answer = (agentId: string, more: object = {}) => {
        const body = { agentId, questionId, answer: "yes", ...more };
        return () => api().call("POST /tasks/{taskId}/answer", { taskId }, { body });
      };
      await refused(
        ["SCHEMA_MISMATCH", "yes, no", answer(supervisor, { answer: "maybe" })],
        ["SCHEMA_MISMATCH", "answer", answer(supervisor, { answer: { yes: true } })],
        ["INVALID_REQUEST", "answer", answer(supervisor, { answer: undefined })],
        ["FORBIDDEN", "", answer(worker)],
        ["TASK_NOT_FOUND", "", answer(stranger)],
        ["NOT_FOUND", "", answer(supervisor, { questionId: "999" })],
      );
      await api().ok(
        "POST /tasks/{taskId}/answer",
        { taskId },
        { body: { agentId: supervisor, questionId, answer: "yes" } },
      );
      await refused(["ALREADY_ANSWERED", "", answer(supervisor, { answer: "no" })]);
      const other = await create();
      const again = await suspend(other, { question: { text: "Go on?" } });
      await api().ok("POST /tasks/{taskId}/cancel", { taskId: other }, { body: {} });
      const late = {
        agentId: supervisor,
        questionId: (again.json as { questionId: string }).questionId,
        answer: "yes",
      };
      await refused([
        "TASK_ENDED",
        "",
        () => api().call("POST /tasks/{taskId}/answer", { taskId: other }, { body: late }),
      ]);
    });

    it("children: a type, a priority and rights beyond the parent's, cycles, strangers, reserved ids, and 101", async () => {
      const { supervisor, worker, work, create, suspend, refused } = await scene(api());
      const taskId = await create({ children: { taskTypes: ["part"] } });
      const childless = await create();
      const part = { ...work, taskType: "part" };
      const of =
        (id: string, ...tasks: object[]) =>
        () =>
          suspend(id, { tasks });
      await refused(
        ["TASK_TREE_LIMIT", "other", of(taskId, part, { ...part, taskType: "other" })],
        ["TASK_TREE_LIMIT", "urgent", of(taskId, part, { ...part, priority: "urgent" })],
        ["TASK_TREE_LIMIT", "", of(taskId, part, { ...part, children: { taskTypes: ["*"] } })],
        ["TASK_TREE_LIMIT", "", of(childless, part)],
        [
          "DEPENDENCY_INVALID",
          "a → b → a",
          of(taskId, { ...part, ref: "a", dependsOn: ["b"] }, { ...part, ref: "b", dependsOn: ["a"] }),
        ],
        ["DEPENDENCY_INVALID", childless, of(taskId, { ...part, dependsOn: [childless] })],
        ["INVALID_REQUEST", "until.tasks.1.ref", of(taskId, { ...part, ref: "a" }, { ...part, ref: "a" })],
        ["INVALID_REQUEST", "schedule:", of(taskId, { ...part, taskId: "schedule:a:20260101T000000Z" })],
        ["INVALID_REQUEST", "assignTo", of(taskId, { ...part, assignTo: worker })],
        ["INVALID_REQUEST", "supervisor", of(taskId, { ...part, supervisor })],
        ["INVALID_REQUEST", "until.tasks", of(taskId, ...Array(101).fill(part))],
        ["INVALID_REQUEST", "until.tasks", of(taskId)],
      );
    });

    it("children: deeper than they may lie", async () => {
      const { work, create, suspend, refused } = await scene(api());
      const child = { ...work, children: { taskTypes: ["step"] } };
      let taskId = await create(child);
      for (let depth = 1; depth <= MAX_TASK_DEPTH; depth++) {
        const reply = await suspend(taskId, { tasks: [child] });
        expect([depth, reply.status]).toEqual([depth, 200]);
        [taskId = ""] = (reply.json as { taskIds: string[] }).taskIds;
      }
      await refused(["TASK_TREE_LIMIT", `${MAX_TASK_DEPTH}`, () => suspend(taskId, { tasks: [child] })]);
    });

    it("children: more than there may be below one task", async () => {
      const { work, create, suspend, refused } = await scene(api());
      const splitting = { ...work, children: { taskTypes: ["step"] } };
      const waiting = {
        taskType: "step",
        requiredCapabilities: [api().id("nobody")],
        children: { taskTypes: ["step"] },
      };
      const root = await create(splitting);
      const most = MAX_TASKS_PER_ROOT / 100;
      const first = await suspend(root, { tasks: Array(most).fill(splitting) });
      const { taskIds } = first.json as { taskIds: string[] };
      for (const taskId of taskIds.slice(1)) {
        expect((await suspend(taskId, { tasks: Array(100).fill(waiting) })).status).toBe(200);
      }
      const [last = ""] = taskIds;
      await refused(["TASK_TREE_LIMIT", "1000", () => suspend(last, { tasks: Array(100).fill(waiting) })]);
    });

    it("workflows: cycles, unknown refs, refs twice, 201 tasks, reserved ids", async () => {
      const { supervisor, work, refused } = await scene(api());
      const workflow =
        (tasks: object[], more: object = {}) =>
        () =>
          api().call("POST /workflows", {}, { body: { supervisor, tasks, ...more } });
      const a = { ...work, ref: "a" };
      await refused(
        [
          "DEPENDENCY_INVALID",
          "a → b → a",
          workflow([
            { ...a, dependsOn: ["b"] },
            { ...work, ref: "b", dependsOn: ["a"] },
          ]),
        ],
        ["DEPENDENCY_INVALID", "a depends on z", workflow([{ ...a, dependsOn: [{ ref: "z" }] }])],
        ["INVALID_REQUEST", "tasks.1.ref", workflow([a, a])],
        ["INVALID_REQUEST", "200", workflow(Array.from({ length: 201 }, (_, n) => ({ ...work, ref: `t${n}` })))],
        ["INVALID_REQUEST", "schedule:", workflow([a], { workflowId: "schedule:a:20260101T000000Z" })],
        ["INVALID_REQUEST", "schedule:", workflow([{ ...a, taskId: "schedule:a:20260101T000000Z" }])],
      );
    });

    it("schedules: cron that never fires, time zones that do not exist, ids of their own, of one that is there and of one that is not", async () => {
      const { supervisor, work, refused } = await scene(api());
      const put = (scheduleId: string, more: object) => () => {
        const body = { supervisor, cron: "0 3 * * *", task: work, ...more };
        return api().call("PUT /schedules/{scheduleId}", { scheduleId }, { body });
      };
      const known = api().id("schedule");
      expect((await put(known, {})()).status).toBe(201);
      for (const id of [known, api().id("schedule")]) {
        await refused(
          ["INVALID_REQUEST", '"path":"cron"', put(id, { cron: "0 0 31 2 *" })],
          ["INVALID_REQUEST", '"path":"cron"', put(id, { cron: "61 * * * *" })],
          ["INVALID_REQUEST", '"path":"cron"', put(id, { cron: "* * * * * *" })],
          ["INVALID_REQUEST", '"path":"timezone"', put(id, { timezone: "Mars/Olympus" })],
          ["INVALID_REQUEST", '"path":"task"', put(id, { task: { ...work, taskId: "mine" } })],
          [
            "DEPENDENCY_INVALID",
            "a → a",
            put(id, { task: undefined, workflow: { tasks: [{ ...work, ref: "a", dependsOn: ["a"] }] } }),
          ],
        );
      }
      await refused(["INVALID_REQUEST", "scheduleId", put("s".repeat(91), {})]);
    });

    it("tasks: dependencies on nothing, on themselves, and reserved ids", async () => {
      const { supervisor, work, refused } = await scene(api());
      const taskId = api().id("t");
      const task = (more: object) => () => api().call("POST /tasks", {}, { body: { ...work, supervisor, ...more } });
      await refused(
        ["DEPENDENCY_INVALID", "nothing", task({ dependsOn: ["nothing"] })],
        ["DEPENDENCY_INVALID", taskId, task({ taskId, dependsOn: [taskId] })],
        ["INVALID_REQUEST", "schedule:", task({ taskId: "schedule:a:20260101T000000Z" })],
        ["INVALID_REQUEST", "dependsOn", task({ dependsOn: Array.from({ length: 201 }, (_, n) => `t-${n}`) })],
      );
    });
  });
}
