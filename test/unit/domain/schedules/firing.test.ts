import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { OffsetClock } from "../../../../src/lib/model/clock.ts";
import type { PutScheduleInput } from "../../../../src/lib/model/schedule.ts";
import type { Services } from "../../../../src/lib/services.ts";
import { EncryptedServices } from "../../../support/encrypted-services.ts";

/** A clock that stands still unless a test moves it. */
class StillClock extends OffsetClock {
  time = Date.parse("2026-03-27T00:00:00Z");
  override now(): number {
    return this.time;
  }
  /** Moves to a time of that day, or an instant. */
  to(text: string): void {
    this.time = Date.parse(text);
  }
}

const MINUTE = 60_000;

describe("firing schedules", () => {
  let clock: StillClock;
  let opened: EncryptedServices;
  let services: Services;

  beforeEach(async () => {
    clock = new StillClock();
    opened = await EncryptedServices.start({}, clock);
    services = opened.services;
    await services.registry.register({ agentId: "lead", role: "supervisor" });
    await services.registry.register({ agentId: "hand", role: "worker", capabilities: ["x"], maxConcurrentTasks: 100 });
  });
  afterEach(() => opened.stop());

  const put = (more: Partial<PutScheduleInput> = {}) =>
    services.schedules.put("s", {
      supervisor: "lead",
      cron: "0 3 * * *",
      ...("workflow" in more ? {} : { task: { taskType: "backup", requiredCapabilities: ["x"] } }),
      ...more,
    });
  const fire = () => services.firing.fireDue();
  const firings = async () =>
    (await services.schedules.get("s")).firings.map(({ dueAt, outcome, taskId, workflowId, status, error }) =>
      [dueAt?.slice(0, 16), outcome, taskId ?? workflowId, status ?? error].join(" ").trim(),
    );
  const complete = async (taskId: string) => services.coordinator.complete(taskId, { agentId: "hand", attempt: 1 });

  it("creates a task at its due time, under the id of that time, once", async () => {
    expect((await put()).schedule.nextDueAt).toBe("2026-03-27T03:00:00.000Z");
    clock.to("2026-03-27T02:59:59.999Z");
    expect(await fire()).toEqual({ schedulesFired: 0, schedulesSkipped: 0, schedulesRefused: 0 });
    clock.to("2026-03-27T03:00:00Z");
    expect(await fire()).toMatchObject({ schedulesFired: 1 });
    expect(await fire()).toMatchObject({ schedulesFired: 0 });
    expect(await services.coordinator.get("schedule:s:20260327T030000Z")).toMatchObject({
      taskType: "backup",
      supervisor: "lead",
      assignedTo: "hand",
      timeoutSeconds: services.config.defaultTimeoutSeconds,
    });
    expect(await services.schedules.get("s")).toMatchObject({ nextDueAt: "2026-03-28T03:00:00.000Z" });
    expect(await firings()).toEqual(["2026-03-27T03:00 created schedule:s:20260327T030000Z assigned"]);
    await complete("schedule:s:20260327T030000Z");
    expect(await firings()).toEqual(["2026-03-27T03:00 created schedule:s:20260327T030000Z completed"]);
  });

  it("creates workflows, whose end is one message", async () => {
    const tasks = [
      { ref: "a", taskType: "one", requiredCapabilities: ["x"] },
      { ref: "b", taskType: "two", requiredCapabilities: ["x"], dependsOn: ["a"] },
    ];
    await put({ workflow: { tasks } });
    clock.to("2026-03-27T03:00:05Z");
    await fire();
    expect(await services.workflows.get("schedule:s:20260327T030000Z")).toMatchObject({
      status: "running",
      notify: "end",
      tasks: [
        { ref: "a", status: "assigned" },
        { ref: "b", status: "blocked" },
      ],
    });
    expect(await firings()).toEqual(["2026-03-27T03:00 created schedule:s:20260327T030000Z running"]);
  });

  it("fires once for all that an outage of more than a minute has missed, at the newest; within a minute each", async () => {
    await put({ cron: "* * * * *" });
    clock.to("2026-03-27T00:01:59Z");
    await fire();
    clock.to("2026-03-27T05:30:40Z");
    await fire();
    clock.to("2026-03-27T05:31:40Z");
    await fire();
    expect((await firings()).map((line) => line.slice(0, 24))).toEqual([
      "2026-03-27T05:31 created",
      "2026-03-27T05:30 created",
      "2026-03-27T00:01 created",
    ]);
    expect(await services.schedules.get("s")).toMatchObject({ nextDueAt: "2026-03-27T05:32:00.000Z" });
  });

  it("knows the hours of a clock change: one left out comes at its end, one that is repeated once", async () => {
    await put({ cron: "30 2 * * *", timezone: "Europe/Berlin" });
    for (const day of ["2026-03-28", "2026-03-29", "2026-03-30", "2026-10-24", "2026-10-25", "2026-10-26"]) {
      clock.to(`${day}T12:00:00Z`);
      await fire();
    }
    expect((await firings()).map((line) => line.slice(0, 16)).reverse()).toEqual([
      "2026-03-28T01:30",
      "2026-03-29T01:00",
      "2026-03-30T00:30",
      "2026-10-24T00:30",
      "2026-10-25T00:30",
      "2026-10-26T01:30",
    ]);
  });

  it("skips while what was created last is open, also when ten skips lie between", async () => {
    await put({ cron: "* * * * *", overlap: "skip" });
    for (let minute = 1; minute <= 13; minute += 1) {
      clock.time += MINUTE;
      await fire();
    }
    const lines = await firings();
    expect(lines).toHaveLength(10);
    expect(lines.every((line) => line.endsWith("skipped"))).toBe(true);
    await complete("schedule:s:20260327T000100Z");
    clock.time += MINUTE;
    expect(await fire()).toMatchObject({ schedulesFired: 1 });
  });

  it("is disabled by the third refusal in a row, and says why; a firing in between counts anew", async () => {
    await put({ cron: "* * * * *" });
    const minute = async () => {
      clock.time += MINUTE;
      return fire();
    };
    const asRole = (role: "worker" | "supervisor") => services.registry.register({ agentId: "lead", role });
    await asRole("worker");
    await minute();
    await minute();
    await asRole("supervisor");
    expect(await minute()).toMatchObject({ schedulesFired: 1 });
    await services.registry.deregister("lead");
    await minute();
    await minute();
    expect(await services.schedules.get("s")).toMatchObject({ enabled: true, refusals: 2 });
    expect(await minute()).toMatchObject({ schedulesRefused: 1 });
    const { enabled, nextDueAt, firings: kept } = await services.schedules.get("s");
    expect([enabled, nextDueAt]).toEqual([false, undefined]);
    expect(kept.map(({ outcome, error }) => [outcome, error?.split(":")[0]])).toEqual([
      ["refused", "AGENT_DEREGISTERED"],
      ["refused", "AGENT_DEREGISTERED"],
      ["refused", "AGENT_DEREGISTERED"],
      ["created", undefined],
      ["refused", "FORBIDDEN"],
      ["refused", "FORBIDDEN"],
    ]);
    expect(await minute()).toMatchObject({ schedulesRefused: 0 });
    const { entries } = await services.audit.list({ action: "schedule.disabled" });
    expect(entries).toMatchObject([{ subjectId: "s", actor: "system", detail: { refusals: 3 } }]);
    await asRole("supervisor");
    expect((await put({ cron: "* * * * *" })).schedule).toMatchObject({ enabled: true, refusals: 0 });
    expect(await minute()).toMatchObject({ schedulesFired: 1 });
  });

  it("is no sign of life of its supervisor", async () => {
    await put({ cron: "* * * * *" });
    const before = (await services.registry.get("lead")).lastHeartbeatAt;
    clock.time += 10 * MINUTE;
    await fire();
    expect((await services.registry.get("lead")).lastHeartbeatAt).toBe(before);
  });

  it("is planned anew when the clock that planned it was ahead", async () => {
    clock.to("2027-01-01T12:00:00Z");
    await put();
    clock.to("2026-03-27T12:00:00Z");
    await fire();
    expect(await services.schedules.get("s")).toMatchObject({ nextDueAt: "2026-03-28T03:00:00.000Z", firings: [] });
    clock.to("2026-03-28T03:00:00Z");
    expect(await fire()).toMatchObject({ schedulesFired: 1 });
  });

  it("is not fired a second time by a clock that goes back to before", async () => {
    await put();
    clock.to("2026-03-27T03:00:00Z");
    await fire();
    clock.to("2026-03-27T01:00:00Z");
    await put({ cron: "0 3 * * *", timezone: "Etc/UTC" });
    clock.to("2026-03-27T03:00:00Z");
    expect(await fire()).toMatchObject({ schedulesFired: 0, schedulesRefused: 1 });
    expect((await firings())[0]).toMatch(/^2026-03-27T03:00 refused {2}ID_TAKEN/);
  });

  it("is triggered at any time, once for each key, enabled or not", async () => {
    await put({ enabled: false });
    const first = await services.schedules.trigger("s", { idempotencyKey: "k1" });
    expect(first).toMatchObject({ taskId: expect.stringMatching(/^schedule:s:trigger-.{20}$/), status: "assigned" });
    expect(await services.schedules.trigger("s", { idempotencyKey: "k1" })).toEqual(first);
    const [a, b] = await Promise.all([services.schedules.trigger("s"), services.schedules.trigger("s")]);
    expect(new Set([first.taskId, a.taskId, b.taskId]).size).toBe(3);
    expect(await firings()).toHaveLength(3);
    await services.registry.deregister("lead");
    await expect(services.schedules.trigger("s")).rejects.toMatchObject({ code: "AGENT_DEREGISTERED" });
    await expect(services.schedules.trigger("none")).rejects.toMatchObject({ code: "NOT_FOUND" });
    expect(await firings()).toHaveLength(3);
  });

  it("keeps sensitive contents encrypted, re-encrypts them, and refuses to fire what it cannot read", async () => {
    const secret = "a-secret-of-the-night";
    await put({ task: { taskType: "backup", sensitive: true, parameters: { secret }, requiredCapabilities: ["x"] } });
    expect(await opened.holds(secret)).toBe(false);
    expect(await services.schedules.get("s")).toMatchObject({ sensitive: true, task: { parameters: { secret } } });
    const { keyVersion } = await services.keyRotation.rotate({ newVersion: true });
    expect(opened.rows("SELECT key_version FROM schedules")).toEqual([{ key_version: keyVersion }]);
    clock.to("2026-03-27T03:00:00Z");
    await fire();
    expect(await services.coordinator.get("schedule:s:20260327T030000Z")).toMatchObject({
      sensitive: true,
      parameters: { secret },
    });
    expect(await opened.holds(secret)).toBe(false);
    opened.tamper("UPDATE schedules SET contents = replace(contents, substr(contents, -9, 4), 'AAAA')");
    expect(await services.schedules.get("s")).toMatchObject({ undecryptable: true });
    clock.to("2026-03-28T03:00:00Z");
    expect(await fire()).toMatchObject({ schedulesRefused: 1 });
  });

  it.each<[string, Partial<PutScheduleInput>, string, string]>([
    ["a cron that is never due", { cron: "0 0 31 2 *" }, "INVALID_REQUEST", "cron"],
    ["a time zone that does not exist", { timezone: "Europe/Berlim" }, "INVALID_REQUEST", "timezone"],
    [
      "a workflow and a task",
      { task: { taskType: "a" }, workflow: { tasks: [{ ref: "a", taskType: "a" }] } },
      "INVALID_REQUEST",
      "task",
    ],
    [
      "a cycle",
      {
        workflow: {
          tasks: [
            { ref: "a", taskType: "a", dependsOn: ["b"] },
            { ref: "b", taskType: "a", dependsOn: ["a"] },
          ],
        },
      },
      "DEPENDENCY_INVALID",
      "",
    ],
  ])("refuses %s when it is put", async (_says, more, code, path) => {
    const refusal = await put(more).catch((error: unknown) => error);
    expect(refusal).toMatchObject({ code, ...(path === "" ? {} : { errors: [expect.objectContaining({ path })] }) });
  });

  it("keeps ids that begin so for itself", async () => {
    const task = { supervisor: "lead", taskType: "x" };
    const refused = { code: "INVALID_REQUEST", errors: [{ message: expect.stringContaining("schedule:") }] };
    await expect(services.coordinator.assign({ ...task, taskId: "schedule:a:b" })).rejects.toMatchObject(refused);
    const tasks = [{ ref: "a", taskType: "x" }];
    const workflow = { supervisor: "lead", workflowId: "schedule:a", tasks };
    await expect(services.workflows.create(workflow)).rejects.toMatchObject(refused);
    const inside = { supervisor: "lead", tasks: [{ ref: "a", taskType: "x", taskId: "schedule:a" }] };
    await expect(services.workflows.create(inside)).rejects.toMatchObject(refused);
  });
});
