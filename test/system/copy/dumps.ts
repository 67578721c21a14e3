import { DatabaseSync } from "node:sqlite";
import type mssql from "mssql";

/** Everything that a copy takes across, read with the same statements from both databases. `@table` is the table. */

const OPEN = "m.status IN ('queued', 'leased', 'dead_lettered')";

const SHARED = {
  channels: `SELECT c.name, c.kind, c.description, c.created_by, c.created_at, c.request_hash, c.members, c.grants, a.agent_id
    FROM @channels AS c JOIN @agents AS a ON a.agent_no = c.channel_no ORDER BY c.name`,
  channelMembers: `SELECT c.name, a.agent_id, m.added_at FROM @channel_members AS m JOIN @channels AS c ON c.channel_no = m.channel_no
    JOIN @agents AS a ON a.agent_no = m.agent_no ORDER BY c.name, a.agent_id`,
  channelGrants: `SELECT c.name, g.grantee, a.agent_id, g.may_post, g.may_read, g.may_manage FROM @channel_grants AS g
    JOIN @channels AS c ON c.channel_no = g.channel_no LEFT JOIN @agents AS a ON a.agent_no = g.agent_no ORDER BY c.name, g.grantee`,
  messageTypes: "SELECT t.type, t.[schema], t.updated_at FROM @message_types AS t ORDER BY t.type",
  credentials: `SELECT c.credential_id, c.kind, a.agent_id, c.secret_hash, c.label, c.created_at, c.created_by, c.expires_at, c.revoked_at,
      c.last_used_at, c.roles, c.agent_id_prefix, c.max_uses, c.uses_left, c.subject, c.thumbprint, c.agent_ids, c.enrolled_by,
      c.enrolment_request, c.capabilities, c.max_concurrent_tasks, c.idle_days, c.token_days, c.renews
    FROM @credentials AS c LEFT JOIN @agents AS a ON a.agent_no = c.agent_no ORDER BY c.credential_no`,
  tasks: `SELECT t.task_id, s.agent_id AS supervisor, t.task_type, t.priority, t.status, t.version, t.last_outcome, t.silent_at, d.capabilities, n.agent_id AS assign_to,
      a.agent_id, t.attempt, t.retries_used, t.max_retries, t.timeout_milliseconds, t.start_timeout_milliseconds, t.unmet_dependencies, t.cancel_requested,
      t.[percent], t.created_at, t.available_at, t.assigned_at, t.started_at, t.deadline_at, t.ended_at, t.parent_task_id,
      t.idempotency_key, t.request_hash, b.description, b.parameters, b.key_version, b.preferred_capabilities, t.expires_at, t.gate, t.suspensions,
      f.workflow_id, t.stops, q.task_id AS parent, b.child_types, b.descendants
    FROM @tasks AS t JOIN @task_bodies AS b ON b.task_no = t.task_no JOIN @demands AS d ON d.demand_no = t.demand_no
    JOIN @agents AS s ON s.agent_no = t.supervisor_no LEFT JOIN @agents AS n ON n.agent_no = t.assign_to_no
    LEFT JOIN @agents AS a ON a.agent_no = t.agent_no LEFT JOIN @workflows AS f ON f.workflow_no = t.workflow_no
    LEFT JOIN @tasks AS q ON q.task_no = t.parent_no ORDER BY t.task_no`,
  outcomes: `SELECT t.task_id, o.note, o.result, o.key_version, o.error FROM @task_outcomes AS o JOIN @tasks AS t ON t.task_no = o.task_no
    ORDER BY t.task_no`,
  attempts: `SELECT t.task_id, x.attempt, a.agent_id, x.assigned_at, x.ended_at, x.outcome, x.answer, x.explanation
    FROM @task_attempts AS x JOIN @tasks AS t ON t.task_no = x.task_no JOIN @agents AS a ON a.agent_no = x.agent_no
    ORDER BY t.task_no, x.attempt`,
  dependencies: `SELECT t.task_id, d.position, d.depends_on, d.condition, d.settled, d.ref FROM @task_dependencies AS d
    JOIN @tasks AS t ON t.task_no = d.task_no ORDER BY t.task_no, d.position`,
  events: `SELECT t.task_id, e.event, e.at, e.attempt, a.agent_id, e.detail FROM @task_events AS e
    JOIN @tasks AS t ON t.task_no = e.task_no LEFT JOIN @agents AS a ON a.agent_no = e.agent_no ORDER BY t.task_no, e.event_no`,
  endedDependencies: "SELECT e.task_id, e.completed FROM @ended_dependencies AS e ORDER BY e.task_id",
  workflows: `SELECT w.workflow_id, a.agent_id, w.stop_on_failure, w.notify, w.status, w.version, w.open_tasks, w.completed, w.failed,
      w.cancelled, w.not_needed, w.stopped, w.created_at, w.ended_at, w.idempotency_key, w.request_hash
    FROM @workflows AS w JOIN @agents AS a ON a.agent_no = w.supervisor_no ORDER BY w.workflow_no`,
  workflowTasks: `SELECT w.workflow_id, k.position, t.task_id, k.ref FROM @workflow_tasks AS k JOIN @workflows AS w ON w.workflow_no = k.workflow_no
    JOIN @tasks AS t ON t.task_no = k.task_no ORDER BY k.workflow_no, k.position`,
  suspensions: `SELECT t.task_id, u.unanswered, u.resumed_by FROM @task_suspensions AS u JOIN @tasks AS t ON t.task_no = u.task_no
    ORDER BY t.task_no`,
  questions: `SELECT t.task_id, q.attempt, q.asked_version, q.state, q.asked_at, q.timeout_milliseconds, q.expires_at, q.has_default,
      q.default_rejects, q.answer_hash, q.answered_by, q.answered_at
    FROM @task_questions AS q JOIN @tasks AS t ON t.task_no = q.task_no ORDER BY t.task_no, q.attempt`,
  answerers: `SELECT t.task_id, q.attempt, a.agent_id, r.asked, r.[open] FROM @question_answerers AS r
    JOIN @task_questions AS q ON q.question_no = r.question_no JOIN @tasks AS t ON t.task_no = q.task_no
    JOIN @agents AS a ON a.agent_no = r.agent_no ORDER BY t.task_no, q.attempt, a.agent_id`,
  values: `SELECT t.task_id, v.name, v.value, v.key_version FROM @task_values AS v JOIN @tasks AS t ON t.task_no = v.task_no
    ORDER BY t.task_no, v.name`,
  schedules: `SELECT s.schedule_id, a.agent_id, s.cron, s.timezone, s.overlap, s.enabled, s.creates, s.contents, s.key_version, s.due_at,
      s.planned_at, s.refusals, s.firings, s.version, s.created_at, s.updated_at
    FROM @schedules AS s JOIN @agents AS a ON a.agent_no = s.supervisor_no ORDER BY s.schedule_no`,
  archive: `SELECT x.task_id, x.status, x.supervisor_id, x.ended_at, x.attempt, x.idempotency_key, x.request_hash, x.task,
      x.key_version, x.result_key_version, x.assignments, x.events FROM @task_archive AS x ORDER BY x.task_id`,
  usage: `SELECT t.task_id, u.attempt, u.provider, u.model, u.input_tokens, u.output_tokens, u.cache_read_tokens, u.cache_write_tokens, u.reasoning_tokens, u.cost_micros FROM @task_usage AS u
    JOIN @tasks AS t ON t.task_no = u.task_no ORDER BY t.task_no, u.attempt, u.provider, u.model`,
  usageHours: `SELECT h.hour, h.agent_id, h.task_type, h.supervisor_id, h.provider, h.model, h.input_tokens, h.output_tokens, h.cache_read_tokens, h.cache_write_tokens, h.reasoning_tokens, h.cost_micros FROM @usage_hours AS h
    ORDER BY h.hour, h.agent_id, h.task_type, h.supervisor_id, h.provider, h.model`,
  usageTotals:
    "SELECT SUM(e.input_tokens) AS input_tokens, SUM(e.output_tokens) AS output_tokens, SUM(e.cache_read_tokens) AS cache_read_tokens, SUM(e.cache_write_tokens) AS cache_write_tokens, SUM(e.reasoning_tokens) AS reasoning_tokens, SUM(e.cost_micros) AS cost_micros FROM @usage_totals AS e",
  met: `SELECT d.capabilities AS demand, s.capabilities AS capability_set FROM @demand_sets AS x
    JOIN @demands AS d ON d.demand_no = x.demand_no JOIN @capability_sets AS s ON s.set_no = x.set_no
    WHERE EXISTS (SELECT 1 FROM @agents AS a WHERE a.set_no = x.set_no AND a.role = 'worker' AND a.status <> 'deregistered')`,
};

