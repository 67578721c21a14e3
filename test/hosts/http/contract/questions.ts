import { describe, expect, it } from "@jest/globals";
import { type Api, expectProblem } from "./support.ts";

interface Asked {
  taskId: string;
  questionId: string;
  supervisor: string;
  worker: string;
}

/** A task of a worker that has asked. */
async function asked(api: Api, question: object, task: object = {}): Promise<Asked> {
  const capability = api.id("cap");
  const supervisor = await api.register("supervisor");
  const worker = await api.register("worker", { capabilities: [capability] });
  const body = { supervisor, taskType: "deploy", requiredCapabilities: [capability], ...task };
  const { taskId } = await api.ok<{ taskId: string }>("POST /tasks", {}, { body });
  const until = { agentId: worker, attempt: 1, checkpoint: { step: 2 }, until: { question } };
  const reply = await api.ok<{ questionId: string }>("POST /tasks/{taskId}/suspend", { taskId }, { body: until });
  expect(reply).toMatchObject({ taskId, status: "input_required", cancelRequested: false });
  return { taskId, questionId: reply.questionId, supervisor, worker };
}

const FORM = {
  type: "object",
  properties: {
    branch: { type: "string", enum: ["main", "next"] },
    replicas: { type: "integer", minimum: 1, maximum: 9 },
    notify: { type: "boolean" },
  },
  required: ["branch"],
};

