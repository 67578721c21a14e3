import { describe, expect, it } from "@jest/globals";
import { type Api, expectProblem } from "./support.ts";

export function scheduleRoutes(api: () => Api): void {
  describe("schedules", () => {
    it("are put, listed, read, triggered and deleted", async () => {
      const capability = api().id("cap");
      const supervisor = await api().register("supervisor");
      const worker = await api().register("worker", { capabilities: [capability] });
      const scheduleId = api().id("schedule");
      const task = { taskType: "backup", requiredCapabilities: [capability] };
      const body = { supervisor, cron: "0 3 * * *", timezone: "Europe/Berlin", overlap: "skip", task };
      const created = await api().call("PUT /schedules/{scheduleId}", { scheduleId }, { body });
      expect(created).toMatchObject({ status: 201, json: { scheduleId, enabled: true, firings: [] } });
      const again = await api().call("PUT /schedules/{scheduleId}", { scheduleId }, { body });
      expect(again).toMatchObject({
        status: 200,
        json: { scheduleId, nextDueAt: expect.stringMatching(/T0[12]:00:00/) },
      });
      const { schedules } = await api().ok<{ schedules: object[] }>(
        "GET /schedules",
        {},
        { query: `supervisor=${supervisor}` },
      );
      expect(schedules).toMatchObject([{ scheduleId, creates: "task", cron: "0 3 * * *" }]);
      const headers = { "idempotency-key": scheduleId };
      const trigger = () =>
        api().ok<{ taskId: string }>("POST /schedules/{scheduleId}/trigger", { scheduleId }, { headers });
      const { taskId } = await trigger();
      expect(await trigger()).toMatchObject({ taskId });
      expect(await api().ok("GET /tasks/{taskId}", { taskId })).toMatchObject({ assignedTo: worker, supervisor });
      expect(await api().ok("GET /schedules/{scheduleId}", { scheduleId })).toMatchObject({
        task: { ...task, priority: "normal" },
        firings: [{ outcome: "created", taskId, status: "assigned" }],
      });
      expect(await api().ok("DELETE /schedules/{scheduleId}", { scheduleId })).toEqual({ scheduleId });
      expectProblem(await api().call("DELETE /schedules/{scheduleId}", { scheduleId }), "NOT_FOUND");
      expectProblem(await api().call("GET /schedules/{scheduleId}", { scheduleId }), "NOT_FOUND");
      expectProblem(await api().call("POST /schedules/{scheduleId}/trigger", { scheduleId }), "NOT_FOUND");
    });

    it("say which field is wrong", async () => {
      const supervisor = await api().register("supervisor");
      const scheduleId = api().id("schedule");
      const refuse = async (more: object, path: string) => {
        const body = { supervisor, cron: "0 3 * * *", task: { taskType: "a" }, ...more };
        const reply = await api().call("PUT /schedules/{scheduleId}", { scheduleId }, { body });
        expectProblem(reply, "INVALID_REQUEST");
        expect(JSON.stringify(reply.json)).toContain(`"path":"${path}"`);
      };
      await refuse({ cron: "0 0 31 2 *" }, "cron");
      await refuse({ cron: "@daily" }, "cron");
      await refuse({ timezone: "Europe/Berlim" }, "timezone");
      await refuse({ task: undefined }, "task");
      await refuse({ workflow: { tasks: [{ ref: "a", taskType: "a" }] } }, "task");
      await refuse({ task: { taskType: "a", taskId: "mine" } }, "task");
      const own = { supervisor, taskType: "a", taskId: "schedule:a:20260101T000000Z" };
      const reply = await api().call("POST /tasks", {}, { body: own });
      expectProblem(reply, "INVALID_REQUEST");
      expect(JSON.stringify(reply.json)).toContain("must not begin with schedule:");
    });
  });
}
