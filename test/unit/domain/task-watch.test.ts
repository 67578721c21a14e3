import { rmSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { readConfig } from "../../../src/lib/config/config.ts";
import { POLLS_PER_CREDENTIAL } from "../../../src/lib/domain/messages/polls.ts";
import type { Task } from "../../../src/lib/model/task.ts";
import { createServices, type Services } from "../../../src/lib/services.ts";
import { openStore } from "../../../src/lib/store/open-store.ts";
import { actingAs } from "../../../src/lib/trace/call-context.ts";
import { temporaryFolder } from "../../hosts/http/local-host.ts";
import { SleeplessClock } from "./sleepless-clock.ts";

let folder: string;
let clock: SleeplessClock;
let services: Services;
let version: number;

const hand = { agentId: "hand", attempt: 1 };

beforeEach(async () => {
  folder = temporaryFolder();
  clock = new SleeplessClock();
  const config = readConfig({ AGENT_MOCK_DATABASE: join(folder, "agents.db") });
  services = createServices({ config, clock, store: await openStore(config, clock) });
  await services.registry.register({ agentId: "lead", role: "supervisor" });
  await services.registry.register({ agentId: "hand", role: "worker", maxConcurrentTasks: 10 });
  version = await assigned("t");
});

afterEach(async () => {
  services.messages.close();
  await services.store.close();
  rmSync(folder, { recursive: true, force: true });
});

async function assigned(taskId: string): Promise<number> {
  await services.coordinator.assign({ taskId, supervisor: "lead", taskType: "test", assignTo: "hand" });
  return (await services.coordinator.get(taskId)).version;
}

function watch(afterVersion: number, { taskId = "t", signal }: { taskId?: string; signal?: AbortSignal } = {}) {
  return services.coordinator.get(taskId, { afterVersion, waitSeconds: 20 }, signal);
}

/** Ends the current sleep, which is the end of the wait when the clock was moved to it, else a look. */
async function look(done: () => boolean): Promise<void> {
  await clock.untilSleeping();
  clock.timeUp();
  for (let turn = 0; turn < 1_000 && !done(); turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

describe("a watched task", () => {
  it("is answered at once when it has a greater version already, and when nobody waits", async () => {
    expect(await watch(version - 1)).toMatchObject({ taskId: "t", version });
    expect(await services.coordinator.get("t", { afterVersion: version })).toMatchObject({ version });
    expect(clock.naps).toEqual([]);
  });

  it.each<[string, Partial<Task>, () => Promise<unknown>]>([
    ["started", { status: "running" }, () => services.coordinator.start("t", hand)],
    ["got on", { status: "running", percent: 5 }, () => services.coordinator.progress("t", { ...hand, percent: 5 })],
    ["completed", { status: "completed" }, () => services.coordinator.complete("t", { ...hand, result: 1 })],
    ["failed", { status: "pending" }, () => services.coordinator.fail("t", { ...hand, error: "no" })],
    ["cancelled", { status: "cancelled" }, () => services.coordinator.cancel("t")],
    [
      "suspended",
      { status: "input_required" },
      () => services.questions.suspend("t", { ...hand, until: { question: { text: "Go?" } } }),
    ],
  ])("that is %s in this process wakes its watcher at once", async (_, state, change) => {
    const watched = watch(version);
    await clock.untilSleeping();
    await change();
    expect(await watched).toMatchObject(state);
    expect((await watched).version).toBeGreaterThan(version);
  });

  it("whose question is answered wakes its watcher", async () => {
    const until = { question: { text: "Go?" } };
    const { questionId } = await services.questions.suspend("t", { ...hand, until });
    const watched = watch(version + 1);
    await clock.untilSleeping();
    await services.questions.answer("t", { agentId: "lead", questionId: String(questionId), answer: "yes" });
    expect((await watched).version).toBeGreaterThan(version + 1);
  });

  it("is not answered for a change of another task, nor for one that is already known", async () => {
    const other = await assigned("other");
    const [late, early] = [watch(version + 1), watch(version)];
    await clock.untilSleeping();
    await services.coordinator.start("other", hand);
    expect(other).toBeGreaterThan(0);
    await services.coordinator.start("t", hand);
    expect((await early).version).toBe(version + 1);
    await clock.untilSleeping();
    await services.coordinator.complete("t", hand);
    expect((await late).version).toBe(version + 2);
  });

  it("is asked for together with all others, by one probe, and read only when it has changed", async () => {
    await assigned("other");
    const { store } = services;
    const { findTaskVersions, getTask } = store;
    const probes: string[][] = [];
    let reads = 0;
    store.findTaskVersions = (taskIds) => {
      probes.push([...taskIds].sort());
      return findTaskVersions(taskIds);
    };
    store.getTask = (taskId) => {
      reads += 1;
      return getTask(taskId);
    };
    const watched = [watch(version), watch(version), watch(version, { taskId: "other" })];
    for (let round = 1; round <= 4; round += 1) await look(() => probes.length === round);
    expect(probes).toEqual(Array.from({ length: 4 }, () => ["other", "t"]));
    expect(reads).toBe(3);
    // What another process does wakes nobody: the next probe finds it, for those alone who wait for it.
    await store.startTask("t", hand);
    await look(() => probes.length === 5);
    expect(await Promise.all(watched.slice(0, 2))).toMatchObject([{ status: "running" }, { status: "running" }]);
    expect(reads).toBe(5);
    clock.advance(20_000);
    await look(() => reads === 6);
    expect(await watched[2]).toMatchObject({ taskId: "other", version });
  });

  it("is answered as it is when the caller has gone", async () => {
    const caller = new AbortController();
    const watched = watch(version, { signal: caller.signal });
    await clock.untilSleeping();
    caller.abort();
    expect(await watched).toMatchObject({ version });
    expect(await watch(version, { signal: caller.signal })).toMatchObject({ version });
  });

  it("is answered at once when it is in the archive: it changes no more", async () => {
    await services.coordinator.cancel("t");
    const watched = watch(version + 1);
    await clock.untilSleeping();
    clock.advance(31 * 86_400_000);
    await services.store.maintain();
    let ended = false;
    void watched.finally(() => {
      ended = true;
    });
    // The time of the wait is over, too, but the look comes first: it is due earlier.
    await look(() => ended);
    expect(await watched).toMatchObject({ archived: true, version: version + 1 });
    expect(await watch(version + 1)).toMatchObject({ archived: true });
  });

  it("that does not exist is refused at once", async () => {
    await expect(watch(0, { taskId: "none" })).rejects.toMatchObject({ code: "TASK_NOT_FOUND" });
  });

  it("counts with the receives of its credential", async () => {
    const caller = new AbortController();
    const call = { actor: "lead", credential: "token", credentialId: "c" } as const;
    await actingAs(call, async () => {
      const polls = Array.from({ length: POLLS_PER_CREDENTIAL / 2 }, () => [
        watch(version, { signal: caller.signal }),
        services.messages.receive("lead", { waitSeconds: 20 }, caller.signal),
      ]).flat();
      await clock.untilSleeping();
      await expect(watch(version)).rejects.toMatchObject({ code: "RATE_LIMITED" });
      caller.abort();
      await Promise.all(polls);
      expect((await watch(version - 1)).version).toBe(version);
    });
  });

  it("is not shown to who may not read it any more", async () => {
    let mayRead = true;
    const call = { actor: "lead", credential: "token", credentialId: "c" } as const;
    const confirm = async () => {
      if (!mayRead) throw new Error("no more");
    };
    const watched = actingAs({ ...call, confirm }, () => watch(version));
    await clock.untilSleeping();
    mayRead = false;
    await services.coordinator.start("t", hand);
    await expect(watched).rejects.toThrow("no more");
  });
});
