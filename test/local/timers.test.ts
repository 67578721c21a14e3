import { rmSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { OffsetClock } from "../../src/lib/clock.ts";
import { readConfig } from "../../src/lib/config.ts";
import type { Timer } from "../../src/lib/http/route.ts";
import { type LogFields, lineLog } from "../../src/lib/log.ts";
import { createServices, type Services } from "../../src/lib/services.ts";
import { openStore } from "../../src/lib/store/open-store.ts";
import { LocalTimers } from "../../src/local/timers.ts";
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

  it("refuse a schedule that is none, naming the setting", () => {
    const start = () => localTimers.start([timer(async () => undefined, "61 * * * * *")]);
    expect(start).toThrow(/AGENT_SWEEP_SCHEDULE.*61/);
  });
});
