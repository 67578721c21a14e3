import { chmodSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { readConfig } from "../../../src/lib/config/config.ts";
import { OffsetClock } from "../../../src/lib/model/clock.ts";
import { createServices, type Services } from "../../../src/lib/services.ts";
import { openStore } from "../../../src/lib/store/open-store.ts";
import { lineLog } from "../../../src/lib/trace/log.ts";
import { ScheduleAlarm } from "../../../src/local/schedule-alarm.ts";
import { until } from "../../support/poll.ts";
import { temporaryFolder } from "../http/local-host.ts";

/** A clock whose timers fire when the test says so. */
class HandClock extends OffsetClock {
  planned: { at: number; callback: () => void }[] = [];
  time = Date.UTC(2026, 0, 1);
  override now(): number {
    return this.time;
  }
  override readonly after = (milliseconds: number, callback: () => void) => {
    const timer = { at: this.time + milliseconds, callback };
    this.planned.push(timer);
    return () => {
      this.planned = this.planned.filter((other) => other !== timer);
    };
  };
}

describe("the alarm of schedules on the local host", () => {
  let folder: string;
  let clock: HandClock;
  let services: Services;
  let alarm: ScheduleAlarm;
  let lines: string[];

  beforeEach(async () => {
    folder = temporaryFolder();
    clock = new HandClock();
    await open();
    await services.registry.register({ agentId: "lead", role: "supervisor" });
  });
  afterEach(async () => {
    await close();
    rmSync(folder, { recursive: true, force: true });
  });

  async function open(): Promise<void> {
    const config = readConfig({ AGENT_MOCK_DATABASE: join(folder, "agents.db"), AGENT_HEARTBEAT_TIMEOUT: "31000000" });
    services = createServices({ config, clock, store: await openStore(config, clock) });
    lines = [];
    alarm = new ScheduleAlarm(
      services,
      lineLog((line) => lines.push(line)),
    );
  }
  async function close(): Promise<void> {
    await alarm.stop();
    services.messages.close();
    await services.store.close();
  }

  const put = (id: string, cron: string) =>
    services.schedules.put(id, { supervisor: "lead", cron, task: { taskType: "tick" } });
  const alarms = () => clock.planned.filter(({ at }) => at > clock.time).map(({ at }) => new Date(at).toISOString());
  const planned = (...times: string[]) =>
    until("the alarm is set", async () => JSON.stringify(alarms()) === JSON.stringify(times));

  it("is set for the next due time of all, and fires it", async () => {
    alarm.start();
    await put("nightly", "0 3 * * *");
    await planned("2026-01-01T03:00:00.000Z");
    await put("hourly", "0 * * * *");
    await planned("2026-01-01T01:00:00.000Z");
    const [next] = clock.planned.splice(0);
    clock.time = next?.at ?? 0;
    next?.callback();
    await planned("2026-01-01T02:00:00.000Z");
    expect(await services.coordinator.get("schedule:hourly:20260101T010000Z")).toMatchObject({ taskType: "tick" });
  });

  it("looks at the start for what was due while no process ran", async () => {
    await put("hourly", "0 * * * *");
    clock.time += 10 * 3_600_000 + 1;
    alarm.start();
    await planned("2026-01-01T11:00:00.000Z");
    const { firings } = await services.schedules.get("hourly");
    expect(firings.map(({ taskId }) => taskId)).toEqual(["schedule:hourly:20260101T100000Z"]);
  });

  it("tries what cannot be decrypted every five seconds, and not all the time", async () => {
    const task = { taskType: "tick", parameters: { secret: true }, sensitive: true };
    await services.schedules.put("hourly", { supervisor: "lead", cron: "0 * * * *", task });
    await close();
    // A key file that others may read is refused.
    chmodSync(join(folder, "keys.jsonl"), 0o644);
    await open();
    clock.planned = [];
    clock.time += 3_600_000;
    alarm.start();
    await planned("2026-01-01T01:00:05.000Z");
    expect(lines).toEqual([expect.stringContaining("KEY_UNAVAILABLE")]);
    chmodSync(join(folder, "keys.jsonl"), 0o600);
    const [next] = clock.planned.splice(0);
    clock.time = next?.at ?? 0;
    next?.callback();
    await planned("2026-01-01T02:00:00.000Z");
    expect(await services.coordinator.get("schedule:hourly:20260101T010000Z")).toMatchObject({ taskType: "tick" });
  });

  it("waits in steps for what is far away, and fires no more when it is stopped", async () => {
    await put("yearly", "0 0 1 6 *");
    alarm.start();
    await planned("2026-01-02T00:00:00.000Z");
    await alarm.stop();
    expect(alarms()).toEqual([]);
    await put("hourly", "0 * * * *");
    expect(alarms()).toEqual([]);
  });
});
