import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { registerAgentSchema } from "../../../src/lib/model/agent.ts";
import { systemClock } from "../../../src/lib/model/clock.ts";
import { openSqliteStore } from "../../../src/lib/store/sqlite/open.ts";
import type { Store } from "../../../src/lib/store/store.ts";
import { CALM_SETTINGS } from "../../contract/store-under-test.ts";
import { newTask } from "../../contract/support.ts";
import { recount, rowsOf } from "../../support/recount.ts";

/** What agents leave behind by registering again and again costs assignments nothing, and does not wait for maintenance. */
describe("sets of capabilities that are empty", () => {
  const folder = mkdtempSync(join(tmpdir(), "agent-sets-"));
  const file = join(folder, "agents.db");
  let store: Store;
  const register = (agentId: string, capabilities: string[]) =>
    store.registerAgent(registerAgentSchema.parse({ agentId, role: "worker", capabilities }));
  const pairs = () => Number(rowsOf(file, "SELECT count(*) AS n FROM demand_sets")[0]?.n);
  const sets = () => Number(rowsOf(file, "SELECT count(*) AS n FROM capability_sets")[0]?.n);

  beforeAll(async () => {
    store = openSqliteStore({ file, settings: CALM_SETTINGS, clock: systemClock });
    await store.registerAgent(registerAgentSchema.parse({ agentId: "lead", role: "supervisor" }));
    for (const requiredCapabilities of [["python"], []]) {
      await store.assignTask(newTask({ supervisor: "lead", taskType: "t", requiredCapabilities, assignTo: "lead" }));
    }
  });
  afterAll(async () => {
    await store.close();
    rmSync(folder, { recursive: true });
  });

  it("are gone when their only agent registers with another one", async () => {
    const before = sets();
    for (let n = 0; n < 300; n++) await register("restless", ["python", `c${n}`]);
    expect(sets()).toBe(before + 1);
    expect(pairs()).toBe(2);
    expect(recount(file)).toEqual([]);
  });

  it("are matched with nothing when their only worker leaves, and again when it comes back", async () => {
    const before = pairs();
    for (let n = 0; n < 50; n++) await register(`guest-${n}`, ["python", `g${n}`]);
    expect(pairs()).toBe(before + 100);
    for (let n = 0; n < 50; n++) await store.deregisterAgent(`guest-${n}`);
    expect(pairs()).toBe(before);
    await store.assignTask(
      newTask({ supervisor: "lead", taskType: "t", requiredCapabilities: ["g7"], assignTo: "lead" }),
    );
    expect(pairs()).toBe(before);
    await register("guest-7", ["python", "g7"]);
    expect(pairs()).toBe(before + 3);
    expect(recount(file)).toEqual([]);
  });
});
