import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, it } from "@jest/globals";
import { OffsetClock } from "../../src/lib/model/clock.ts";
import { openSqliteStore } from "../../src/lib/store/sqlite/open.ts";
import { CALM_SETTINGS } from "../contract/store-under-test.ts";
import { Scene } from "../contract/support.ts";
import { recount } from "./recount.ts";

/** A file in which every law has rows to look at. */
async function busyFile(file: string): Promise<void> {
  const clock = new OffsetClock();
  const store = openSqliteStore({ file, settings: CALM_SETTINGS, clock });
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
  for (let n = 0; n < 3; n++) await scene.send(supervisor, worker, { orderingKey: "k" });
  await scene.receive(worker, { types: ["notification"], maxMessages: 1 });
  await scene.receive(worker);
  await store.close();
}

/** Changes that make exactly one count wrong. */
const TAMPERING: readonly (readonly [string, string])[] = [
  ["counters messages:*", "UPDATE counters SET value = value + 1 WHERE name = 'messages:queued'"],
  ["counters tasks:*", "DELETE FROM counters WHERE name = 'tasks:pending'"],
  ["counters agents:role:*", "UPDATE counters SET value = 9 WHERE name = 'agents:role:worker'"],
  ["counters agents:status:*", "INSERT INTO counters VALUES ('agents:status:draining', 1)"],
  ["counters load:workers:*", "UPDATE counters SET value = 0 WHERE name = 'load:workers:1'"],
  ["counters load:tasks:*", "UPDATE counters SET value = 0 WHERE name = 'load:tasks:1'"],
  ["mailboxes.depth", "UPDATE mailboxes SET depth = depth + 1"],
  ["mailboxes.named", "UPDATE mailboxes SET named = named + 1"],
  ["agents that messages name", "UPDATE messages SET sender_no = 99 WHERE sender_no IS NOT NULL"],
  ["mailbox_senders.depth", "INSERT INTO mailbox_senders VALUES (1, 1, 1)"],
  ["messages in streams of their type", "UPDATE messages SET stream_type = NULL"],
  ["messages and their bodies", "DELETE FROM message_bodies WHERE arrival = 2"],
  ["tasks.last_outcome", "UPDATE tasks SET last_outcome = 'failed'"],
  ["agents that events name", "UPDATE task_events SET agent_no = 99 WHERE agent_no IS NOT NULL"],
  ["channels.members", "DELETE FROM channel_members"],
  ["channels.grants", "UPDATE channels SET grants = grants + 1"],
  ["channels and their mailboxes", "UPDATE agents SET status = 'inactive' WHERE agent_id LIKE '#%'"],
  ["channels and their mailboxes", "DELETE FROM channels"],
  ["agents.active_tasks", "UPDATE agents SET active_tasks = 0"],
  ["live tasks and their open attempt", "UPDATE tasks SET attempt = attempt + 1 WHERE status = 'assigned'"],
  ["open attempts of tasks that are not live", "UPDATE tasks SET status = 'pending' WHERE status = 'assigned'"],
  ["usage_hours.input_tokens", "UPDATE task_usage SET input_tokens = 6"],
  ["usage_hours.cost_micros", "UPDATE usage_hours SET cost_micros = 8"],
  ["usage_totals.output_tokens", "UPDATE usage_totals SET output_tokens = 7"],
  ["demands.waiting", "UPDATE demands SET waiting = 5"],
  ["tasks.unmet_dependencies", "UPDATE tasks SET unmet_dependencies = 2 WHERE status = 'blocked'"],
  ["capability_sets.workers", "UPDATE capability_sets SET workers = workers + 1"],
  ["capability_sets.active_workers", "UPDATE capability_sets SET active_workers = 0, free_workers = 0"],
  ["capability_sets.free_workers", "UPDATE capability_sets SET free_workers = active_workers"],
  ["messages held behind their ordering key", "UPDATE messages SET held = 0"],
  [
    "audit of task events",
    "DELETE FROM task_events WHERE event = 'created' AND task_no = 1; INSERT INTO task_events SELECT task_no, event_no + 9, event, at, attempt, agent_no, detail FROM task_events",
  ],
  ["audit of agents' status", "UPDATE agents SET status = 'draining' WHERE role = 'supervisor'"],
  ["audit of agents' role and capacity", "UPDATE agents SET max_concurrent_tasks = 9 WHERE role = 'supervisor'"],
];

describe("recount", () => {
  it("finds nothing in a sound file, and each count that was tampered with", async () => {
    const directory = await mkdtemp(join(tmpdir(), "agent-communication-"));
    try {
      const file = join(directory, "agents.db");
      await busyFile(file);
      expect(recount(file)).toEqual([]);
      for (const [law, sql] of TAMPERING) {
        const database = new DatabaseSync(file);
        database.exec(`PRAGMA foreign_keys = OFF; SAVEPOINT before; ${sql}; RELEASE before`);
        database.close();
        const found = recount(file).map((problem) => problem.slice(0, law.length));
        expect({ law, found: found.includes(law) }).toEqual({ law, found: true });
        await rm(directory, { recursive: true });
        await busyFile(file);
      }
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  });
});
