import { rmSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { timers } from "../../../src/functions/timers.ts";
import { readConfig } from "../../../src/lib/config/config.ts";
import type { Timer } from "../../../src/lib/http/route.ts";
import { OffsetClock } from "../../../src/lib/model/clock.ts";
import { createServices, type Services } from "../../../src/lib/services.ts";
import { openStore } from "../../../src/lib/store/open-store.ts";
import { type LogFields, lineLog } from "../../../src/lib/trace/log.ts";
import { LocalTimers } from "../../../src/local/timers.ts";
import { until } from "../../support/poll.ts";
import { temporaryFolder } from "../http/local-host.ts";

/** A clock whose timers fire when the test says so. */
class HandClock extends OffsetClock {
  planned: { at: number; callback: () => void }[] = [];
  readonly start = Date.UTC(2026, 0, 1, 0, 0, 1);
  override now(): number {
    return this.start + this.offset;
  }
  override readonly after = (milliseconds: number, callback: () => void) => {
    const timer = { at: this.now() + milliseconds, callback };
    this.planned.push(timer);
    return () => {
      this.planned = this.planned.filter((other) => other !== timer);
    };
  };
  /** Moves to the next planned time and fires. */
  fire(): void {
    const next = this.planned.sort((a, b) => a.at - b.at).shift();
    if (next === undefined) throw new Error("nothing is planned");
    this.advance(Math.max(0, next.at - this.now()));
    next.callback();
  }
}

let folder: string;
let clock: HandClock;
let services: Services;
let lines: LogFields[];
let localTimers: LocalTimers;

beforeEach(async () => {
  folder = temporaryFolder();
  clock = new HandClock();
  const config = readConfig({ AGENT_MOCK_DATABASE: join(folder, "agents.db") });
  services = createServices({ config, clock, store: await openStore(config) });
  lines = [];
  localTimers = new LocalTimers(
    services,
    lineLog((line) => lines.push(JSON.parse(line))),
  );
});

afterEach(async () => {
  await localTimers.stop();
  services.messages.close();
  await services.store.close();
  rmSync(folder, { recursive: true, force: true });
});

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));
const timer = (run: () => Promise<void>, schedule = "*/15 * * * * *"): Timer => ({
  name: "sweep",
  schedule: () => schedule,
  handler: async () => {
    await run();
    return { agentsInactivated: 0 };
  },
});

