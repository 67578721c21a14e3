import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { readConfig } from "../../../src/lib/config/config.ts";
import { systemClock } from "../../../src/lib/model/clock.ts";
import { createServices } from "../../../src/lib/services.ts";
import { openStore } from "../../../src/lib/store/open-store.ts";
import { childOfTest } from "../../support/child-of-test.ts";
import { until } from "../../support/poll.ts";

const PROGRAM = fileURLToPath(new URL("./fire-schedules.ts", import.meta.url));
const SCHEDULES = 20;
const RUN_MILLISECONDS = 12_000;

/** A process that fires schedules, and what it says that it has fired. */
function start(file: string, startedAt: number) {
  const args = ["--no-warnings", PROGRAM, file, String(startedAt), String(RUN_MILLISECONDS)];
  const child = childOfTest(spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] }));
  let said = "";
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    said += text;
  });
  const counts = () =>
    said
      .split("\n")
      .filter((line) => /^\d+ \d+$/.test(line))
      .map((line) => line.split(" ").map(Number));
  const sum = (column: 0 | 1) => counts().reduce((total, row) => total + (row[column] ?? 0), 0);
  return { child, fired: () => sum(0), refused: () => sum(1), closed: once(child, "close") };
}

describe("two processes that fire the same schedules, one of them killed", () => {
  let folder = "";
  let file = "";

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "agent-communication-"));
    file = join(folder, "agents.db");
    const config = readConfig({ AGENT_MOCK_DATABASE: file });
    const services = createServices({ config, clock: systemClock, store: await openStore(config, systemClock) });
    await services.registry.register({ agentId: "lead", role: "supervisor" });
    for (let n = 0; n < SCHEDULES; n += 1) {
      await services.schedules.put(`s-${n}`, { supervisor: "lead", cron: "* * * * *", task: { taskType: "tick" } });
    }
    services.messages.close();
    await services.store.close();
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it("create one task for each due time, and what was moved on has its task", async () => {
    const startedAt = Date.now();
    const [steady, killed] = [start(file, startedAt), start(file, startedAt)];
    await until("both have fired", () => Promise.resolve(steady.fired() > 20 && killed.fired() > 20), 30_000);
    killed.child.kill("SIGKILL");
    await Promise.all([steady.closed, killed.closed]);
    const database = new DatabaseSync(file, { readOnly: true });
    const [tasks, rows] = [
      database
        .prepare("SELECT task_id FROM tasks")
        .all()
        .map((row) => String(row.task_id)),
      database.prepare("SELECT schedule_id, firings, refusals, version FROM schedules").all(),
    ];
    database.close();
    // Of the killed one what its last look has fired may never have been said: at most all schedules once.
    const said = steady.fired() + killed.fired();
    expect(tasks.length).toBeGreaterThanOrEqual(said);
    expect(tasks.length).toBeLessThanOrEqual(said + SCHEDULES);
    expect([steady.refused(), killed.refused()]).toEqual([0, 0]);
    // Each version but the first is one move, and each move is one task.
    const moves = rows.reduce((total, { version }) => total + Number(version) - 1, 0);
    expect(moves).toBe(tasks.length);
    for (const { schedule_id: id, firings, refusals } of rows) {
      const { recent, last } = JSON.parse(String(firings));
      expect(refusals).toBe(0);
      expect(recent.map(({ outcome }: { outcome: string }) => outcome)).toEqual(recent.map(() => "created"));
      expect(tasks).toContain(last.taskId);
      expect(last.taskId).toMatch(new RegExp(`^schedule:${id}:`));
    }
  });
});
