import { describe, expect, it } from "@jest/globals";
import { type StoreFactory, useStore } from "../store-under-test.ts";
import { at, caught, DAY, everyPage, HOUR, MINUTE, only, SECOND } from "../support.ts";

/** Who is asked, who answers, and what ends a question. */
export function questionsContract(open: StoreFactory): void {
  describe("questions", () => {
    const stage = useStore(open);

    async function begin(options = {}) {
      const scene = stage.scene();
      const supervisor = await scene.supervisor();
      const worker = await scene.worker();
      const held = await scene.assign(supervisor, options);
      return { scene, supervisor, worker, held };
    }

    async function openIds(agentId?: string) {
      const { store } = stage.under;
      const all = await everyPage((page) => store.listQuestions({ ...page, agentId }));
      return all.map(({ taskId, questionId }) => `${taskId}/${questionId}`);
    }

    it("go to the supervisor as a message with the words of the agent", async () => {
      const { scene, supervisor, worker, held } = await begin({ priority: "high" });
      const question = { text: "Which branch?", options: ["main", "next"] };
      const questionId = await scene.ask(held, { ...question, timeoutSeconds: 60 });
      const message = only(await scene.waiting(supervisor, "task_question"));
      const { expiresAt } = (await scene.look(held.taskId)).question ?? {};
      expect(message).toMatchObject({ sender: "system", priority: "high" });
      expect(message.payload).toEqual({
        taskId: held.taskId,
        taskType: "work",
        questionId,
        question,
        authoredBy: worker,
        expiresAt,
      });
    });

    it("go to those whom they are asked of instead", async () => {
      const { scene, supervisor, held } = await begin();
      const [first, second] = [await scene.agent(), await scene.agent()];
      const questionId = await scene.ask(held, { text: "Which?", askedOf: [first, second] });
      expect(await scene.waiting(supervisor, "task_question")).toEqual([]);
      for (const agentId of [first, second]) {
        expect(only(await scene.waiting(agentId, "task_question")).payload).toMatchObject({ questionId });
      }
      expect((await scene.look(held.taskId)).question?.askedOf).toEqual([first, second].sort());
    });

    it("are refused when they ask an agent that is not there, and nothing changes", async () => {
      const { scene, held } = await begin();
      const before = await scene.look(held.taskId);
      const gone = await scene.agent();
      await scene.store.deregisterAgent(gone);
      for (const askedOf of [[scene.fresh("nobody")], [gone]]) {
        expect(await caught(scene.suspend(held, { text: "Which?", askedOf }))).toBe("AGENT_NOT_FOUND");
      }
      expect(await scene.look(held.taskId)).toEqual(before);
    });

    it("are listed, oldest first, for all who may answer, until they are answered", async () => {
      const { scene, supervisor, held } = await begin();
      const friend = await scene.agent();
      const stranger = await scene.agent();
      const questionId = await scene.ask(held, { text: "Which?", askedOf: [friend] });
      const other = await scene.assign(supervisor);
      const second = await scene.ask(other, { text: "When?" });
      const ids = [`${held.taskId}/${questionId}`, `${other.taskId}/${second}`];
      expect(await openIds(supervisor)).toEqual(ids);
      expect(await openIds(friend)).toEqual([ids[0]]);
      expect(await openIds(stranger)).toEqual([]);
      expect(await openIds()).toEqual(expect.arrayContaining(ids));
      await scene.answer(held.taskId, questionId, friend, "main");
      expect(await openIds(supervisor)).toEqual([ids[1]]);
      expect(await openIds(friend)).toEqual([]);
      expect(await openIds()).not.toContain(ids[0]);
    });

    it("are listed page by page, none twice and none left out", async () => {
      const { scene, supervisor, held } = await begin();
      const ids = [`${held.taskId}/${await scene.ask(held, { text: "Which?" })}`];
      for (let n = 0; n < 6; n++) {
        const next = await scene.assign(supervisor);
        ids.push(`${next.taskId}/${await scene.ask(next, { text: `Question ${n}` })}`);
      }
      const paged = await everyPage((page) => scene.store.listQuestions({ ...page, agentId: supervisor }), 2);
      expect(paged.map(({ taskId, questionId }) => `${taskId}/${questionId}`)).toEqual(ids);
      expect(paged[0]).toMatchObject({ taskType: "work", supervisor, priority: "normal", gate: false, state: "open" });
      expect(paged[0]?.content).toEqual({ value: { text: "Which?" } });
      expect(await scene.store.getQuestion(held.taskId, ids[0]?.split("/")[1] ?? "")).toEqual(paged[0]);
    });

    it("are answered once: the same answer gets the first reply, another is refused", async () => {
      const { scene, supervisor, held } = await begin();
      const questionId = await scene.ask(held, { text: "Which?" });
      const first = await scene.answer(held.taskId, questionId, supervisor, { branch: "main" });
      const again = await scene.answer(held.taskId, questionId, supervisor, { branch: "main" });
      expect(again).toMatchObject({ questionId, answeredBy: first.answeredBy, answeredAt: first.answeredAt });
      expect(await caught(scene.answer(held.taskId, questionId, supervisor, { branch: "next" }))).toBe(
        "ALREADY_ANSWERED",
      );
      expect((await scene.look(held.taskId)).attempt).toBe(2);
    });

    it("are answered once by many at the same time", async () => {
      const { scene, supervisor, held } = await begin();
      const friends = [await scene.agent(), await scene.agent(), await scene.agent()];
      const questionId = await scene.ask(held, { text: "Which?", askedOf: friends });
      const answers = await Promise.all(
        [supervisor, ...friends].map((agentId, n) => caught(scene.answer(held.taskId, questionId, agentId, n))),
      );
      expect(answers.filter((code) => code === "accepted")).toHaveLength(1);
      expect(answers.filter((code) => code === "ALREADY_ANSWERED")).toHaveLength(3);
      expect((await scene.look(held.taskId)).attempt).toBe(2);
    });

    it("that are not there, or of an ended task, are told apart", async () => {
      const { scene, supervisor, held } = await begin();
      expect(await caught(scene.answer(held.taskId, "99", supervisor, 1))).toBe("NOT_FOUND");
      expect(await caught(scene.answer(scene.fresh("t"), "1", supervisor, 1))).toBe("TASK_NOT_FOUND");
      const questionId = await scene.ask(held, { text: "Which?" });
      expect(await caught(scene.answer(held.taskId, questionId, scene.fresh("a"), 1))).toBe("AGENT_NOT_FOUND");
      await scene.store.cancelTask(held.taskId, undefined);
      expect(await caught(scene.answer(held.taskId, questionId, supervisor, 1))).toBe("TASK_ENDED");
    });

    it("complete their messages when they are answered", async () => {
      const { scene, supervisor, held } = await begin();
      const friend = await scene.agent();
      const questionId = await scene.ask(held, { text: "Which?", askedOf: [friend, supervisor] });
      const leased = only(await scene.receive(friend, { types: ["task_question"] }));
      const queued = only(await scene.waiting(supervisor, "task_question"));
      await scene.answer(held.taskId, questionId, friend, "main");
      expect(await scene.status(leased.messageId)).toBe("completed");
      expect(await scene.status(queued.messageId)).toBe("completed");
      expect(await scene.settle(friend, leased, "complete")).toBe("completed");
    });

    it("end with a cancel of their task, at once", async () => {
      const { scene, supervisor, held } = await begin();
      const questionId = await scene.ask(held, { text: "Which?" });
      const message = only(await scene.waiting(supervisor, "task_question"));
      expect(await scene.store.cancelTask(held.taskId, "no need")).toMatchObject({ status: "cancelled" });
      expect((await scene.look(held.taskId)).question).toMatchObject({ questionId, state: "ended" });
      expect(await scene.status(message.messageId)).toBe("completed");
      expect(await openIds(supervisor)).toEqual([]);
      expect(only(await scene.results(supervisor, held.taskId)).payload).toMatchObject({ status: "cancelled" });
    });

    it("take their default when nobody answers in time", async () => {
      const { scene, supervisor, worker, held } = await begin();
      const questionId = await scene.ask(held, { text: "Which?", timeoutSeconds: 60, defaultAnswer: "main" }, "c");
      const { askedAt, expiresAt } = (await scene.look(held.taskId)).question ?? {};
      expect(at(expiresAt) - at(askedAt)).toBe(MINUTE);
      await scene.pass(MINUTE + SECOND);
      const message = only(await scene.receive(worker, { types: ["task_assignment"] }));
      const resume = { reason: "answered", checkpoint: "c", questionId, answer: "main", answeredBy: "system" };
      expect(message.payload).toMatchObject({ attempt: 2, resume });
      expect(await caught(scene.answer(held.taskId, questionId, supervisor, "next"))).toBe("ALREADY_ANSWERED");
      expect((await scene.look(held.taskId)).question).toMatchObject({ state: "timed_out", answeredBy: "system" });
    });

    it("fail their task when nobody answers in time and there is no default", async () => {
      const { scene, supervisor, held } = await begin();
      const dependent = await scene.submit(supervisor, { dependsOn: [held.taskId] });
      const questionId = await scene.ask(held, { text: "Which?", timeoutSeconds: 60 });
      await scene.pass(MINUTE + SECOND);
      expect(await scene.look(held.taskId)).toMatchObject({ status: "failed", error: "QUESTION_TIMEOUT" });
      expect((await scene.look(dependent)).status).toBe("failed");
      expect(await caught(scene.answer(held.taskId, questionId, supervisor, "main"))).toBe("ALREADY_ANSWERED");
    });

    it("wait for ever without a time, and stay when the supervisor deregisters", async () => {
      const { scene, supervisor, held } = await begin();
      const admin = await scene.agent("admin");
      const questionId = await scene.ask(held, { text: "Which?" });
      await scene.store.deregisterAgent(supervisor);
      await scene.pass(300 * DAY);
      expect((await scene.look(held.taskId)).status).toBe("input_required");
      await scene.answer(held.taskId, questionId, admin, "main");
      expect((await scene.look(held.taskId)).attempt).toBe(2);
    });
  });

  describe("gates", () => {
    const stage = useStore(open);
    const GATE = { requiredCapabilities: [], question: { text: "Deploy?" } };

    async function begin() {
      const scene = stage.scene();
      return { scene, supervisor: await scene.supervisor() };
    }

    it("ask at once, and the answer is their result", async () => {
      const { scene, supervisor } = await begin();
      const taskId = await scene.submit(supervisor, GATE);
      const questionId = await scene.openQuestion(taskId);
      expect(questionId).toBe("1");
      expect(await scene.look(taskId)).toMatchObject({ status: "input_required", attempt: 0 });
      expect(only(await scene.waiting(supervisor, "task_question")).payload).toMatchObject({ authoredBy: supervisor });
      const reply = await scene.answer(taskId, questionId, supervisor, { version: 2 });
      expect(reply).toMatchObject({ status: "completed", answeredBy: supervisor });
      expect(await scene.look(taskId)).toMatchObject({ status: "completed", result: { version: 2 }, attempt: 0 });
      expect(only(await scene.results(supervisor, taskId)).payload).toMatchObject({ status: "completed", attempt: 0 });
      expect(await scene.assignments(taskId)).toEqual([]);
    });

    it("fail with an answer that says no, and their dependents with them", async () => {
      const { scene, supervisor } = await begin();
      const taskId = await scene.submit(supervisor, GATE);
      const dependent = await scene.submit(supervisor, { dependsOn: [taskId] });
      await scene.answer(taskId, await scene.openQuestion(taskId), supervisor, "reject", true);
      expect(await scene.look(taskId)).toMatchObject({ status: "failed", error: "REJECTED", result: "reject" });
      expect((await scene.look(dependent)).status).toBe("failed");
    });

    it("wait for what they depend on before they ask, and free what depends on them", async () => {
      const { scene, supervisor } = await begin();
      const worker = await scene.worker(2);
      const first = await scene.assign(supervisor);
      const taskId = await scene.submit(supervisor, { ...GATE, dependsOn: [first.taskId] });
      const after = await scene.submit(supervisor, { dependsOn: [taskId] });
      expect(await scene.look(taskId)).toMatchObject({ status: "blocked", question: { state: "waiting" } });
      expect(await scene.waiting(supervisor, "task_question")).toEqual([]);
      await scene.complete(first);
      const questionId = await scene.openQuestion(taskId);
      expect(await scene.look(taskId)).toMatchObject({ status: "input_required", version: Number(questionId) });
      await scene.answer(taskId, questionId, supervisor, "deploy");
      expect((await scene.held(after)).agentId).toBe(worker);
    });

    it("end without asking when what they depend on fails", async () => {
      const { scene, supervisor } = await begin();
      await scene.worker();
      const first = await scene.assign(supervisor);
      const taskId = await scene.submit(supervisor, { ...GATE, dependsOn: [first.taskId] });
      await scene.fail(first, { retryable: false });
      expect(await scene.look(taskId)).toMatchObject({ status: "failed", question: { state: "ended" } });
      expect(await scene.waiting(supervisor, "task_question")).toEqual([]);
    });

    it.each([
      ["completes", "deploy", "completed", undefined],
      ["rejects", "reject", "failed", "REJECTED"],
    ])("take a default that %s them when nobody answers in time", async (_name, defaultAnswer, status, error) => {
      const { scene, supervisor } = await begin();
      const question = { text: "Deploy?", timeoutSeconds: 60, defaultAnswer };
      const taskId = await scene.submit(supervisor, { ...GATE, question });
      await scene.pass(MINUTE + SECOND);
      const task = await scene.look(taskId);
      expect(task).toMatchObject({ status, result: defaultAnswer, question: { state: "timed_out" } });
      expect(task.error).toBe(error);
    });

    it("are recognised when they are sent again", async () => {
      const { scene, supervisor } = await begin();
      const gate = scene.task(supervisor, { ...GATE, taskId: scene.fresh("t") });
      expect(await scene.store.assignTask(gate)).toMatchObject({ status: "input_required", duplicate: false });
      expect(await scene.store.assignTask(gate)).toMatchObject({ status: "input_required", duplicate: true });
      expect(await scene.waiting(supervisor, "task_question")).toHaveLength(1);
    });

    it("are refused when they ask an agent that is not there", async () => {
      const { scene, supervisor } = await begin();
      const question = { text: "Deploy?", askedOf: [scene.fresh("nobody")] };
      expect(await caught(scene.store.assignTask(scene.task(supervisor, { ...GATE, question })))).toBe(
        "AGENT_NOT_FOUND",
      );
    });
  });

  describe("the time at which a task ends wherever it is", () => {
    const stage = useStore(open);

    async function begin(options = {}, capacity = 1) {
      const scene = stage.scene();
      const supervisor = await scene.supervisor();
      const worker = await scene.worker(capacity);
      const expiresAt = new Date(scene.under.clock.now() + HOUR).toISOString();
      const taskId = await scene.submit(supervisor, { ...options, expiresAt });
      return { scene, supervisor, worker, taskId, expiresAt };
    }

    it("is kept, and ends a task that waits", async () => {
      const { scene, supervisor, taskId, expiresAt } = await begin({}, 0);
      expect(await scene.look(taskId)).toMatchObject({ status: "pending", expiresAt });
      await scene.pass(HOUR + SECOND);
      expect(await scene.look(taskId)).toMatchObject({ status: "failed", error: "EXPIRED", attempt: 0 });
      expect(only(await scene.results(supervisor, taskId)).payload).toMatchObject({
        status: "failed",
        error: "EXPIRED",
      });
    });

    it("ends a running attempt as expired, without a mark against the agent", async () => {
      const { scene, worker, taskId } = await begin({ timeoutSeconds: 7_200 });
      const held = await scene.held(taskId);
      await scene.start(held);
      const before = (await scene.store.getAgent(worker)).performance;
      await scene.pass(HOUR + SECOND);
      expect(await scene.look(taskId)).toMatchObject({ status: "failed", error: "EXPIRED", retriesUsed: 0 });
      expect(only(await scene.assignments(taskId)).outcome).toBe("expired");
      expect(await scene.store.getAgent(worker)).toMatchObject({ activeTasks: 0, performance: before });
      expect(await caught(scene.complete(held))).toBe("LEASE_LOST");
    });

    it("cancels a task whose cancel was requested", async () => {
      const { scene, taskId } = await begin({ timeoutSeconds: 7_200 });
      await scene.start(await scene.held(taskId));
      await scene.store.cancelTask(taskId, "no need");
      await scene.pass(HOUR + SECOND);
      expect(await scene.look(taskId)).toMatchObject({ status: "cancelled", error: "no need" });
    });

    it("ends a question with its task", async () => {
      const { scene, supervisor, taskId } = await begin();
      const questionId = await scene.ask(await scene.held(taskId), { text: "Which?" });
      await scene.pass(HOUR + SECOND);
      expect(await scene.look(taskId)).toMatchObject({
        status: "failed",
        error: "EXPIRED",
        question: { state: "ended" },
      });
      expect(await caught(scene.answer(taskId, questionId, supervisor, 1))).toBe("TASK_ENDED");
    });

    it("ends what is blocked, and what depends on it", async () => {
      const { scene, supervisor, taskId } = await begin({}, 0);
      const dependent = await scene.submit(supervisor, { dependsOn: [taskId] });
      await scene.pass(HOUR + SECOND);
      expect(await scene.look(dependent)).toMatchObject({ status: "failed", error: "DEPENDENCY_FAILED" });
    });

    it.each([
      ["in the past", -SECOND],
      ["over a year away", 367 * DAY],
    ])("is refused %s", async (_name, distance) => {
      const scene = stage.scene();
      const supervisor = await scene.supervisor();
      const expiresAt = new Date(scene.under.clock.now() + distance).toISOString();
      expect(await caught(scene.store.assignTask(scene.task(supervisor, { expiresAt })))).toBe("INVALID_REQUEST");
    });

    it("says nothing about a task that has ended before", async () => {
      const { scene, taskId } = await begin();
      await scene.complete(await scene.held(taskId));
      await scene.pass(2 * HOUR);
      expect((await scene.look(taskId)).status).toBe("completed");
    });
  });
}
