import { describe, expect, it } from "@jest/globals";
import { type Api, expectProblem } from "./support.ts";

/** A supervisor and a worker with a capability that nobody else has, so that other tests' workers take nothing. */
async function team(api: Api, extra: Record<string, unknown> = {}) {
  const capability = api.id("cap");
  const supervisor = await api.register("supervisor");
  const worker = await api.register("worker", { capabilities: [capability], ...extra });
  return { capability, supervisor, worker };
}

type Assigned = { taskId: string; status: string; attempt: number; assignedTo?: string };

export function taskRoutes(api: () => Api): void {
  describe("tasks", () => {
    it("are waited for until they change", async () => {
      const { capability, supervisor, worker } = await team(api());
      const body = { supervisor, taskType: "build", requiredCapabilities: [capability] };
      const { taskId } = (await api().ok("POST /tasks", {}, { body })) as Assigned;
      const { version } = (await api().ok("GET /tasks/{taskId}", { taskId })) as { version: number };
      const watch = (query: string) => api().send("GET", `/tasks/${taskId}?${query}`);
      const watched = watch(`afterVersion=${version}&waitSeconds=20`);
      await api().ok("POST /tasks/{taskId}/start", { taskId }, { body: { agentId: worker, attempt: 1 } });
      expect((await watched).json).toMatchObject({ taskId, status: "running", version: version + 1 });
      const unchanged = await watch(`afterVersion=${version + 1}&waitSeconds=0.2`);
      expect([unchanged.status, unchanged.json]).toEqual([200, expect.objectContaining({ version: version + 1 })]);
      for (const query of ["waitSeconds=1", "afterVersion=1&waitSeconds=21", "afterVersion=-1", "afterVersion=1.5"]) {
        expectProblem(await watch(query), "INVALID_REQUEST");
      }
    });

    it("say by when they have to be started", async () => {
      const { capability, supervisor, worker } = await team(api());
      const body = { supervisor, taskType: "build", requiredCapabilities: [capability], startTimeoutSeconds: 600 };
      const { taskId } = (await api().ok("POST /tasks", {}, { body })) as Assigned;
      const task = (await api().ok("GET /tasks/{taskId}", { taskId })) as { startDeadline: string; assignedAt: string };
      expect(Date.parse(task.startDeadline) - Date.parse(task.assignedAt)).toBe(600_000);
      const path = { agentId: worker };
      const { messages } = (await api().ok("POST /agents/{agentId}/messages/receive", path)) as {
        messages: { payload: unknown }[];
      };
      expect(messages[0]?.payload).toMatchObject({ taskId, startDeadline: task.startDeadline });
      for (const wrong of [{ startTimeoutSeconds: 0 }, { requiredCapabilities: [], question: { text: "Go?" } }]) {
        expectProblem(await api().call("POST /tasks", {}, { body: { ...body, ...wrong } }), "INVALID_REQUEST");
      }
    });

    it("go from assignment to a result that the supervisor receives", async () => {
      const { capability, supervisor, worker } = await team(api());
      const body = { supervisor, taskType: "build", requiredCapabilities: [capability], parameters: { n: 1 } };
      const preview = await api().ok("POST /tasks/preview", {}, { body });
      expect(preview).toMatchObject({ chosen: worker, considered: [{ agentId: worker }] });
      const created = await api().call("POST /tasks", {}, { body });
      expect(created.status).toBe(201);
      const { taskId } = created.json as Assigned;
      expect(created.json).toMatchObject({ status: "assigned", assignedTo: worker, attempt: 1 });
      const [assignment] = await api().receive(worker);
      expect(assignment).toMatchObject({
        type: "task_assignment",
        payload: { taskId, attempt: 1, parameters: { n: 1 } },
      });
      const mine = { agentId: worker, attempt: 1 };
      expect(await api().ok("POST /tasks/{taskId}/start", { taskId }, { body: mine })).toMatchObject({
        status: "running",
      });
      const progress = { ...mine, percent: 50, note: "half", extendSeconds: 3_600 };
      expect(await api().ok("POST /tasks/{taskId}/progress", { taskId }, { body: progress })).toMatchObject({
        cancelRequested: false,
      });
      expectProblem(
        await api().call("POST /tasks/{taskId}/complete", { taskId }, { body: { agentId: worker, attempt: 2 } }),
        "LEASE_LOST",
      );
      const done = { ...mine, result: { ok: true } };
      expect(await api().ok("POST /tasks/{taskId}/complete", { taskId }, { body: done })).toMatchObject({
        status: "completed",
      });
      expect(await api().ok("GET /tasks/{taskId}", { taskId })).toMatchObject({
        status: "completed",
        result: { ok: true },
      });
      const [result] = await api().receive(supervisor);
      expect(result).toMatchObject({
        type: "task_result",
        payload: { taskId, status: "completed", result: { ok: true } },
      });
      const explained = await api().ok("GET /tasks/{taskId}/assignment", { taskId });
      expect(explained).toMatchObject({
        assignments: [{ attempt: 1, chosen: worker, outcome: "completed" }],
        nextCursor: null,
      });
      const paged = await api().ok("GET /tasks/{taskId}/assignment", { taskId }, { query: "limit=1" });
      expect(paged).toEqual(explained);
      const wrong = await api().call("GET /tasks/{taskId}/assignment", { taskId }, { query: "cursor=x" });
      expectProblem(wrong, "INVALID_REQUEST");
      const history = await api().ok<{ events: { event: string }[] }>("GET /tasks/{taskId}/history", { taskId });
      expect(history.events.map((event) => event.event)).toEqual(
        expect.arrayContaining(["created", "assigned", "completed"]),
      );
      expectProblem(await api().call("POST /tasks/{taskId}/cancel", { taskId }), "TASK_ENDED");
    });

    it("fail for good, or are tried again", async () => {
      const { capability, supervisor, worker } = await team(api());
      const body = { supervisor, taskType: "build", requiredCapabilities: [capability], maxRetries: 1 };
      const { taskId } = await api().ok<Assigned>("POST /tasks", {}, { body });
      const failure = { agentId: worker, attempt: 1, error: "disk full" };
      expect(await api().ok("POST /tasks/{taskId}/fail", { taskId }, { body: failure })).toMatchObject({
        status: "pending",
      });
      const final = await api().ok<Assigned>("POST /tasks", {}, { body });
      const forGood = { body: { agentId: worker, attempt: 1, error: "no", retryable: false } };
      expect(await api().ok("POST /tasks/{taskId}/fail", { taskId: final.taskId }, forGood)).toMatchObject({
        status: "failed",
      });
    });

    it("are recognised when repeated: 201, then 200", async () => {
      const { capability, supervisor } = await team(api());
      const body = { taskId: api().id("task"), supervisor, taskType: "t", requiredCapabilities: [capability] };
      expect((await api().call("POST /tasks", {}, { body })).status).toBe(201);
      expect((await api().call("POST /tasks", {}, { body })).status).toBe(200);
      expectProblem(await api().call("POST /tasks", {}, { body: { ...body, taskType: "u" } }), "IDEMPOTENCY_MISMATCH");
      const { taskId: _, ...anonymous } = body;
      const headers = { "idempotency-key": api().id("key") };
      const first = await api().call("POST /tasks", {}, { body: anonymous, headers });
      const second = await api().call("POST /tasks", {}, { body: anonymous, headers });
      expect([first.status, second.status]).toEqual([201, 200]);
      expect((second.json as Assigned).taskId).toBe((first.json as Assigned).taskId);
      expectProblem(await api().call("POST /tasks", {}, { body, headers }), "INVALID_REQUEST");
    });

    it("wait, are listed and cancelled", async () => {
      const supervisor = await api().register("supervisor");
      const body = { supervisor, taskType: api().id("type"), requiredCapabilities: [api().id("nobody-has")] };
      const task = await api().ok<Assigned>("POST /tasks", {}, { body });
      expect(task).toMatchObject({ status: "pending", attempt: 0 });
      const listed = await api().ok(
        "GET /tasks",
        {},
        { query: `supervisor=${supervisor}&taskType=${body.taskType}&status=pending` },
      );
      expect(listed).toMatchObject({ tasks: [{ taskId: task.taskId }], nextCursor: null });
      const cancel = () =>
        api().ok("POST /tasks/{taskId}/cancel", { taskId: task.taskId }, { body: { reason: "not needed" } });
      expect(await cancel()).toMatchObject({ status: "cancelled" });
      expect(await cancel()).toMatchObject({ status: "cancelled" });
    });

    it("refuse assigners who may not, unknown agents and unknown dependencies", async () => {
      const { supervisor, worker } = await team(api());
      const body = { supervisor, taskType: "t" };
      const ask = (change: object) => api().call("POST /tasks", {}, { body: { ...body, ...change } });
      expectProblem(await ask({ supervisor: worker }), "FORBIDDEN");
      expectProblem(await ask({ supervisor: api().id("nobody") }), "AGENT_NOT_FOUND");
      expectProblem(await ask({ assignTo: api().id("nobody") }), "AGENT_NOT_FOUND");
      expectProblem(await ask({ dependsOn: [api().id("task")] }), "DEPENDENCY_INVALID");
    });

    it("of unknown ids are 404 on every route", async () => {
      const worker = await api().register();
      const params = { taskId: api().id("task") };
      for (const part of ["", "/assignment", "/history", "/dependencies"]) {
        const route = `GET /tasks/{taskId}${part}`;
        expectProblem(await api().call(route, params), "TASK_NOT_FOUND");
      }
      const bodies = { start: {}, progress: {}, complete: {}, fail: { error: "e" } };
      for (const [verb, extra] of Object.entries(bodies)) {
        const body = { agentId: worker, attempt: 1, ...extra };
        expectProblem(await api().call(`POST /tasks/{taskId}/${verb}`, params, { body }), "TASK_NOT_FOUND");
      }
      expectProblem(await api().call("POST /tasks/{taskId}/cancel", params), "TASK_NOT_FOUND");
    });
  });
}
