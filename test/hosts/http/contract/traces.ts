import { describe, expect, it } from "@jest/globals";
import type { Api } from "./support.ts";

const TRACE = "4bf92f3577b34da6a3ce929d0e0e4736";
const GIVEN = `00-${TRACE}-00f067aa0ba902b7-01`;

/** The trace that a caller names goes along; where the service has telemetry of its own, in a span of the service. */
const OF_TRACE = expect.stringMatching(new RegExp(`^00-${TRACE}-[0-9a-f]{16}-01$`));

export function traces(api: () => Api): void {
  describe("a traceparent", () => {
    const headers = { traceparent: GIVEN };

    it("comes back with the message that was sent in it", async () => {
      const receiver = await api().register();
      const message = { sender: receiver, receiver, type: "query" };
      const body = { messages: [message, message] };
      await api().ok("POST /messages", {}, { body: message, headers });
      await api().ok("POST /messages/batch", {}, { body, headers });
      const received = await api().receive(receiver, { maxMessages: 5 });
      expect(received).toEqual([1, 2, 3].map(() => expect.objectContaining({ traceparent: OF_TRACE })));
    });

    it("comes back with the task that was assigned in it, its assignment and its result", async () => {
      const [supervisor, skill] = [await api().register("supervisor"), api().id("skill")];
      const worker = await api().register("worker", { capabilities: [skill] });
      const body = { supervisor, taskType: "t", requiredCapabilities: [skill] };
      const { taskId } = await api().ok<{ taskId: string }>("POST /tasks", {}, { body, headers });
      expect(await api().ok("GET /tasks/{taskId}", { taskId })).toMatchObject({ traceparent: OF_TRACE });
      const [assignment] = await api().receive(worker);
      expect(assignment).toMatchObject({ type: "task_assignment", traceparent: OF_TRACE });
      await api().ok("POST /tasks/{taskId}/complete", { taskId }, { body: { agentId: worker, attempt: 1 } });
      expect(await api().receive(supervisor)).toEqual([
        expect.objectContaining({ type: "task_result", traceparent: OF_TRACE }),
      ]);
    });

    it.each(["nonsense", `ff-${TRACE}-00f067aa0ba902b7-01`, `00-${"0".repeat(32)}-00f067aa0ba902b7-01`])(
      "that is none is passed over: %s",
      async (traceparent) => {
        const receiver = await api().register();
        const body = { sender: receiver, receiver, type: "query" };
        await api().ok("POST /messages", {}, { body, headers: { traceparent } });
        expect(JSON.stringify(await api().receive(receiver))).not.toContain(TRACE);
      },
    );
  });
}