const MESSAGES = `SELECT m.message_id, s.agent_id AS sender, r.agent_id AS receiver, m.type, m.priority, m.status, m.held, m.joined,
    m.attempt, m.attempt_limit, m.max_attempts, m.accepted_at, m.available_at, m.expires_at, m.lease_expires_at, m.ended_at,
    m.settlement, m.claim_id, m.reason, m.correlation_id, m.reply_to, m.ordering_key, m.idempotency_key, m.request_hash,
    m.sender_role, m.sender_credential, m.key_version, t.task_id, m.task_attempt, m.channel, m.post_id, m.holder, PAYLOAD AS payload
  FROM @messages AS m JOIN @agents AS r ON r.agent_no = m.receiver_no LEFT JOIN @agents AS s ON s.agent_no = m.sender_no
  LEFT JOIN @message_payloads AS p ON p.arrival = m.arrival LEFT JOIN @tasks AS t ON t.task_no = m.task_no`;

const AGENTS = `SELECT a.agent_id, a.role, a.status, c.capabilities, l.max_concurrent_tasks, l.active_tasks, a.registered_at,
    h.last_heartbeat_at, a.status_changed_at, l.last_assigned_at, l.completed, l.failed, l.completed_milliseconds,
    l.p95_milliseconds, m.metadata
  FROM @agents AS a JOIN @capability_sets AS c ON c.set_no = a.set_no LEFT JOIN @agent_metadata AS m ON m.agent_no = a.agent_no`;
