import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { systemClock } from "../../../../src/lib/model/clock.ts";
import type { UsageGroup, UsageLine } from "../../../../src/lib/model/usage.ts";
import { openSqliteStore } from "../../../../src/lib/store/sqlite/open.ts";
import type { Store } from "../../../../src/lib/store/store.ts";
import { CALM_SETTINGS } from "../../../contract/store-under-test.ts";
import { everyPage, HOUR } from "../../../contract/support.ts";

/** More hours of usage than are read at once: three pieces. */

const HOURS = 40;
const AGENTS = 60;
const MODELS = ["", "large", "small"];
const FIRST = Date.UTC(2026, 2, 1);

interface Row {
  hour: number;
  agentId: string;
  supervisor: string;
  model: string;
  inputTokens: number;
}

const ROWS: Row[] = Array.from({ length: HOURS * AGENTS * MODELS.length }, (_, n) => ({
  hour: FIRST + (n % HOURS) * HOUR,
  agentId: `agent-${Math.floor(n / HOURS) % AGENTS}`,
  supervisor: `lead-${n % 3}`,
  model: MODELS[Math.floor(n / HOURS / AGENTS)] ?? "",
  inputTokens: n,
}));

let folder: string;
let store: Store;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "agent-communication-usage-"));
  const file = join(folder, "agents.db");
  store = openSqliteStore({ file, settings: CALM_SETTINGS, clock: systemClock });
  const database = new DatabaseSync(file);
  database.exec("BEGIN");
  const insert = database.prepare("INSERT INTO usage_hours VALUES (?, ?, 'build', ?, '', ?, ?, 1, 0, 0, 0, 0)");
  for (const { hour, agentId, supervisor, model, inputTokens } of ROWS) {
    insert.run(hour, agentId, supervisor, model, inputTokens);
  }
  database.exec("COMMIT");
  database.close();
});
afterAll(async () => {
  await store.close();
  await rm(folder, { recursive: true, force: true });
});

const whole = { from: FIRST, to: FIRST + HOURS * HOUR };

/** The sums as one would make them of all rows at once, in the order of hours, agents, supervisors and models. */
function expected(by: UsageGroup[], rows: readonly Row[]): string[] {
  const sums = new Map<string, number>();
  for (const row of rows) {
    const name = [
      by.includes("hour") ? new Date(row.hour).toISOString() : "",
      by.includes("agent") ? row.agentId : "",
      by.includes("supervisor") ? row.supervisor : "",
      by.includes("model") ? row.model : "",
    ].join("!");
    sums.set(name, (sums.get(name) ?? 0) + row.inputTokens);
  }
  return [...sums].map(([name, sum]) => `${name}: ${sum}`).sort();
}

const shown = (lines: readonly UsageLine[]) =>
  lines.map((line) => {
    const { hour = "", agentId = "", supervisor = "", model = "", inputTokens } = line;
    return `${[hour, agentId, supervisor, model].join("!")}: ${inputTokens}`;
  });

describe("sums of more hours than are read at once", () => {
  it.each<{ by: UsageGroup[]; limit: number }>([
    { by: [], limit: 50 },
    { by: ["model"], limit: 2 },
    { by: ["agent", "supervisor"], limit: 25 },
    { by: ["hour"], limit: 7 },
    { by: ["hour", "agent", "model"], limit: 200 },
  ])("are those of one statement, page by page: $by", async ({ by, limit }) => {
    const lines = await everyPage((page) => store.readUsage({ ...whole, by, ...page }), limit);
    expect(shown(lines).sort()).toEqual(expected(by, ROWS));
    const places = lines.map(({ hour = "", agentId = "", supervisor = "", model = "" }) =>
      [hour, agentId, supervisor, model].join("!"),
    );
    expect(places).toEqual([...places].sort());
  });

  it("are only of the hours and of whom was asked for", async () => {
    const query = { from: FIRST + 5 * HOUR, to: FIRST + 31 * HOUR, supervisor: "lead-1", agentId: "agent-7" };
    const rows = ROWS.filter(
      ({ hour, supervisor, agentId }) =>
        hour >= query.from && hour < query.to && supervisor === "lead-1" && agentId === "agent-7",
    );
    const lines = await everyPage((page) => store.readUsage({ ...query, by: ["hour"], ...page }), 3);
    expect(shown(lines).sort()).toEqual(expected(["hour"], rows));
    expect(lines.length).toBeGreaterThan(5);
  });

  it("let others have their turn between", async () => {
    let rounds = 0;
    let reads = true;
    const count = () => {
      rounds += 1;
      if (reads) setImmediate(count);
    };
    setImmediate(count);
    await store.readUsage({ ...whole, by: [], limit: 50 });
    reads = false;
    expect(rounds).toBeGreaterThanOrEqual(3);
  });
});