describe("the timers of the local host", () => {
  it("run by their NCRONTAB schedule in UTC", async () => {
    const runs: string[] = [];
    const run = async () => {
      runs.push(new Date(clock.now()).toISOString());
    };
    localTimers.start([timer(run), { ...timer(run, "0 0 3 * * *"), name: "maintenance" }]);
    expect(clock.planned.map(({ at }) => new Date(at).toISOString()).sort()).toEqual([
      "2026-01-01T00:00:15.000Z",
      "2026-01-01T03:00:00.000Z",
    ]);
    clock.fire();
    await turn();
    clock.fire();
    await turn();
    expect(runs).toEqual(["2026-01-01T00:00:15.000Z", "2026-01-01T00:00:30.000Z"]);
  });

  it("never overlap: the next run is planned when the last has ended", async () => {
    let end: () => void = () => undefined;
    localTimers.start([
      timer(
        () =>
          new Promise((resolve) => {
            end = resolve;
          }),
      ),
    ]);
    clock.fire();
    clock.advance(60_000);
    await turn();
    expect(clock.planned).toEqual([]);
    end();
    await turn();
    expect(clock.planned).toHaveLength(1);
  });

  it("log a failing run without its message, and go on", async () => {
    localTimers.start([timer(() => Promise.reject(new TypeError("holds a secret")))]);
    clock.fire();
    await turn();
    expect(lines).toEqual([expect.objectContaining({ event: "timer failed", timer: "sweep", error: "TypeError" })]);
    expect(JSON.stringify(lines)).not.toContain("secret");
    expect(clock.planned).toHaveLength(1);
  });

  it("log what they did, and are silent when they did nothing", async () => {
    let counts: Record<string, number> = { messagesExpired: 0, leasesEnded: 0 };
    localTimers.start([{ ...timer(async () => undefined), handler: async () => counts }]);
    clock.fire();
    await turn();
    expect(lines).toEqual([]);
    counts = { messagesExpired: 0, leasesEnded: 2 };
    clock.fire();
    await turn();
    expect(lines).toEqual([expect.objectContaining({ event: "sweep", leasesEnded: 2 })]);
    expect(lines[0]).not.toHaveProperty("messagesExpired");
  });

  it("stop: nothing is planned any more, and the run under way is waited for", async () => {
    let end: () => void = () => undefined;
    let ended = false;
    localTimers.start([
      timer(
        () =>
          new Promise((resolve) => {
            end = resolve;
          }),
      ),
    ]);
    clock.fire();
    const stopped = localTimers.stop().then(() => {
      ended = true;
    });
    await turn();
    expect(ended).toBe(false);
    end();
    await stopped;
    expect(clock.planned).toEqual([]);
  });

  it("forget runs that have ended: they do not pile up", async () => {
    localTimers.start([timer(async () => undefined)]);
    for (let run = 0; run < 5; run += 1) {
      clock.fire();
      expect(localTimers.running).toBe(1);
      await turn();
      expect(localTimers.running).toBe(0);
    }
    expect(clock.planned).toHaveLength(1);
  });

  it("catch up when the machine slept: the timer that wakes first sees what is due", async () => {
    const runs: string[] = [];
    const run = (name: string) => async () => {
      runs.push(name);
    };
    localTimers.start([timer(run("sweep")), { ...timer(run("maintenance"), "0 0 3 * * *"), name: "maintenance" }]);
    // Asleep over the night: the clock goes on, timers do not.
    clock.advance(10 * 3_600_000);
    clock.fire();
    await turn();
    expect(runs.sort()).toEqual(["maintenance", "sweep"]);
    expect(clock.planned.map(({ at }) => new Date(at).toISOString()).sort()).toEqual([
      "2026-01-01T10:00:15.000Z",
      "2026-01-02T03:00:00.000Z",
    ]);
  });

  it("refuse a schedule that is none, naming the setting", () => {
    const start = () => localTimers.start([timer(async () => undefined, "61 * * * * *")]);
    expect(start).toThrow(/AGENT_SWEEP_SCHEDULE.*61/);
  });
});

describe("a maintenance that was missed", () => {
  const DAY = 86_400_000;
  const maintenance = timers.filter(({ name }) => name === "maintenance");
  const ran = async () => (await services.store.listAudit({ action: "maintenance.ran", limit: 200 })).items.length;
  /** Starts the real maintenance timer as a new process would, and waits until it has made up its mind. */
  const startAgain = async () => {
    await localTimers.stop();
    localTimers = new LocalTimers(
      services,
      lineLog((line) => lines.push(JSON.parse(line))),
    );
    localTimers.start(maintenance);
    await until("the timer has made up its mind", async () => localTimers.running === 0);
  };

  beforeEach(async () => {
    // The store goes by the same clock, so that what it writes lies in the same days.
    await services.store.close();
    services = createServices({ config: services.config, clock, store: await openStore(services.config, clock) });
    localTimers = new LocalTimers(
      services,
      lineLog(() => undefined),
    );
  });

  it("runs at the next start, once", async () => {
    await services.registry.register({ agentId: "a", role: "worker" });
    clock.advance(DAY);
    await startAgain();
    expect(await ran()).toBe(1);
    expect(lines).toContainEqual(
      expect.objectContaining({ event: "timer missed while no process ran", due: "2026-01-01T03:00:00.000Z" }),
    );
    await startAgain();
    clock.advance(3_600_000);
    await startAgain();
    expect(await ran()).toBe(1);
    clock.advance(DAY);
    await startAgain();
    expect(await ran()).toBe(2);
  });

  it("does not happen after a run by hand, or in a new database", async () => {
    clock.advance(DAY);
    await services.registry.register({ agentId: "a", role: "worker" });
    await startAgain();
    expect(await ran()).toBe(0);
    clock.advance(DAY);
    await services.monitor.cleanupAndMaintenance();
    await startAgain();
    expect(await ran()).toBe(1);
    expect(clock.planned).toHaveLength(1);
  });
});
