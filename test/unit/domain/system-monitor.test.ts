import { rmSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { readConfig } from "../../../src/lib/config/config.ts";
import { SystemMonitor } from "../../../src/lib/domain/statistics/system-monitor.ts";
import { SupervisorCoordinator } from "../../../src/lib/domain/tasks/supervisor-coordinator.ts";
import { openStore } from "../../../src/lib/store/open-store.ts";
import type { Store } from "../../../src/lib/store/store.ts";
import { temporaryFolder } from "../../hosts/http/local-host.ts";
import { VirtualClock } from "../../system/simulator/virtual-clock.ts";

/** Ratios, health and the upkeep that never came. */

const HOUR = 3_600_000;

let folder: string;
let clock: VirtualClock;
let store: Store;
let changes: number;
let monitor: SystemMonitor;

beforeEach(async () => {
  folder = temporaryFolder();
  clock = new VirtualClock();
  store = await openStore(readConfig({ AGENT_MOCK_DATABASE: join(folder, "agents.db") }), clock);
  changes = 0;
  monitor = new SystemMonitor({
    store,
    clock,
    rightsChanged: () => {
      changes += 1;
    },
  });
});

afterEach(async () => {
  await store.close();
  rmSync(folder, { recursive: true, force: true });
});

describe("performance", () => {
  it("is of the tasks that were assigned, or of those that have ended where more have", async () => {
    const register = (agentId: string, role: "supervisor" | "worker") =>
      store.registerAgent({ agentId, role, capabilities: [], maxConcurrentTasks: 8 });
    const coordinator = new SupervisorCoordinator({ store, defaultTimeoutSeconds: 600, maxRetries: 0 });
    const assign = async (more: { dependsOn?: string[] } = {}) =>
      (await coordinator.assign({ supervisor: "lead", taskType: "t", ...more })).taskId;
    const nothing = { messageThroughput: 0, agentUtilization: 0, taskCompletionRate: 0, errorRate: 0 };
    expect((await monitor.metrics()).performance).toEqual(nothing);
    await register("lead", "supervisor");
    await register("w", "worker");
    const tasks = [await assign(), await assign(), await assign(), await assign()];
    const [first = "", second = ""] = tasks;
    await coordinator.complete(first, { agentId: "w", attempt: 1 });
    expect((await monitor.metrics()).performance).toEqual({
      // The worker was told of four tasks, the supervisor of one result.
      messageThroughput: 5,
      agentUtilization: 3 / 8,
      taskCompletionRate: 1 / 4,
      errorRate: 0,
    });
    for (let n = 0; n < 4; n += 1) await assign({ dependsOn: [second] });
    await coordinator.fail(second, { agentId: "w", attempt: 1, error: "no", retryable: false });
    // One completed and five failed, of which four had never been assigned.
    expect((await monitor.metrics()).performance).toMatchObject({ taskCompletionRate: 1 / 6, errorRate: 5 / 6 });
  });
});

describe("health", () => {
  it("is that of the store; whether anybody is there does not matter", async () => {
    const good = { databaseConnection: true, messageQueueOperational: true, agentRegistryAccessible: true };
    expect(await monitor.health()).toEqual({ status: "healthy", checks: { ...good, recentActivity: false } });
    await store.close();
    expect((await monitor.health()).status).toBe("unhealthy");
  });
});

describe("the upkeep", () => {
  it("says what it did and how long it took, and that rights may have changed", async () => {
    const slow = new SystemMonitor({
      store: {
        ...store,
        maintain: async () => {
          clock.advance(1_500);
          return store.maintain();
        },
      },
      clock,
    });
    expect(await slow.cleanupAndMaintenance()).toMatchObject({
      durationSeconds: 1.5,
      valuesReencrypted: 0,
      finished: true,
    });
    await monitor.cleanupAndMaintenance();
    expect(changes).toBe(1);
    await store.close();
    await expect(monitor.cleanupAndMaintenance()).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
    expect(changes).toBe(2);
  });

  it("has been missed where the database was in use before it was due, and it has not run since", async () => {
    const due = clock.now() + HOUR;
    clock.advance(2 * HOUR);
    // Nothing was there before.
    expect(await monitor.missedMaintenance(due)).toBe(false);
    await store.registerAgent({ agentId: "a", role: "worker", capabilities: [], maxConcurrentTasks: 1 });
    expect(await monitor.missedMaintenance(due)).toBe(false);
    const later = clock.now() + HOUR;
    expect(await monitor.missedMaintenance(later)).toBe(true);
    await monitor.cleanupAndMaintenance();
    // That was the one before.
    expect(await monitor.missedMaintenance(later)).toBe(true);
    clock.advance(HOUR);
    expect(await monitor.missedMaintenance(later)).toBe(true);
    await monitor.cleanupAndMaintenance();
    expect(await monitor.missedMaintenance(later)).toBe(false);
    expect(await monitor.missedMaintenance(clock.now() + 1)).toBe(true);
  });
});
