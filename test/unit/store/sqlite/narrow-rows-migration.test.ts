import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { gunzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { OffsetClock } from "../../../../src/lib/model/clock.ts";
import { readMigrations } from "../../../../src/lib/store/migrations.ts";
import { openSqliteStore } from "../../../../src/lib/store/sqlite/open.ts";
import { CALM_SETTINGS } from "../../../contract/store-under-test.ts";
import { Scene } from "../../../contract/support.ts";
import { recount, rowsOf } from "../../../support/recount.ts";

const MIGRATIONS = new URL("../../../../src/lib/store/sqlite/migrations/", import.meta.url);
/** What the build before 0013 wrote: everything in every state, by its own verbs (filled-source.ts of that build). */
const ROWS = new URL("./rows-before-0013.sql.gz", import.meta.url);

let directory = "";
let file = "";

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "agent-communication-"));
  file = join(directory, "agents.db");
});
afterEach(() => rm(directory, { recursive: true, force: true }));

/** A file as the version before left it. */
async function writeBefore(more = ""): Promise<void> {
  const database = new DatabaseSync(file, { enableForeignKeyConstraints: false });
  database.exec(
    "CREATE TABLE schema_migrations (version INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL, applied_at INTEGER NOT NULL) STRICT",
  );
  const record = database.prepare("INSERT INTO schema_migrations VALUES (?, ?, ?, 0)");
  for (const { version, name, checksum, sql } of readMigrations(MIGRATIONS).filter(({ version }) => version < 13)) {
    database.exec(sql);
    record.run(version, name, checksum);
  }
  database.exec(`BEGIN; ${gunzipSync(await readFile(ROWS)).toString()}; ${more}; COMMIT`);
  database.close();
}

function open() {
  const clock = new OffsetClock();
  const store = openSqliteStore({ file, settings: CALM_SETTINGS, clock });
  return new Scene({ store, clock, close: () => store.close() });
}

const MESSAGE = `message_id, sender_no, receiver_no, type, priority, status, held, attempt, attempt_limit, max_attempts, accepted_at,
  available_at, expires_at, lease_expires_at, ended_at, settlement, claim_id, reason, correlation_id, reply_to, ordering_key,
  idempotency_key, request_hash, task_no, task_attempt, channel, post_id, holder, sender_role, sender_credential, key_version,
  traceparent, iif(status = 'queued', joined, 1) AS joined`;
const BEFORE = {
  messages: `SELECT m.arrival, ${MESSAGE}, coalesce(m.payload, p.payload) AS payload
    FROM messages m LEFT JOIN message_payloads p USING (arrival) ORDER BY m.arrival`,
  attempts: "SELECT * FROM task_attempts ORDER BY task_no, attempt",
  mailboxes: "SELECT agent_no, depth FROM mailboxes WHERE depth > 0 ORDER BY agent_no",
};
const AFTER = {
  messages: `SELECT arrival, ${MESSAGE}, payload FROM messages JOIN message_bodies USING (arrival) ORDER BY arrival`,
  attempts: `SELECT task_no, attempt, agent_no, assigned_at, ended_at, outcome, answer, explanation
    FROM task_attempts JOIN task_explanations USING (task_no, attempt) ORDER BY task_no, attempt`,
  mailboxes: BEFORE.mailboxes,
};
const UNCHANGED = {
  tasks: `SELECT task_no, task_id, supervisor_no, task_type, priority, status, demand_no, assign_to_no, agent_no, attempt, retries_used,
    max_retries, timeout_milliseconds, unmet_dependencies, cancel_requested, percent, created_at, available_at, assigned_at,
    started_at, deadline_at, ended_at, parent_task_id, idempotency_key, request_hash FROM tasks ORDER BY task_no`,
  events: "SELECT * FROM task_events ORDER BY task_no, event_no",
  agents: "SELECT * FROM agents ORDER BY agent_no",
  sequence: "SELECT name, seq FROM sqlite_sequence ORDER BY name",
  ...Object.fromEntries(
    ["task_bodies", "task_archive", "credentials", "channels", "counters"].map((table) => [
      table,
      `SELECT * FROM ${table} ORDER BY 1, 2`,
    ]),
  ),
  task_outcomes: "SELECT task_no, note, result, key_version, error FROM task_outcomes ORDER BY 1",
  task_dependencies: "SELECT task_no, position, depends_on, settled FROM task_dependencies ORDER BY 1, 2",
};

const read = (queries: Record<string, string>) =>
  Object.fromEntries(Object.entries(queries).map(([name, sql]) => [name, rowsOf(file, sql)]));

type Tables = ReturnType<typeof read>;

/** The columns that the first rows have: later migrations add others. */
function withColumnsOf(first: Tables, second: Tables): Tables {
  return Object.fromEntries(
    Object.entries(second).map(([name, rows]) => {
      const columns = Object.keys(first[name]?.[0] ?? {});
      return [name, rows.map((row) => Object.fromEntries(columns.map((column) => [column, row[column]])))];
    }),
  ) as Tables;
}

