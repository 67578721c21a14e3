import { describe, expect, it } from "@jest/globals";
import { type Api, expectProblem } from "./support.ts";

/** Sensitive contents over HTTP. A service that this runs against needs a key: docs/encryption.md. */
export function sensitiveContents(api: () => Api): void {
  describe("sensitive contents", () => {
    it("are plain to their readers, and say so, in messages of their own and of the service", async () => {
      const [supervisor, worker] = [await api().register("supervisor"), await api().register("worker")];
      const messageId = await api().message(supervisor, worker, { payload: { pin: 1234 }, sensitive: true });
      const [leased] = await api().receive(worker);
      expect(leased).toMatchObject({ messageId, payload: { pin: 1234 }, sensitive: true });
      expect(await api().ok("GET /messages/{messageId}", { messageId })).toMatchObject({ payload: { pin: 1234 } });
      const taskId = api().id("task");
      const task = { taskId, supervisor, taskType: "work", assignTo: worker, parameters: [1], sensitive: true };
      expect(await api().ok("POST /tasks", {}, { body: task })).toMatchObject({ status: "assigned" });
      const [assignment] = await api().receive(worker);
      expect(assignment).toMatchObject({ payload: { taskId, parameters: [1], sensitive: true }, sensitive: true });
      const completion = { agentId: worker, attempt: 1, result: "done" };
      await api().ok("POST /tasks/{taskId}/complete", { taskId }, { body: completion });
      const read = await api().ok("GET /tasks/{taskId}", { taskId });
      expect(read).toMatchObject({ parameters: [1], result: "done", sensitive: true });
      const [result] = await api().receive(supervisor);
      expect(result).toMatchObject({ type: "task_result", payload: { taskId, result: "done", sensitive: true } });
      for (const seen of [leased, assignment, read, result])
        expect(JSON.stringify(seen)).not.toMatch(/keyVersion|e1\./);
    });

    it("are marked in each message of a batch by itself", async () => {
      const agentId = await api().register();
      const message = { sender: agentId, receiver: agentId, type: "query", payload: "p" };
      const messages = [message, { ...message, sensitive: true }, { ...message, sensitive: false }];
      await api().ok("POST /messages/batch", {}, { body: { messages } });
      const received = await api().receive(agentId, { maxMessages: 3 });
      expect(received.map((one) => [one.payload, "sensitive" in one])).toEqual([
        ["p", false],
        ["p", true],
        ["p", false],
      ]);
    });

    it("are recognised when they are sent again, and are marked with true or false only", async () => {
      const agentId = await api().register();
      const message = { messageId: api().id("m"), sender: agentId, receiver: agentId, type: "query", sensitive: true };
      const send = (body: object) => api().call("POST /messages", {}, { body });
      expect((await send(message)).json).toMatchObject({ duplicate: false });
      expect((await send(message)).json).toMatchObject({ duplicate: true });
      expectProblem(await send({ ...message, payload: 1 }), "IDEMPOTENCY_MISMATCH");
      expectProblem(await send({ ...message, messageId: api().id("m"), sensitive: "yes" }), "INVALID_REQUEST");
    });

    it("are not what a mark of false makes: that is the same request as one without a mark", async () => {
      const agentId = await api().register("supervisor");
      const message = { messageId: api().id("m"), sender: agentId, receiver: agentId, type: "query" };
      const send = (body: object) => api().call("POST /messages", {}, { body });
      expect((await send({ ...message, sensitive: false })).json).toMatchObject({ duplicate: false });
      expect((await send(message)).json).toMatchObject({ duplicate: true });
      expectProblem(await send({ ...message, sensitive: true }), "IDEMPOTENCY_MISMATCH");
      const requiredCapabilities = [api().id("rare")];
      const task = { taskId: api().id("t"), supervisor: agentId, taskType: "work", requiredCapabilities };
      const assign = (body: object) => api().call("POST /tasks", {}, { body });
      expect((await assign(task)).json).toMatchObject({ taskId: task.taskId });
      expect((await assign({ ...task, sensitive: false })).json).toMatchObject({ taskId: task.taskId });
      expectProblem(await assign({ ...task, sensitive: true }), "IDEMPOTENCY_MISMATCH");
    });

    it("are encrypted again, call by call, until nothing is left", async () => {
      const agentId = await api().register();
      await api().message(agentId, agentId, { sensitive: true });
      let cursor: string | null | undefined;
      for (let calls = 0; cursor !== null && calls < 100; calls++) {
        const body = cursor === undefined ? {} : { cursor };
        ({ nextCursor: cursor } = await api().ok<{ nextCursor: string | null }>("POST /keys/rotate", {}, { body }));
      }
      expect(cursor).toBeNull();
      expectProblem(await api().call("POST /keys/rotate", {}, { body: { cursor: "x" } }), "INVALID_REQUEST");
    });
  });
}