const APART =
  "JOIN @agent_loads AS l ON l.agent_no = a.agent_no JOIN @agent_heartbeats AS h ON h.agent_no = a.agent_no";

/** What the embedded store keeps in message_bodies, and in task_explanations. */
const IN_BODIES =
  /\bm\.(message_id|type|max_attempts|correlation_id|reply_to|idempotency_key|request_hash|sender_role|sender_credential|key_version|task_no|task_attempt|channel|post_id)\b/g;

const OF_SQLITE = {
  ...SHARED,
  attempts: SHARED.attempts
    .replace("x.explanation", "y.explanation")
    .replace("ORDER BY", "JOIN task_explanations AS y ON y.task_no = x.task_no AND y.attempt = x.attempt ORDER BY"),
  agents: `${AGENTS.replaceAll(/\b[lh]\./g, "a.")} ORDER BY a.agent_id`,
  messages: `${MESSAGES.replace("PAYLOAD", "p.payload").replaceAll("@message_payloads AS p", "message_bodies AS p").replaceAll(IN_BODIES, "p.$1")}
    WHERE ${OPEN} ORDER BY m.arrival`,
};
const OF_MSSQL = {
  ...SHARED,
  agents: `${AGENTS} ${APART} ORDER BY a.agent_id`,
  messages: `${MESSAGES.replace("PAYLOAD", "p.payload")} ORDER BY m.arrival`,
};

export type Dump = Record<keyof typeof OF_SQLITE, Record<string, unknown>[]>;

/** Flags as numbers, and numbers as numbers: bigint arrives as text. No id in these tests is made of digits alone. */
function plain(value: unknown): unknown {
  if (typeof value === "boolean") return Number(value);
  return typeof value === "string" && /^\d+$/.test(value) ? Number(value) : value;
}

async function dump(
  statements: Record<keyof Dump, string>,
  read: (sql: string) => Promise<readonly object[]>,
): Promise<Dump> {
  const tables: [string, object[]][] = [];
  for (const [name, sql] of Object.entries(statements)) {
    const rows = (await read(sql)).map((row) =>
      Object.fromEntries(Object.entries(row).map(([column, value]) => [column, plain(value)])),
    );
    // The pairs have no order of their own.
    if (name === "met") rows.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
    tables.push([name, rows]);
  }
  return Object.fromEntries(tables) as Dump;
}

/** What there is to copy in a file that nobody serves. */
export async function dumpSqlite(file: string): Promise<Dump> {
  const database = new DatabaseSync(file, { readOnly: true });
  try {
    return await dump(OF_SQLITE, async (sql) => database.prepare(sql.replaceAll("@", "")).all());
  } finally {
    database.close();
  }
}

/** The same of an Azure SQL database. */
export async function dumpMssql(pool: mssql.ConnectionPool): Promise<Dump> {
  return dump(OF_MSSQL, async (sql) => (await pool.request().query(sql.replaceAll("@", "dbo."))).recordset);
}