describe("a database of the version before the narrow rows", () => {
  it("keeps every row, adds up, and goes on", async () => {
    await writeBefore();
    const before = read({ ...UNCHANGED, ...BEFORE });
    expect(new Set(before.messages?.map(({ status }) => status)).size).toBeGreaterThanOrEqual(4);
    const scene = open();
    const { store } = scene;
    expect(withColumnsOf(before, read({ ...UNCHANGED, ...AFTER }))).toEqual(before);
    expect(recount(file)).toEqual([]);
    const [sender, receiver] = [await scene.supervisor(), await scene.agent()];
    const messageId = await scene.send(sender, receiver);
    expect((await scene.receive(receiver)).map((message) => message.messageId)).toEqual([messageId]);
    await scene.submit(sender);
    const highest = Math.max(
      ...(before.sequence ?? []).filter(({ name }) => name === "tasks").map(({ seq }) => Number(seq)),
    );
    expect(rowsOf(file, "SELECT max(task_no) AS no FROM tasks")).toEqual([{ no: highest + 1 }]);
    await store.sweep();
    await store.maintain();
    await store.close();
    expect(recount(file)).toEqual([]);
  });

  it("is migrated whole with 100,000 messages and 20,000 tasks", async () => {
    await writeBefore(MANY);
    const before = read(TOTALS);
    expect(before).toMatchObject({ messages: [{ n: expect.any(Number) }] });
    await open().store.close();
    expect(read(TOTALS)).toEqual(before);
    expect(recount(file)).toEqual([]);
    expect(rowsOf(file, "SELECT count(*) AS n FROM message_bodies b JOIN messages m USING (arrival)")).toEqual(
      before.messages,
    );
  }, 120_000);

  it("is left as it was when a row refers to none", async () => {
    await writeBefore(
      "INSERT INTO task_events SELECT 99999, 1, event, at, attempt, NULL, NULL FROM task_events LIMIT 1",
    );
    expect(() => open()).toThrow("a row of task_events refers to none in tasks");
    expect(rowsOf(file, "SELECT max(version) AS version FROM schema_migrations")).toEqual([{ version: 12 }]);
    expect(rowsOf(file, "SELECT count(*) AS n FROM message_payloads")[0]?.n).toBeGreaterThan(0);
  });
});

const COMPLETED = "(SELECT * FROM tasks WHERE status = 'completed' LIMIT 1)";
/** Copies of an ended message and of a completed task, counted as their verbs would have. */
const MANY = `
  WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 100000)
  INSERT INTO messages (message_id, sender_no, receiver_no, type, priority, status, held, attempt, attempt_limit, max_attempts,
      accepted_at, available_at, ended_at, settlement, request_hash, sender_role, sender_credential, payload)
    SELECT 'copy-' || n, m.sender_no, m.receiver_no, m.type, m.priority, 'completed', 0, 1, 5, 5, m.accepted_at, m.accepted_at,
      m.accepted_at + 1, 'complete', m.request_hash, m.sender_role, m.sender_credential, '{"text":"' || hex(zeroblob(95)) || '"}'
    FROM n, (SELECT * FROM messages WHERE sender_no IS NOT NULL LIMIT 1) m;
  WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 20000)
  INSERT INTO tasks (task_no, task_id, supervisor_no, task_type, priority, status, demand_no, agent_no, attempt, max_retries,
      timeout_milliseconds, created_at, available_at, assigned_at, ended_at, request_hash)
    SELECT 100000 + n, 'copy-' || n, supervisor_no, task_type, priority, status, demand_no, agent_no, attempt, max_retries,
      timeout_milliseconds, created_at, available_at, assigned_at, ended_at, request_hash FROM n, ${COMPLETED};
  INSERT INTO task_bodies (task_no, description, parameters, preferred_capabilities)
    SELECT task_no, 'copy', '{}', '[]' FROM tasks WHERE task_no > 100000;
  INSERT INTO task_attempts SELECT t.task_no, a.attempt, a.agent_no, a.assigned_at, a.ended_at, a.outcome, a.answer, a.explanation
    FROM tasks t, (SELECT * FROM task_attempts WHERE task_no = (SELECT task_no FROM ${COMPLETED})) a WHERE t.task_no > 100000;
  UPDATE counters SET value = value + 100000 WHERE name = 'messages:completed';
  UPDATE counters SET value = value + 20000 WHERE name = 'tasks:completed'`;
const TOTALS = {
  messages: "SELECT count(*) AS n FROM messages",
  tasks: "SELECT count(*) AS n FROM tasks",
  attempts: "SELECT count(*) AS n, max(ended_at) AS ended FROM task_attempts",
};
