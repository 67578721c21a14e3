import { afterAll, describe, expect, it } from "@jest/globals";
import { emptySchema } from "../../../contract/upkeep/statement-plans.ts";

/** The tables that every message, task and heartbeat writes to. */
const HOT = ["messages", "message_bodies", "tasks", "task_attempts", "task_events", "agents", "mailboxes"];

describe("the CHECKs of tables that every call writes to", () => {
  const database = emptySchema();
  afterAll(() => database.close());

  it.each(HOT)("of %s build no table: IN with more than two texts would, for every statement", (table) => {
    const steps = database.prepare(`EXPLAIN INSERT INTO ${table} DEFAULT VALUES`).all();
    expect(steps.length).toBeGreaterThan(10);
    expect(steps.filter(({ opcode }) => opcode === "OpenEphemeral")).toEqual([]);
  });

  it("would be found otherwise", () => {
    database.exec("CREATE TABLE listed (word TEXT CHECK (word IN ('a', 'b', 'c'))) STRICT");
    const steps = database.prepare("EXPLAIN INSERT INTO listed DEFAULT VALUES").all();
    expect(steps.map(({ opcode }) => opcode)).toContain("OpenEphemeral");
  });
});