export function questionRoutes(api: () => Api): void {
  describe("questions", () => {
    it("go from a suspension to the next attempt, by an answer", async () => {
      const question = { text: "Which branch?", schema: FORM };
      const { taskId, questionId, supervisor, worker } = await asked(api(), question);
      const [message] = await api().receive(supervisor);
      expect(message).toMatchObject({
        type: "task_question",
        payload: { taskId, questionId, question, authoredBy: worker },
      });
      const { questions } = await api().ok<{ questions: object[] }>(
        "GET /questions",
        {},
        { query: `agentId=${supervisor}` },
      );
      expect(questions).toEqual([
        expect.objectContaining({ taskId, questionId, ...question, askedBy: worker, state: "open" }),
      ]);
      const body = { agentId: supervisor, questionId, answer: { branch: "main", replicas: 3 } };
      const first = await api().ok("POST /tasks/{taskId}/answer", { taskId }, { body });
      expect(first).toMatchObject({ taskId, questionId, status: "pending", answeredBy: supervisor });
      expect(await api().ok("POST /tasks/{taskId}/answer", { taskId }, { body })).toEqual(first);
      const other = { ...body, answer: { branch: "next" } };
      expectProblem(await api().call("POST /tasks/{taskId}/answer", { taskId }, { body: other }), "ALREADY_ANSWERED");
      const assignments = (await api().receive(worker)) as { payload: { attempt: number } }[];
      expect(assignments.find(({ payload }) => payload.attempt === 2)?.payload).toMatchObject({
        resume: {
          reason: "answered",
          checkpoint: { step: 2 },
          questionId,
          answer: body.answer,
          answeredBy: supervisor,
        },
      });
      expect(await api().ok("GET /tasks/{taskId}", { taskId })).toMatchObject({
        checkpoint: { step: 2 },
        resumedBy: "answered",
        question: { ...question, state: "answered", answer: body.answer },
      });
    });

    it.each([
      [{ branch: "other" }, "answer.branch"],
      [{ branch: "main", replicas: 1.5 }, "answer.replicas"],
      [{ branch: "main", replicas: 10 }, "answer.replicas"],
      [{ branch: "main", notify: "yes" }, "answer.notify"],
      [{ replicas: 1 }, "answer.branch"],
      [{ branch: "main", other: 1 }, "answer"],
      ["main", "answer"],
      [null, "answer"],
    ])("refuse %j, which is not what was asked for, and stay open", async (answer, path) => {
      const { taskId, questionId, supervisor } = await asked(api(), { text: "Which branch?", schema: FORM });
      const body = { agentId: supervisor, questionId, answer };
      const refused = await api().call("POST /tasks/{taskId}/answer", { taskId }, { body });
      expectProblem(refused, "SCHEMA_MISMATCH");
      expect(refused.json).toMatchObject({ errors: [{ path }] });
      expect(await api().ok("GET /tasks/{taskId}", { taskId })).toMatchObject({ question: { state: "open" } });
    });

    it("with options take one of them, and nothing else", async () => {
      const { taskId, questionId, supervisor } = await asked(api(), { text: "Go on?", options: ["yes", "no"] });
      const answer = (value: unknown) => ({ body: { agentId: supervisor, questionId, answer: value } });
      for (const wrong of ["maybe", true, ["yes"]]) {
        expectProblem(await api().call("POST /tasks/{taskId}/answer", { taskId }, answer(wrong)), "SCHEMA_MISMATCH");
      }
      expect(await api().ok("POST /tasks/{taskId}/answer", { taskId }, answer("yes"))).toMatchObject({
        status: "pending",
      });
    });

    it("are answered by the supervisor and those who are asked, not by the agent that asked or by a stranger", async () => {
      const friend = await api().register("worker");
      const stranger = await api().register("worker");
      const { taskId, questionId, worker } = await asked(api(), { text: "Go on?", askedOf: [friend] });
      const answer = (agentId: string) => ({ body: { agentId, questionId, answer: "yes" } });
      expectProblem(await api().call("POST /tasks/{taskId}/answer", { taskId }, answer(worker)), "FORBIDDEN");
      expectProblem(await api().call("POST /tasks/{taskId}/answer", { taskId }, answer(stranger)), "TASK_NOT_FOUND");
      const reply = await api().ok("POST /tasks/{taskId}/answer", { taskId }, answer(friend));
      expect(reply).toMatchObject({ answeredBy: friend });
    });

    it.each([
      ["no text", { text: "" }],
      ["schema and options", { text: "?", schema: FORM, options: ["a"] }],
      ["options twice", { text: "?", options: ["a", "a"] }],
      ["a default without a time", { text: "?", defaultAnswer: "a" }],
      ["a nested schema", { text: "?", schema: { type: "object", properties: { a: { type: "object" } } } }],
      ["a required property that is not there", { text: "?", schema: { ...FORM, required: ["other"] } }],
      ["no property", { text: "?", schema: { type: "object", properties: {} } }],
      ["an unknown member", { text: "?", colour: "red" }],
    ])("are refused with %s", async (_name, question) => {
      const body = { agentId: "a", attempt: 1, until: { question } };
      expectProblem(await api().call("POST /tasks/{taskId}/suspend", { taskId: "t" }, { body }), "INVALID_REQUEST");
    });

    it("are refused with a default that is not an answer", async () => {
      const question = { text: "?", options: ["a"], timeoutSeconds: 60, defaultAnswer: "b" };
      const body = { agentId: "a", attempt: 1, until: { question } };
      expectProblem(await api().call("POST /tasks/{taskId}/suspend", { taskId: "t" }, { body }), "SCHEMA_MISMATCH");
    });

    it.each([[{}], [{ question: { text: "?" }, at: "2027-01-01T00:00:00Z" }], [{ at: "tomorrow" }]])(
      "are refused where until is %j",
      async (until) => {
        const body = { agentId: "a", attempt: 1, until };
        expectProblem(await api().call("POST /tasks/{taskId}/suspend", { taskId: "t" }, { body }), "INVALID_REQUEST");
      },
    );

    it("may be a task by themselves, whose answer is its result", async () => {
      const supervisor = await api().register("supervisor");
      const body = { supervisor, taskType: "approval", question: { text: "Deploy?" } };
      const gate = await api().ok<{ taskId: string }>("POST /tasks", {}, { body });
      expect(gate).toMatchObject({ status: "input_required", attempt: 0 });
      const answer = { agentId: supervisor, questionId: "1", answer: { decision: "reject", why: "Friday" } };
      const reply = await api().ok("POST /tasks/{taskId}/answer", { taskId: gate.taskId }, { body: answer });
      expect(reply).toMatchObject({ status: "failed" });
      expect(await api().ok("GET /tasks/{taskId}", { taskId: gate.taskId })).toMatchObject({
        error: "REJECTED",
        result: answer.answer,
      });
      for (const more of [{ assignTo: supervisor }, { requiredCapabilities: ["a"] }, { maxRetries: 1 }]) {
        expectProblem(await api().call("POST /tasks", {}, { body: { ...body, ...more } }), "INVALID_REQUEST");
      }
      expectProblem(await api().call("POST /tasks/preview", {}, { body }), "INVALID_REQUEST");
    });

    it("of a sensitive task are plain to those who may answer, and to the worker", async () => {
      const question = { text: "The secret word?", options: ["xyzzy", "plugh"] };
      const { taskId, questionId, supervisor, worker } = await asked(api(), question, { sensitive: true });
      const [message] = await api().receive(supervisor);
      expect(message).toMatchObject({ type: "task_question", sensitive: true, payload: { question } });
      const listed = await api().ok("GET /questions", {}, { query: `agentId=${supervisor}` });
      expect(listed).toMatchObject({ questions: [{ taskId, sensitive: true, ...question }] });
      const body = { agentId: supervisor, questionId, answer: "xyzzy" };
      const first = await api().ok("POST /tasks/{taskId}/answer", { taskId }, { body });
      expect(await api().ok("POST /tasks/{taskId}/answer", { taskId }, { body })).toEqual(first);
      const assignments = (await api().receive(worker)) as { payload: { attempt: number } }[];
      expect(assignments.find(({ payload }) => payload.attempt === 2)).toMatchObject({
        payload: { resume: { checkpoint: { step: 2 }, answer: "xyzzy" } },
      });
      expect(await api().ok("GET /tasks/{taskId}", { taskId })).toMatchObject({
        sensitive: true,
        checkpoint: { step: 2 },
        question: { ...question, answer: "xyzzy" },
      });
    });

    it("are not all that a task waits for: children, and nothing beyond what it may make", async () => {
      const capability = api().id("cap");
      const supervisor = await api().register("supervisor");
      const worker = await api().register("worker", { capabilities: [capability], maxConcurrentTasks: 5 });
      const work = { requiredCapabilities: [capability] };
      const body = { ...work, supervisor, taskType: "all", children: { taskTypes: ["part"] } };
      const { taskId } = await api().ok<{ taskId: string }>("POST /tasks", {}, { body });
      expect(await api().ok("GET /tasks/{taskId}", { taskId })).toMatchObject({ children: { taskTypes: ["part"] } });
      const suspend = (tasks: object[]) =>
        api().call(
          "POST /tasks/{taskId}/suspend",
          { taskId },
          { body: { agentId: worker, attempt: 1, until: { tasks } } },
        );
      const part = { ...work, taskType: "part" };
      for (const beyond of [
        { ...part, taskType: "other" },
        { ...part, priority: "urgent" },
        { ...part, children: { taskTypes: ["*"] } },
      ]) {
        expectProblem(await suspend([part, beyond]), "TASK_TREE_LIMIT");
      }
      for (const bad of [
        [],
        Array(101).fill(part),
        [{ ...part, assignTo: worker }],
        [{ ...part, supervisor }],
        [{ ...part, question: { text: "Go?" } }],
        [
          { ...part, ref: "a" },
          { ...part, ref: "a" },
        ],
      ]) {
        expectProblem(await suspend(bad), "INVALID_REQUEST");
      }
      expectProblem(await suspend([{ ...part, ref: "a", dependsOn: ["a"] }]), "DEPENDENCY_INVALID");
      expectProblem(await suspend([{ ...part, dependsOn: [taskId] }]), "DEPENDENCY_INVALID");
      const reply = await suspend([
        { ...part, ref: "b", dependsOn: ["a"] },
        { ...part, ref: "a" },
      ]);
      expect(reply.json).toEqual({
        taskId,
        status: "blocked",
        cancelRequested: false,
        taskIds: [expect.any(String), expect.any(String)],
      });
      const { taskIds } = reply.json as { taskIds: string[] };
      for (const child of [...taskIds].reverse()) {
        await api().ok(
          "POST /tasks/{taskId}/complete",
          { taskId: child },
          { body: { agentId: worker, attempt: 1, result: 1 } },
        );
      }
      expect(await api().ok("GET /tasks/{taskId}", { taskId })).toMatchObject({
        status: "assigned",
        attempt: 2,
        resumedBy: "children_ended",
      });
      for (const bad of [["a b"], ["**"], [], Array(21).fill("x")]) {
        const refused = await api().call("POST /tasks", {}, { body: { ...body, children: { taskTypes: bad } } });
        expectProblem(refused, "INVALID_REQUEST");
      }
    });
  });
}
