import { describe, expect, it } from "@jest/globals";
import { actingAs } from "../../../src/lib/trace/call-context.ts";
import { type StoreFactory, useStore } from "../store-under-test.ts";
import { at, caught, DAY, HOUR, MINUTE, only, type Scene, SECOND } from "../support.ts";

/** Tasks that suspend themselves until an answer or a time (ARCHITECTURE.md, "Where is it decided?"). */
export function suspensionsContract(open: StoreFactory): void {
  describe("suspending a task", () => {
    const stage = useStore(open);

    async function begin(options = {}, capacity = 1) {
      const scene = stage.scene();
      const supervisor = await scene.supervisor();
      const worker = await scene.worker(capacity);
      const held = await scene.assign(supervisor, options);
      await scene.start(held);
      return { scene, supervisor, worker, held };
    }

    async function lastOutcome(scene: Scene, taskId: string) {
      return (await scene.assignments(taskId)).at(-1)?.outcome;
    }

    it("until a question is answered ends the attempt, frees the slot and hands it to the next task", async () => {
      const { scene, supervisor, worker, held } = await begin();
      const next = await scene.submit(supervisor);
      const reply = await scene.suspend(held, { text: "Which branch?" }, { checkpoint: { step: 2 } });
      expect(reply).toEqual({
        taskId: held.taskId,
        status: "input_required",
        cancelRequested: false,
        questionId: expect.stringMatching(/^\d+$/),
      });
      const task = await scene.look(held.taskId);
      expect(task).toMatchObject({
        status: "input_required",
        attempt: 1,
        retriesUsed: 0,
        checkpoint: { value: { step: 2 } },
      });
      expect(task.assignedTo).toBeUndefined();
      expect(task.deadline).toBeUndefined();
      expect(await lastOutcome(scene, held.taskId)).toBe("suspended");
      expect((await scene.held(next)).agentId).toBe(worker);
      expect(await caught(scene.complete(held))).toBe("LEASE_LOST");
    });

    it("raises the version with every transition, and the question has that of its asking", async () => {
      const { scene, held } = await begin();
      const before = (await scene.look(held.taskId)).version;
      const questionId = await scene.ask(held, { text: "Go on?" });
      const task = await scene.look(held.taskId);
      expect(task.version).toBe(before + 1);
      expect(questionId).toBe(String(task.version));
      expect(task.question).toMatchObject({ questionId, state: "open", askedBy: held.agentId });
    });

    it("wakes with the answer, and the next attempt is told all it needs", async () => {
      const { scene, supervisor, worker, held } = await begin();
      const questionId = await scene.ask(held, { text: "Which branch?" }, { step: 2 });
      const reply = await scene.answer(held.taskId, questionId, supervisor, "main");
      expect(reply).toMatchObject({ taskId: held.taskId, questionId, status: "pending", answeredBy: supervisor });
      const message = only(await scene.receive(worker, { types: ["task_assignment"] }));
      expect(message.payload).toMatchObject({
        taskId: held.taskId,
        attempt: 2,
        resume: { reason: "answered", checkpoint: { step: 2 }, questionId, answer: "main", answeredBy: supervisor },
      });
      expect((await scene.look(held.taskId)).question).toMatchObject({ state: "answered", answeredBy: supervisor });
    });

    it("tells the same to every attempt until the task suspends again", async () => {
      const { scene, supervisor, worker, held } = await begin();
      await scene.answer(held.taskId, await scene.ask(held, { text: "One?" }, 1), supervisor, "first");
      const second = await scene.held(held.taskId);
      await scene.fail(second);
      await scene.pass(HOUR);
      const third = only(await scene.receive(worker, { types: ["task_assignment"] }));
      expect(third.payload).toMatchObject({
        attempt: 3,
        resume: { reason: "answered", checkpoint: 1, answer: "first" },
      });
      const again = await scene.held(held.taskId);
      await scene.answer(held.taskId, await scene.ask(again, { text: "Two?" }), supervisor, "second");
      const fourth = only(await scene.receive(worker, { types: ["task_assignment"] }));
      expect(fourth.payload).toMatchObject({ attempt: 4, resume: { reason: "answered", answer: "second" } });
      expect(fourth.payload).not.toHaveProperty("resume.checkpoint");
    });

    it("until a time waits for that time, and wakes with it", async () => {
      const { scene, worker, held } = await begin();
      const until = scene.under.clock.now() + HOUR;
      const reply = await scene.suspend(held, { at: until }, { checkpoint: "later" });
      expect(reply).toMatchObject({ status: "pending" });
      expect(at(reply.availableAt)).toBe(until);
      await scene.pass(HOUR - MINUTE);
      expect(await scene.look(held.taskId)).toMatchObject({ status: "pending", attempt: 1 });
      await scene.pass(MINUTE);
      const message = only(await scene.receive(worker, { types: ["task_assignment"] }));
      expect(message.payload).toMatchObject({ attempt: 2, resume: { reason: "time", checkpoint: "later" } });
      expect(message.payload).not.toHaveProperty("resume.answer");
    });

    it.each([
      ["9 seconds away", 9 * SECOND],
      ["in the past", -DAY],
      ["over a year away", 367 * DAY],
    ])("refuses a time that is %s, and changes nothing", async (_name, distance) => {
      const { scene, held } = await begin();
      const before = await scene.look(held.taskId);
      const until = scene.under.clock.now() + distance;
      expect(await caught(scene.suspend(held, { at: until }))).toBe("INVALID_REQUEST");
      expect(await scene.look(held.taskId)).toEqual(before);
    });

    it("answers a repeat as the first time, also when the task has moved on since", async () => {
      const { scene, supervisor, held } = await begin();
      const question = { text: "Go on?" };
      const first = await scene.suspend(held, question);
      expect(await scene.suspend(held, question)).toEqual(first);
      await scene.answer(held.taskId, first.questionId ?? "", supervisor, true);
      expect(await scene.suspend(held, question)).toEqual(first);
      expect((await scene.look(held.taskId)).status).toBe("assigned");
    });

    it("refuses another request for an attempt that is suspended", async () => {
      const { scene, held } = await begin();
      await scene.suspend(held, { text: "Go on?" });
      expect(await caught(scene.suspend(held, { text: "Stop?" }))).toBe("IDEMPOTENCY_MISMATCH");
      expect(await caught(scene.fail(held))).toBe("LEASE_LOST");
    });

    it("is refused to an attempt that is not the current one", async () => {
      const { scene, supervisor, held } = await begin();
      const other = await scene.worker();
      expect(await caught(scene.suspend({ ...held, agentId: other }, { text: "Go on?" }))).toBe("LEASE_LOST");
      expect(await caught(scene.suspend({ ...held, attempt: 2 }, { text: "Go on?" }))).toBe("LEASE_LOST");
      expect(await caught(scene.suspend({ ...held, taskId: scene.fresh("t") }, { text: "?" }))).toBe("TASK_NOT_FOUND");
      expect(await caught(scene.suspend({ ...held, agentId: scene.fresh("a") }, { text: "?" }))).toBe(
        "AGENT_NOT_FOUND",
      );
      await scene.complete(held);
      expect(await caught(scene.suspend(held, { text: "Go on?" }))).toBe("LEASE_LOST");
      expect(await scene.waiting(supervisor, "task_question")).toEqual([]);
    });

    it("uses no retry, begins the retries anew and counts neither as completed nor as failed", async () => {
      const { scene, supervisor, worker, held } = await begin({ maxRetries: 1 });
      await scene.fail(held);
      await scene.pass(HOUR);
      const second = await scene.held(held.taskId);
      expect((await scene.look(held.taskId)).retriesUsed).toBe(1);
      const before = (await scene.store.getAgent(worker)).performance;
      const questionId = await scene.ask(second, { text: "Go on?" });
      expect((await scene.look(held.taskId)).retriesUsed).toBe(0);
      expect((await scene.store.getAgent(worker)).performance).toEqual(before);
      await scene.answer(held.taskId, questionId, supervisor, "yes");
      await scene.fail(await scene.held(held.taskId));
      expect((await scene.look(held.taskId)).status).toBe("pending");
    });

    it("keeps percent and note for the next attempt", async () => {
      const { scene, held } = await begin();
      await scene.progress(held, { percent: 60, note: "Half of the files" });
      await scene.ask(held, { text: "Go on?" });
      expect(await scene.look(held.taskId)).toMatchObject({ percent: 60, note: "Half of the files" });
    });

    it("prefers the agent that suspended, though another has less to do", async () => {
      const { scene, supervisor, worker, held } = await begin({}, 3);
      await scene.assign(supervisor);
      await scene.worker(10);
      const questionId = await scene.ask(held, { text: "Go on?" });
      await scene.answer(held.taskId, questionId, supervisor, "yes");
      expect(await scene.held(held.taskId)).toMatchObject({ agentId: worker, attempt: 2 });
      const { considered, policy } = (await scene.assignments(held.taskId)).at(-1) ?? {};
      expect(considered?.[0]).toMatchObject({ agentId: worker, suspendedLastAttempt: true, endedLastAttempt: false });
      expect(policy).toMatch(/^the agent that suspended the task;/);
    });

    it("goes to another agent when the one that suspended has no room", async () => {
      const { scene, supervisor, worker, held } = await begin();
      const questionId = await scene.ask(held, { text: "Go on?" });
      await scene.assign(supervisor, { requiredCapabilities: [scene.skill] });
      const other = await scene.worker();
      await scene.answer(held.taskId, questionId, supervisor, "yes");
      expect((await scene.store.getAgent(worker)).activeTasks).toBe(1);
      expect((await scene.held(held.taskId)).agentId).toBe(other);
    });

    it("keeps its old rank: what came in between waits behind it", async () => {
      const { scene, supervisor, held } = await begin();
      const questionId = await scene.ask(held, { text: "Go on?" });
      const busy = await scene.assign(supervisor);
      const later = await scene.submit(supervisor);
      await scene.answer(held.taskId, questionId, supervisor, "yes");
      await scene.complete(busy);
      expect((await scene.held(held.taskId)).attempt).toBe(2);
      expect((await scene.look(later)).status).toBe("pending");
    });

    it("ends a task whose cancel was requested, and asks nothing", async () => {
      const { scene, supervisor, held } = await begin();
      await scene.store.cancelTask(held.taskId, "no need");
      const question = { text: "Go on?" };
      const reply = await scene.suspend(held, question);
      expect(reply).toEqual({ taskId: held.taskId, status: "cancelled", cancelRequested: true });
      expect(await scene.suspend(held, question)).toEqual(reply);
      expect(await scene.look(held.taskId)).toMatchObject({ status: "cancelled", error: "no need" });
      expect((await scene.look(held.taskId)).question).toBeUndefined();
      expect(await scene.waiting(supervisor, "task_question")).toEqual([]);
      expect(await lastOutcome(scene, held.taskId)).toBe("cancelled");
    });

    it("costs a retry past 100 suspensions without an answer, and fails the task when none is left", async () => {
      const { scene, supervisor, held } = await begin({ maxRetries: 1 });
      const wake = async () => {
        const task = await scene.held(held.taskId);
        const reply = await scene.suspend(task, { at: scene.under.clock.now() + MINUTE });
        if (reply.status === "pending") await scene.pass(MINUTE + SECOND);
        return reply.status;
      };
      for (let n = 0; n < 100; n++) expect(await wake()).toBe("pending");
      expect((await scene.look(held.taskId)).retriesUsed).toBe(0);
      expect(await wake()).toBe("pending");
      expect((await scene.look(held.taskId)).retriesUsed).toBe(1);
      // An answer begins the count anew.
      const questionId = await scene
        .ask({ ...(await scene.held(held.taskId)) }, { text: "Still?" })
        .catch(() => undefined);
      expect(questionId).toBeUndefined();
      expect(await scene.look(held.taskId)).toMatchObject({ status: "failed", error: "SUSPENSIONS_EXHAUSTED" });
      expect(only(await scene.results(supervisor, held.taskId)).payload).toMatchObject({ status: "failed" });
    }, 60_000);

    it("is written in the history and in the audit with the agent", async () => {
      const { scene, supervisor, held } = await begin();
      const questionId = await scene.ask(held, { text: "Go on?" });
      await actingAs({ actor: supervisor, credential: "token" }, () =>
        scene.answer(held.taskId, questionId, supervisor, "yes"),
      );
      const { items } = await scene.store.getTaskHistory(held.taskId, { limit: 10 });
      expect(items.map(({ event }) => event)).toEqual([
        "assigned",
        "answered",
        "asked",
        "suspended",
        "started",
        "assigned",
        "created",
      ]);
      const audit = await scene.store.listAudit({ limit: 10, subjectKind: "task", subjectId: held.taskId });
      expect(audit.items.map(({ action }) => action)).toEqual(items.map(({ event }) => `task.${event}`));
      expect(audit.items.find(({ action }) => action === "task.answered")?.actor).toBe(supervisor);
    });

    it("lets the task run to its end", async () => {
      const { scene, supervisor, held } = await begin();
      await scene.answer(held.taskId, await scene.ask(held, { text: "Go on?" }, 1), supervisor, "yes");
      await scene.complete(await scene.held(held.taskId), { done: true });
      const message = only(await scene.results(supervisor, held.taskId));
      const { version } = await scene.look(held.taskId);
      expect(message.payload).toMatchObject({ status: "completed", attempt: 2, result: { done: true }, version });
    });
  });
}
