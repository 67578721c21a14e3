import { describe, expect, it } from "@jest/globals";
import { type Api, expectProblem } from "./support.ts";

interface Created {
  workflowId: string;
  status: string;
  taskIds: Record<string, string>;
}

async function scene(api: Api) {
  const capability = api.id("cap");
  const supervisor = await api.register("supervisor");
  const worker = await api.register("worker", { capabilities: [capability], maxConcurrentTasks: 10 });
  const work = { taskType: "step", requiredCapabilities: [capability] };
  const create = (tasks: object[], more: object = {}) =>
    api.ok<Created>("POST /workflows", {}, { body: { supervisor, tasks, ...more } });
  const refuse = async (tasks: object[], code: Parameters<typeof expectProblem>[1], more: object = {}) => {
    const reply = await api.call("POST /workflows", {}, { body: { supervisor, tasks, ...more } });
    expectProblem(reply, code);
    return JSON.stringify(reply.json);
  };
  const end = async (taskId: string, how: "complete" | "fail" = "complete", more: object = {}) =>
    api.ok(`POST /tasks/{taskId}/${how}`, { taskId }, { body: { agentId: worker, attempt: 1, ...more } });
  return { supervisor, worker, work, create, refuse, end };
}

export function workflowRoutes(api: () => Api): void {
  describe("workflows", () => {
    it("bring each worker the results of what its task waited for, under their refs", async () => {
      const { worker, work, create, end } = await scene(api());
      const { taskIds } = await create([
        { ...work, ref: "lint" },
        { ...work, ref: "test" },
        { ...work, ref: "ship", dependsOn: ["lint", { ref: "test", when: "failed" }] },
      ]);
      const { lint = "", test = "", ship = "" } = taskIds;
      const read = () => api().ok("GET /tasks/{taskId}/dependencies", { taskId: ship });
      expect(await read()).toEqual({
        dependencies: [
          { ref: "lint", taskId: lint, status: "assigned" },
          { ref: "test", taskId: test, status: "assigned" },
        ],
      });
      await end(lint, "complete", { result: { warnings: 2 } });
      await end(test, "fail", { error: "3 tests failed", retryable: false });
      const dependencies = [
        { ref: "lint", taskId: lint, status: "completed", result: { warnings: 2 } },
        { ref: "test", taskId: test, status: "failed", error: "3 tests failed" },
      ];
      const assignments = (await api().receive(worker, { maxMessages: 10 })) as { payload: { taskId: string } }[];
      expect(assignments.map(({ payload }) => payload)).toEqual([
        expect.objectContaining({ taskId: ship, parameters: null, dependencies }),
      ]);
      expect(await read()).toEqual({ dependencies });
      await end(ship);
      const referred = dependencies.map(({ ref, taskId, status }) => ({ ref, taskId, status, truncated: true }));
      expect(await read()).toEqual({ dependencies: referred });
    });

    it("fan out, join, wait for a person and end with one message", async () => {
      const { supervisor, worker, work, create, end } = await scene(api());
      const { workflowId, taskIds, status } = await create([
        { ...work, ref: "a" },
        { ...work, ref: "b" },
        { ...work, ref: "join", dependsOn: ["a", { ref: "b" }] },
        { ref: "gate", taskType: "approve", dependsOn: ["join"], question: { text: "Publish?" } },
        { ...work, ref: "undo", dependsOn: [{ ref: "join", when: "failed" }] },
      ]);
      expect(status).toBe("running");
      expect(Object.keys(taskIds).sort()).toEqual(["a", "b", "gate", "join", "undo"]);
      for (const ref of ["a", "b", "join"]) await end(taskIds[ref] ?? "");
      const { questions } = await api().ok<{ questions: { taskId: string; questionId: string }[] }>(
        "GET /questions",
        {},
        { query: `agentId=${supervisor}` },
      );
      expect(questions.map(({ taskId }) => taskId)).toEqual([taskIds.gate]);
      const body = { agentId: supervisor, questionId: questions[0]?.questionId, answer: "yes" };
      await api().ok("POST /tasks/{taskId}/answer", { taskId: taskIds.gate ?? "" }, { body });
      expect(await api().ok("GET /workflows/{workflowId}", { workflowId })).toMatchObject({
        workflowId,
        supervisor,
        status: "completed",
        counts: { completed: 4, notNeeded: 1, failed: 0 },
        tasks: [
          { ref: "a", status: "completed", assignedTo: worker, attempt: 1, dependsOn: [] },
          { ref: "b", status: "completed" },
          { ref: "join", status: "completed", dependsOn: [taskIds.a, taskIds.b] },
          { ref: "gate", status: "completed" },
          {
            ref: "undo",
            status: "cancelled",
            error: "NOT_NEEDED",
            dependsOn: [{ taskId: taskIds.join, when: "failed" }],
          },
        ],
      });
      const messages = (await api().receive(supervisor)) as { type: string; payload: object }[];
      expect(messages.filter(({ type }) => type !== "task_question")).toEqual([
        expect.objectContaining({
          type: "workflow_result",
          sender: "system",
          payload: {
            workflowId,
            status: "completed",
            counts: { completed: 4, failed: 0, cancelled: 0, notNeeded: 1, stopped: 0 },
            version: expect.any(Number),
          },
        }),
      ]);
    });

    it("repeat by their id and by a key, and refuse another request", async () => {
      const { supervisor, work, create } = await scene(api());
      const body = { supervisor, workflowId: api().id("w"), tasks: [{ ...work, ref: "a" }] };
      const first = await api().call("POST /workflows", {}, { body });
      const again = await api().call("POST /workflows", {}, { body });
      expect([first.status, again.status, again.json]).toEqual([201, 200, first.json]);
      const other = { ...body, onFailure: "continue" };
      expectProblem(await api().call("POST /workflows", {}, { body: other }), "IDEMPOTENCY_MISMATCH");
      const keyed = { body: { supervisor, tasks: body.tasks }, headers: { "idempotency-key": api().id("key") } };
      const byKey = await api().call("POST /workflows", {}, keyed);
      expect((await api().call("POST /workflows", {}, keyed)).json).toEqual(byKey.json);
      const both = { ...keyed, body };
      expectProblem(await api().call("POST /workflows", {}, both), "INVALID_REQUEST");
      const listed = await api().ok<{ workflows: { workflowId: string }[] }>(
        "GET /workflows",
        {},
        { query: `supervisor=${supervisor}&status=running` },
      );
      expect(listed.workflows).toHaveLength(2);
      await create([{ ...work, ref: "a" }]);
    });

    it("cancel what is open, at once or with the worker that runs it", async () => {
      const { worker, work, create, end } = await scene(api());
      const { workflowId, taskIds } = await create([
        { ...work, ref: "a" },
        { ...work, ref: "b", dependsOn: ["a"] },
      ]);
      await api().ok(
        "POST /tasks/{taskId}/start",
        { taskId: taskIds.a ?? "" },
        { body: { agentId: worker, attempt: 1 } },
      );
      const cancel = () =>
        api().ok("POST /workflows/{workflowId}/cancel", { workflowId }, { body: { reason: "enough" } });
      expect(await cancel()).toMatchObject({ status: "running", counts: { running: 1, cancelled: 1 } });
      await end(taskIds.a ?? "", "fail", { error: "stopped", retryable: false });
      expect(await cancel()).toMatchObject({ status: "cancelled", counts: { cancelled: 2 } });
    });

    it("are retried as a whole, and their tasks alone", async () => {
      const { work, create, end } = await scene(api());
      const { workflowId, taskIds } = await create([
        { ...work, ref: "a" },
        { ...work, ref: "b", dependsOn: ["a"] },
      ]);
      const [a = "", b = ""] = [taskIds.a, taskIds.b];
      const retry = () => api().ok("POST /workflows/{workflowId}/retry", { workflowId }, { body: { reason: "again" } });
      await end(a, "fail", { error: "broken", retryable: false });
      expectProblem(await api().call("POST /tasks/{taskId}/retry", { taskId: b }, { body: {} }), "TASK_ENDED");
      expect(await retry()).toMatchObject({ workflowId, status: "running", counts: { failed: 0, blocked: 1 } });
      expect(await retry()).toMatchObject({ status: "running" });
      const task = await api().ok("GET /tasks/{taskId}", { taskId: a });
      expect(task).toMatchObject({ status: "assigned", attempt: 2 });
      const open = await api().ok("POST /tasks/{taskId}/retry", { taskId: a }, { body: {} });
      expect(open).toMatchObject({ taskId: a, status: "assigned", cancelRequested: false });
      expectProblem(
        await api().call("POST /workflows/{workflowId}/retry", { workflowId: api().id("none") }, { body: {} }),
        "NOT_FOUND",
      );
    });

    it("have at most 2,000 dependencies in all, as those of schedules and children have", async () => {
      const { supervisor, worker, work, create, refuse } = await scene(api());
      const earlier = (n: number, count: number) => Array.from({ length: count }, (_, back) => `t${n - back - 1}`);
      const tasks = Array.from({ length: 200 }, (_, n) => ({
        ...work,
        ref: `t${n}`,
        dependsOn: earlier(n, n < 11 ? 0 : n === 199 ? 132 : n < 188 ? 10 : 9),
      }));
      const count = tasks.reduce((sum, { dependsOn }) => sum + dependsOn.length, 0);
      expect(count).toBe(2_001);
      const said = "tasks: must have at most 2000 dependencies in all";
      expect(await refuse(tasks, "INVALID_REQUEST")).toContain(said);
      const schedule = { supervisor, cron: "0 0 1 1 *", workflow: { tasks } };
      const put = await api().call("PUT /schedules/{scheduleId}", { scheduleId: api().id("s") }, { body: schedule });
      expectProblem(put, "INVALID_REQUEST");
      expect(JSON.stringify(put.json)).toContain(`workflow.${said}`);
      const part = { taskType: "part" };
      const children = Array.from({ length: 100 }, (_, n) => ({
        ...part,
        ref: `t${n}`,
        dependsOn: earlier(n, Math.min(n, 21)),
      }));
      const suspend = { agentId: worker, attempt: 1, until: { tasks: children } };
      const suspended = await api().call("POST /tasks/{taskId}/suspend", { taskId: api().id("t") }, { body: suspend });
      expect([children.flatMap(({ dependsOn }) => dependsOn).length > 1_850, suspended.status]).toEqual([true, 404]);
      const more = children.map((child, n) => ({ ...child, dependsOn: earlier(n, Math.min(n, 23)) }));
      const tooMany = { body: { ...suspend, until: { tasks: more } } };
      const refused = await api().call("POST /tasks/{taskId}/suspend", { taskId: api().id("t") }, tooMany);
      expectProblem(refused, "INVALID_REQUEST");
      expect(JSON.stringify(refused.json)).toContain(`until.${said}`);
      const [first, ...rest] = tasks.reverse();
      await create([...rest.reverse(), { ...work, ref: "t199", dependsOn: first?.dependsOn.slice(1) }]);
    });

    it("name the cycle that they refuse, unknown and double refs, and create nothing", async () => {
      const { supervisor, work, refuse } = await scene(api());
      const cycle = await refuse(
        [
          { ...work, ref: "a", dependsOn: ["c"] },
          { ...work, ref: "b", dependsOn: ["a"] },
          { ...work, ref: "c", dependsOn: ["b"] },
        ],
        "DEPENDENCY_INVALID",
      );
      expect(cycle).toContain("a → c → b → a");
      expect(await refuse([{ ...work, ref: "a", dependsOn: ["a"] }], "DEPENDENCY_INVALID")).toContain("a → a");
      const unknown = [{ ...work, ref: "a", dependsOn: [{ ref: "z" }] }];
      expect(await refuse(unknown, "DEPENDENCY_INVALID")).toContain("a depends on z");
      const twice = [
        { ...work, ref: "a" },
        { ...work, ref: "a" },
      ];
      expect(await refuse(twice, "INVALID_REQUEST")).toContain("tasks.1.ref");
      const many = Array.from({ length: 201 }, (_, n) => ({ ...work, ref: `t${n}` }));
      expect(await refuse(many, "INVALID_REQUEST")).toContain("200");
      await refuse([], "INVALID_REQUEST");
      await refuse([{ ...work, ref: "a", supervisor }], "INVALID_REQUEST");
      await refuse([{ ...work, ref: "a", dependsOn: [api().id("nothing")] }], "DEPENDENCY_INVALID");
      const both = [
        { ...work, ref: "a" },
        { ...work, ref: "b", dependsOn: ["a", { ref: "a", when: "failed" }] },
      ];
      expect(await refuse(both, "DEPENDENCY_INVALID")).toContain("two conditions");
      expect(await api().ok("GET /tasks", {}, { query: `supervisor=${supervisor}` })).toMatchObject({ tasks: [] });
    });

    it("take a cycle by way of the ids of their own tasks for one, too", async () => {
      const { work, refuse } = await scene(api());
      const [one, two] = [api().id("t"), api().id("t")];
      const cycle = await refuse(
        [
          { ...work, ref: "a", taskId: one, dependsOn: [two] },
          { ...work, ref: "b", taskId: two, dependsOn: [{ taskId: one, when: "ended" }] },
        ],
        "DEPENDENCY_INVALID",
      );
      expect(cycle).toContain("a → b → a");
    });

    it("that are not there are NOT_FOUND", async () => {
      const workflowId = api().id("none");
      expectProblem(await api().call("GET /workflows/{workflowId}", { workflowId }), "NOT_FOUND");
      expectProblem(await api().call("POST /workflows/{workflowId}/cancel", { workflowId }, { body: {} }), "NOT_FOUND");
    });

    it("may be 4 MiB long", async () => {
      const { work, create } = await scene(api());
      const parameters = "x".repeat(200_000);
      const tasks = Array.from({ length: 18 }, (_, n) => ({ ...work, ref: `t${n}`, parameters }));
      expect(Object.keys((await create(tasks)).taskIds)).toHaveLength(18);
    });
  });
}
