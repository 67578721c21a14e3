import { rmSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { readConfig } from "../../../src/lib/config/config.ts";
import { OffsetClock } from "../../../src/lib/model/clock.ts";
import { createServices, type Services } from "../../../src/lib/services.ts";
import { openStore } from "../../../src/lib/store/open-store.ts";
import { type LogFields, lineLog } from "../../../src/lib/trace/log.ts";
import { DueTasks } from "../../../src/local/due-tasks.ts";
import { until } from "../../support/poll.ts";
import { temporaryFolder } from "../http/local-host.ts";

/** A clock that stands still, and whose timers fire when the test says so. */
class HandClock extends OffsetClock {
  planned: { at: number; callback: () => void }[] = [];
  override now(): number {
    return Date.UTC(2026, 0, 1) + this.offset;
  }
  override readonly after = (milliseconds: number, callback: () => void) => {
    const timer = { at: this.now() + milliseconds, callback };
    this.planned.push(timer);
    return () => {
      this.planned = this.planned.filter((other) => other !== timer);
    };
  };
}

let folder: string;
let clock: HandClock;
let services: Services;
let lines: LogFields[];
let dueTasks: DueTasks;
let looks: number;

beforeEach(async () => {
  folder = temporaryFolder();
  clock = new HandClock();
  const config = readConfig({ AGENT_MOCK_DATABASE: join(folder, "agents.db") });
  services = createServices({ config, clock, store: await openStore(config, clock) });
  const { store } = services;
  const { nextTaskDue } = store;
  looks = 0;
  store.nextTaskDue = async (after) => {
    const due = await nextTaskDue(after);
    looks += 1;
    return due;
  };
  lines = [];
  const log = lineLog((line) => lines.push(JSON.parse(line)));
  dueTasks = new DueTasks(services, log);
  await services.registry.register({ agentId: "lead", role: "supervisor" });
  await services.registry.register({ agentId: "hand", role: "worker", maxConcurrentTasks: 10 });
});

afterEach(async () => {
  await dueTasks.stop();
  services.messages.close();
  await services.store.close();
  rmSync(folder, { recursive: true, force: true });
});

const hand = (attempt: number) => ({ agentId: "hand", attempt });

/** Moves time to the one planned timer, fires it, and waits until the work that it began has planned the next, or nothing. */
async function fire(planned = 1): Promise<void> {
  const [timer] = clock.planned.splice(0);
  if (timer === undefined) throw new Error("nothing is planned");
  const before = looks;
  clock.advance(Math.max(0, timer.at - clock.now()));
  timer.callback();
  await until("the look", () => looks > before);
  await until("what follows from it", () => clock.planned.length === planned);
}

const statusOf = async (taskId: string) => (await services.coordinator.get(taskId)).status;
const assign = (taskId: string, options = {}) =>
  services.coordinator.assign({ taskId, supervisor: "lead", taskType: "test", ...options });

describe("a task that waits for a time", () => {
  it("is handed out when its backoff has ended", async () => {
    await assign("t");
    expect(clock.planned).toEqual([]);
    await services.coordinator.fail("t", { ...hand(1), error: "no" });
    const { availableAt } = await services.coordinator.get("t");
    await fire();
    expect(clock.planned[0]?.at).toBe(Date.parse(availableAt) + 2);
    expect(await statusOf("t")).toBe("pending");
    await fire();
    expect(await services.coordinator.get("t")).toMatchObject({ status: "assigned", attempt: 2 });
    expect(lines.at(-1)).toMatchObject({ event: "sweep", tasksAssigned: 1 });
    // The look after the sweep finds nothing more.
    await fire(0);
  });

  it("goes on at the time until which it was suspended, the nearest first", async () => {
    for (const [taskId, minutes] of [
      ["late", 30],
      ["soon", 10],
    ] as const) {
      await assign(taskId);
      const until = { at: new Date(clock.now() + minutes * 60_000).toISOString() };
      await services.questions.suspend(taskId, { ...hand(1), until });
    }
    const start = clock.now();
    await fire();
    await fire();
    expect(clock.now() - start).toBe(600_002);
    expect([await statusOf("soon"), await statusOf("late")]).toEqual(["assigned", "pending"]);
    await fire();
    await fire();
    expect(clock.now() - start).toBe(1_800_002);
    expect(await statusOf("late")).toBe("assigned");
  });

  it("ends when it expires, and takes the default answer when its question's time is over", async () => {
    await assign("gate", { question: { text: "Go?", timeoutSeconds: 60, defaultAnswer: "yes" } });
    await assign("short", { expiresAt: new Date(clock.now() + 30_000).toISOString() });
    await fire();
    await fire();
    expect(await statusOf("short")).toBe("failed");
    await fire();
    await fire();
    expect(await services.coordinator.get("gate")).toMatchObject({ status: "completed", result: "yes" });
  });

  it("in a workflow as well", async () => {
    const expiresAt = new Date(clock.now() + 30_000).toISOString();
    await services.workflows.create({ supervisor: "lead", tasks: [{ ref: "a", taskType: "test", expiresAt }] });
    await fire();
    expect(clock.planned[0]?.at).toBe(Date.parse(expiresAt) + 2);
  });

  it("is not asked about for what waits for a worker, or ends", async () => {
    await assign("t");
    await services.coordinator.start("t", hand(1));
    await services.coordinator.progress("t", { ...hand(1), percent: 5 });
    await services.coordinator.complete("t", hand(1));
    await assign("waits", { requiredCapabilities: ["nobody-has-it"] });
    expect(clock.planned).toEqual([]);
  });

  it("of another process is found after each sweep", async () => {
    await assign("t");
    await services.store.failTask("t", { ...hand(1), error: "no", retryable: true });
    expect(clock.planned).toEqual([]);
    dueTasks.swept(clock.now());
    await fire();
    await fire();
    expect(await statusOf("t")).toBe("assigned");
  });

  it("that nobody takes is not looked at again and again", async () => {
    await assign("t");
    await services.coordinator.fail("t", { ...hand(1), error: "no" });
    await services.registry.heartbeat("hand", { status: "draining" });
    await fire();
    await fire();
    await fire(0);
    expect(await statusOf("t")).toBe("pending");
    expect(looks).toBe(3);
  });

  it("is left to the next sweep when the store fails", async () => {
    await assign("t");
    await services.coordinator.fail("t", { ...hand(1), error: "no" });
    const { store } = services;
    const { nextTaskDue } = store;
    store.nextTaskDue = async () => {
      looks += 1;
      throw new Error("the disk is full");
    };
    await fire(0);
    expect(lines.at(-1)).toMatchObject({ event: "timer failed", timer: "sweep" });
    store.nextTaskDue = nextTaskDue;
    dueTasks.swept(clock.now());
    await fire();
    await fire();
    expect(await statusOf("t")).toBe("assigned");
  });

  it("is not waited for by a host that stops", async () => {
    await assign("t");
    await services.coordinator.fail("t", { ...hand(1), error: "no" });
    await dueTasks.stop();
    expect(clock.planned).toEqual([]);
    await services.coordinator.fail("t", { ...hand(1), error: "no" });
    dueTasks.swept(clock.now());
    expect(clock.planned).toEqual([]);
  });
});
