import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type mssql from "mssql";
import { OffsetClock } from "../../src/lib/model/clock.ts";
import { dropDatabases, openOn, takeDatabase, testPool } from "../contract/mssql-under-test.ts";
import { Scene } from "../contract/support.ts";
import { recountMssql } from "./recount-mssql.ts";

type Tampering = readonly (readonly [law: string, change: string, back: string])[];

/** A counter that is 1 too high in one of its slots. */
const COUNTERS: Tampering = (
  [
    ["counters messages:*", "messages:queued"],
    ["counters tasks:*", "tasks:pending"],
    ["counter tasks:assigned_once", "tasks:assigned_once"],
    ["counter tasks:completed_total", "tasks:completed_total"],
    ["counter tasks:failed_total", "tasks:failed_total"],
    ["counter agents:workers", "agents:workers"],
    ["counters mailbox:*", "mailbox:%"],
    ["counters set:*:workers", "set:%:workers"],
    ["counters set:*:active", "set:%:active"],
    ["counters set:*:free", "set:%:free"],
  ] as const
).map(([law, name]) => {
  const where = `WHERE name LIKE '${name}' AND slot = 3`;
  return [
    law,
    `UPDATE dbo.counters SET value = value + 1 ${where}`,
    `UPDATE dbo.counters SET value = value - 1 ${where}`,
  ];
});

/** Other changes that make a count wrong, and what takes them back. */
const ROWS: Tampering = [
  [
    "counters have a row in every slot",
    "UPDATE dbo.counters SET slot = slot + 100 WHERE name LIKE 'mailbox:%' AND slot = 5",
    "UPDATE dbo.counters SET slot = slot - 100 WHERE slot >= 100 AND name LIKE 'mailbox:%'",
  ],
  [
    "agent_loads.active_tasks",
    "UPDATE dbo.agent_loads SET active_tasks = active_tasks + 1",
    "UPDATE dbo.agent_loads SET active_tasks = active_tasks - 1",
  ],
  [
    "agents and what their loads and heartbeats repeat of them",
    "UPDATE dbo.agent_heartbeats SET beating = 0",
    "UPDATE dbo.agent_heartbeats SET beating = 1",
  ],
  [
    "channels.members",
    "UPDATE dbo.channels SET members = members + 1",
    "UPDATE dbo.channels SET members = members - 1",
  ],
  [
    "usage_hours.input_tokens",
    "UPDATE dbo.task_usage SET input_tokens = input_tokens + 1",
    "UPDATE dbo.task_usage SET input_tokens = input_tokens - 1",
  ],
  [
    "usage_totals.output_tokens",
    "UPDATE dbo.usage_totals SET output_tokens = output_tokens + 1",
    "UPDATE dbo.usage_totals SET output_tokens = output_tokens - 1",
  ],
  ["channels.grants", "UPDATE dbo.channels SET grants = grants + 1", "UPDATE dbo.channels SET grants = grants - 1"],
  [
    "channels and their mailboxes",
    "UPDATE dbo.agents SET status = 'inactive' WHERE agent_id LIKE '#%'",
    "UPDATE dbo.agents SET status = 'active' WHERE agent_id LIKE '#%'",
  ],
  [
    "live tasks and their open attempt",
    "UPDATE dbo.tasks SET attempt = attempt + 1 WHERE status = 'assigned'",
    "UPDATE dbo.tasks SET attempt = attempt - 1 WHERE status = 'assigned'",
  ],
  [
    "open attempts of tasks that are not live",
    "UPDATE dbo.tasks SET status = 'pending' WHERE status = 'assigned'",
    "UPDATE dbo.tasks SET status = 'assigned' WHERE status = 'pending' AND attempt = 1",
  ],
  [
    "tasks.last_outcome",
    "UPDATE dbo.tasks SET last_outcome = 'failed' WHERE status = 'assigned'",
    "UPDATE dbo.tasks SET last_outcome = NULL WHERE status = 'assigned'",
  ],
  [
    "tasks.unmet_dependencies",
    "UPDATE dbo.tasks SET unmet_dependencies = 2 WHERE status = 'blocked'",
    "UPDATE dbo.tasks SET unmet_dependencies = 1 WHERE status = 'blocked'",
  ],
  [
    "tasks.dependents of tasks that others still wait for",
    "UPDATE dbo.tasks SET dependents = dependents - 1 WHERE status = 'assigned'",
    "UPDATE dbo.tasks SET dependents = dependents + 1 WHERE status = 'assigned'",
  ],
  [
    "messages held behind their ordering key",
    "UPDATE dbo.messages SET held = 0 WHERE attempt_limit = 77",
    "UPDATE dbo.messages SET held = 1 WHERE attempt_limit = 77",
  ],
  [
    "audit of task events",
    "UPDATE dbo.task_events SET event = 'requeued' WHERE event = 'created'",
    "UPDATE dbo.task_events SET event = 'created' WHERE event = 'requeued'",
  ],
  [
    "audit of agents' status",
    "UPDATE dbo.agents SET status = 'draining' WHERE role = 'supervisor'",
    "UPDATE dbo.agents SET status = 'active' WHERE role = 'supervisor'",
  ],
  [
    "audit of agents' role and capacity",
    "UPDATE dbo.agents SET role = 'admin' WHERE role = 'supervisor'",
    "UPDATE dbo.agents SET role = 'supervisor' WHERE role = 'admin'",
  ],
  [
    "ordering_keys.unsettled",
    "UPDATE dbo.ordering_keys SET unsettled = unsettled + 1",
    "UPDATE dbo.ordering_keys SET unsettled = unsettled - 1",
  ],
];

describe("recount on Azure SQL", () => {
  let pool: mssql.ConnectionPool;

  beforeAll(async () => {
    const database = await takeDatabase();
    const clock = new OffsetClock();
    const store = await openOn(database, {}, clock);
    const scene = new Scene({ store, clock, close: () => store.close() });
    const supervisor = await scene.supervisor();
    const worker = await scene.worker(1);
    const first = await scene.submit(supervisor);
    const { taskId, agentId, attempt } = await scene.held(first);
    const usage = [{ model: "m", inputTokens: 5, outputTokens: 6, costMicros: 7 }];
    await store.reportUsage(taskId, { agentId, attempt, usage });
    await scene.submit(supervisor);
    await scene.submit(supervisor, { dependsOn: [first] });
    await scene.channel("work_queue", { members: [worker], grants: [{ agentId: worker, post: true }] });
    for (const maxAttempts of [5, 77]) await scene.send(supervisor, worker, { orderingKey: "k", maxAttempts });
    await scene.receive(worker);
    await store.close();
    pool = await testPool(database);
  }, 900_000);

  afterAll(async () => {
    await pool?.close();
    await dropDatabases();
  });

  it("finds nothing in a sound database", async () => {
    expect(await recountMssql(pool)).toEqual([]);
  });

  it.each([...COUNTERS, ...ROWS])(
    "finds: %s",
    async (law, change, back) => {
      await pool.request().batch(change);
      const found = await recountMssql(pool);
      await pool.request().batch(back);
      expect({ law, found: found.some((problem) => problem.startsWith(`${law}: `)), all: found }).toMatchObject({
        law,
        found: true,
      });
    },
    60_000,
  );

  it("finds bodies and payloads that are gone", async () => {
    await pool.request().batch("DELETE FROM dbo.task_bodies; DELETE FROM dbo.message_payloads;");
    const found = await recountMssql(pool);
    for (const law of ["tasks have a body", "messages have a payload"]) {
      expect(found.filter((problem) => problem.startsWith(`${law}: `))).not.toEqual([]);
    }
  });
});
