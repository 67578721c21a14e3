import { DatabaseSync, type StatementSync } from "node:sqlite";

/**
 * Counts the rows of a database file again and compares them with every counter that the store keeps beside them. Works
 * on the file alone, so it also judges what a killed process left behind.
 */

/** One count that should be equal to its rows: the statement returns a row for each one that is not. */
interface Law {
  name: string;
  /** Columns `what`, `counted` and `kept`; only rows where the two differ. */
  sql: string;
}

const LIVE = "('assigned', 'running')";

/** A counter of `counters` beside the rows it stands for: `rows` selects `what` (without the prefix) and `counted`. */
function counterLaw(prefix: string, rows: string, excluded: readonly string[] = []): Law {
  const not = excluded.map((name) => `AND name <> '${name}'`).join(" ");
  const kept = `SELECT substr(name, ${prefix.length + 1}) AS what, value AS kept FROM counters
                WHERE substr(name, 1, ${prefix.length}) = '${prefix}' ${not}`;
  return {
    name: `counters ${prefix}*`,
    sql: `SELECT coalesce(r.what, k.what) AS what, coalesce(counted, 0) AS counted, coalesce(kept, 0) AS kept
          FROM (${rows}) r FULL JOIN (${kept}) k ON k.what = r.what
          WHERE coalesce(counted, 0) <> coalesce(kept, 0)`,
  };
}

/** The mailboxes of channels are rows of agents, too: "#name". */
const IS_AGENT = "agent_id NOT LIKE '#%'";
const WORKERS = "FROM agents WHERE role = 'worker' AND status = 'active' AND max_concurrent_tasks > 0";

/** The entries that tell the status of an agent, and what it is besides; the latest of each agent. */
const latest = (
  actions: string,
  columns: string,
) => `SELECT subject_id, ${columns} FROM audit_entries WHERE entry_no IN (
  SELECT max(entry_no) FROM audit_entries WHERE subject_kind = 'agent' AND action IN (${actions}) GROUP BY subject_id)`;

/** What is in the audit, because it was written in the transaction of the change. */
const AUDIT: readonly Law[] = [
  {
    name: "audit of task events",
    sql: `SELECT e.task_id || ' ' || e.event AS what, e.counted, coalesce(x.kept, 0) AS kept
          FROM (SELECT t.task_id, h.event, count(*) AS counted FROM task_events h JOIN tasks t USING (task_no) GROUP BY 1, 2) e
          LEFT JOIN (SELECT subject_id, action, count(*) AS kept FROM audit_entries WHERE subject_kind = 'task' GROUP BY 1, 2) x
            ON x.subject_id = e.task_id AND x.action = 'task.' || e.event
          WHERE e.counted <> coalesce(x.kept, 0)`,
  },
  {
    name: "audit of agents' status",
    sql: `SELECT a.agent_id || ' ' || a.status || ' ' || coalesce(l.status, '') AS what, 1 AS counted, 0 AS kept FROM agents a
          LEFT JOIN (${latest(
            "'agent.registered', 'agent.status_changed', 'agent.deregistered'",
            "coalesce(json_extract(detail, '$.to'), json_extract(detail, '$.status')) AS status",
          )}) l ON l.subject_id = a.agent_id
          WHERE ${IS_AGENT} AND a.status IS NOT l.status`,
  },
  {
    name: "audit of agents' role and capacity",
    sql: `SELECT a.agent_id AS what, a.max_concurrent_tasks AS counted, coalesce(l.capacity, 0) AS kept FROM agents a
          LEFT JOIN (${latest(
            "'agent.registered', 'agent.changed'",
            "json_extract(detail, '$.role') AS role, json_extract(detail, '$.maxConcurrentTasks') AS capacity",
          )}) l ON l.subject_id = a.agent_id
          WHERE ${IS_AGENT} AND (a.role IS NOT l.role OR a.max_concurrent_tasks IS NOT l.capacity)`,
  },
];

/** What is counted of usage. */
const USAGE = [
  "input_tokens",
  "output_tokens",
  "cache_read_tokens",
  "cache_write_tokens",
  "reasoning_tokens",
  "cost_micros",
] as const;

const LAWS: readonly Law[] = [
  ...AUDIT,
  counterLaw("messages:", "SELECT status AS what, count(*) AS counted FROM messages GROUP BY status"),
  counterLaw("tasks:", "SELECT status AS what, count(*) AS counted FROM tasks GROUP BY status", [
    "tasks:assigned_once",
    "tasks:completed_total",
    "tasks:failed_total",
    "tasks:not_needed_total",
    "tasks:attempts_failed_total",
    "tasks:attempts_lost_total",
  ]),
  counterLaw(
    "agents:role:",
    `SELECT role AS what, count(*) AS counted FROM agents WHERE status <> 'deregistered' AND ${IS_AGENT} GROUP BY role`,
  ),
  counterLaw(
    "agents:status:",
    `SELECT status AS what, count(*) AS counted FROM agents WHERE status <> 'deregistered' AND ${IS_AGENT} GROUP BY status`,
  ),
  counterLaw(
    "load:workers:",
    `SELECT CAST(max_concurrent_tasks AS TEXT) AS what, count(*) AS counted ${WORKERS} GROUP BY 1`,
  ),
  counterLaw(
    "load:tasks:",
    `SELECT CAST(max_concurrent_tasks AS TEXT) AS what, sum(active_tasks) AS counted ${WORKERS} GROUP BY 1`,
  ),
  {
    name: "mailboxes.depth",
    sql: `SELECT what, counted, kept FROM (
            SELECT a.agent_id AS what,
              (SELECT count(*) FROM messages WHERE receiver_no = a.agent_no AND status IN ('queued', 'leased')) AS counted,
              coalesce((SELECT depth FROM mailboxes WHERE agent_no = a.agent_no), 0) AS kept
            FROM agents a) WHERE counted <> kept`,
  },
  {
    name: "mailboxes.named",
    sql: `SELECT what, counted, kept FROM (
            SELECT a.agent_id AS what, (SELECT count(*) FROM messages WHERE receiver_no = a.agent_no)
                + (SELECT count(*) FROM messages WHERE sender_no = a.agent_no) AS counted,
              coalesce((SELECT named FROM mailboxes WHERE agent_no = a.agent_no), 0) AS kept
            FROM agents a) WHERE counted <> kept`,
  },
  {
    name: "agents that messages name",
    sql: `SELECT m.arrival AS what, count(a.agent_no) AS counted, 1 + (m.sender_no IS NOT NULL) AS kept FROM messages m
          LEFT JOIN agents a ON a.agent_no = m.receiver_no OR a.agent_no = m.sender_no
          WHERE m.sender_no IS NOT m.receiver_no GROUP BY m.arrival HAVING counted <> kept`,
  },
  {
    name: "mailbox_senders.depth",
    sql: `SELECT what, counted, kept FROM (
            SELECT coalesce(c.receiver_no, s.receiver_no) || ' from ' || coalesce(c.sender_no, s.sender_no) AS what,
              coalesce(c.counted, 0) AS counted, coalesce(s.depth, 0) AS kept
            FROM (SELECT receiver_no, sender_no, count(*) AS counted FROM messages JOIN mailboxes b ON b.agent_no = receiver_no
                  WHERE b.by_sender = 1 AND sender_no IS NOT NULL AND status IN ('queued', 'leased') GROUP BY 1, 2) c
            FULL JOIN mailbox_senders s ON s.receiver_no = c.receiver_no AND s.sender_no = c.sender_no) WHERE counted <> kept`,
  },
  {
    name: "messages in streams of their type",
    sql: `SELECT m.arrival AS what, b.type AS counted, m.stream_type AS kept FROM messages m JOIN message_bodies b USING (arrival)
          JOIN mailboxes x ON x.agent_no = m.receiver_no
          WHERE iif(m.status = 'queued', x.by_type = 2 AND m.stream_type IS NOT b.type, m.stream_type IS NOT NULL)`,
  },
  {
    name: "dead letters",
    sql: `SELECT arrival AS what, iif(status = 'dead_lettered', ended_at, NULL) AS counted, dead_at AS kept FROM messages
          WHERE counted IS NOT kept`,
  },
  {
    name: "messages and their bodies",
    sql: `SELECT m.arrival AS what, 0 AS counted, 1 AS kept FROM messages m
          WHERE NOT EXISTS (SELECT 1 FROM message_bodies b WHERE b.arrival = m.arrival)`,
  },
  {
    name: "tasks.last_outcome",
    sql: `SELECT task_id AS what, counted, last_outcome AS kept FROM (SELECT *, (SELECT outcome FROM task_attempts a
            WHERE a.task_no = t.task_no AND outcome IS NOT NULL ORDER BY a.attempt DESC LIMIT 1) AS counted FROM tasks t)
          WHERE counted IS NOT last_outcome`,
  },
  {
    name: "agents that events name",
    sql: `SELECT e.task_no AS what, 0 AS counted, e.agent_no AS kept FROM task_events e WHERE e.agent_no IS NOT NULL
          AND NOT EXISTS (SELECT 1 FROM task_attempts a WHERE a.task_no = e.task_no AND a.agent_no = e.agent_no)
          AND NOT EXISTS (SELECT 1 FROM question_answerers r JOIN task_questions q USING (question_no)
            WHERE q.task_no = e.task_no AND r.agent_no = e.agent_no AND e.event = 'answered')`,
  },
  {
    name: "channels.members",
    sql: `SELECT what, counted, kept FROM (
            SELECT name AS what, members AS kept,
              (SELECT count(*) FROM channel_members m WHERE m.channel_no = c.channel_no) AS counted
            FROM channels c) WHERE counted <> kept`,
  },
  {
    name: "channels.grants",
    sql: `SELECT what, counted, kept FROM (
            SELECT name AS what, grants AS kept,
              (SELECT count(*) FROM channel_grants g WHERE g.channel_no = c.channel_no) AS counted
            FROM channels c) WHERE counted <> kept`,
  },
  {
    name: "channels and their mailboxes",
    sql: `SELECT what, counted, kept FROM (
            SELECT coalesce(c.name, a.agent_id) AS what, coalesce(a.status = 'active' AND a.agent_id = '#' || c.name, 0) AS counted,
              c.name IS NOT NULL AS kept
            FROM channels c FULL JOIN (SELECT * FROM agents WHERE NOT ${IS_AGENT} AND status <> 'deregistered') a
              ON a.agent_no = c.channel_no) WHERE counted <> kept OR kept = 0`,
  },
  {
    name: "agents.active_tasks",
    sql: `SELECT what, counted, kept FROM (
            SELECT agent_id AS what, active_tasks AS kept,
              (SELECT count(*) FROM tasks t WHERE t.agent_no = a.agent_no AND t.status IN ${LIVE}) AS counted
            FROM agents a) WHERE counted <> kept`,
  },
  {
    name: "live tasks and their open attempt",
    sql: `SELECT t.task_id AS what, count(x.attempt) AS counted, 1 AS kept FROM tasks t
          LEFT JOIN task_attempts x ON x.task_no = t.task_no AND x.attempt = t.attempt AND x.agent_no = t.agent_no AND x.ended_at IS NULL
          WHERE t.status IN ${LIVE} GROUP BY t.task_no HAVING counted <> 1`,
  },
  {
    name: "open attempts of tasks that are not live",
    sql: `SELECT t.task_id AS what, count(*) AS counted, 0 AS kept FROM tasks t
          JOIN task_attempts x ON x.task_no = t.task_no AND x.ended_at IS NULL
          WHERE t.status NOT IN ${LIVE} OR x.attempt <> t.attempt GROUP BY t.task_no`,
  },
  {
    name: "demands.waiting",
    sql: `SELECT what, counted, kept FROM (
            SELECT capabilities AS what, waiting AS kept, (SELECT count(*) FROM tasks t
              WHERE t.demand_no = d.demand_no AND t.status = 'pending' AND t.assign_to_no IS NULL) AS counted
            FROM demands d) WHERE counted <> kept`,
  },
  {
    name: "tasks.unmet_dependencies",
    sql: `SELECT what, counted, kept FROM (
            SELECT t.task_id AS what, t.unmet_dependencies AS kept,
              (SELECT count(*) FROM task_dependencies d WHERE d.task_no = t.task_no AND d.settled = 0) AS counted
            FROM tasks t WHERE t.status = 'blocked') WHERE counted <> kept`,
  },
  ...(
    [
      ["workers", "status <> 'deregistered'"],
      ["active_workers", "status = 'active'"],
      ["free_workers", "status = 'active' AND active_tasks < max_concurrent_tasks"],
    ] as const
  ).map(([column, condition]) => ({
    name: `capability_sets.${column}`,
    sql: `SELECT what, counted, kept FROM (
            SELECT capabilities AS what, ${column} AS kept, (SELECT count(*) FROM agents a
              WHERE a.set_no = s.set_no AND a.role = 'worker' AND ${condition}) AS counted
            FROM capability_sets s) WHERE counted <> kept`,
  })),
  ...USAGE.map((column) => ({
    name: `usage_hours.${column}`,
    // Of what tasks have that are there; the hours stay when a task goes.
    sql: `SELECT coalesce(c.what, k.what) AS what, coalesce(counted, 0) AS counted, coalesce(kept, 0) AS kept FROM (
            SELECT a.agent_id || ' ' || t.task_type || ' ' || s.agent_id || ' ' || u.provider || ' ' || u.model AS what,
              total(u.${column}) AS counted
            FROM task_usage u JOIN tasks t USING (task_no) JOIN task_attempts p ON p.task_no = u.task_no AND p.attempt = u.attempt
            JOIN agents a ON a.agent_no = p.agent_no JOIN agents s ON s.agent_no = t.supervisor_no GROUP BY 1) c
          FULL JOIN (SELECT agent_id || ' ' || task_type || ' ' || supervisor_id || ' ' || provider || ' ' || model AS what,
              total(${column}) AS kept FROM usage_hours GROUP BY 1) k ON k.what = c.what
          WHERE coalesce(counted, 0) > coalesce(kept, 0)
            OR (coalesce(counted, 0) < coalesce(kept, 0) AND NOT EXISTS (SELECT 1 FROM task_archive))`,
  })),
  ...USAGE.map((column) => ({
    name: `usage_totals.${column}`,
    sql: `SELECT 'all' AS what, (SELECT total(${column}) FROM usage_hours) AS counted, ${column} AS kept FROM usage_totals
          WHERE counted > kept OR (counted < kept AND NOT EXISTS (SELECT 1 FROM task_archive))`,
  })),
  {
    name: "messages held behind their ordering key",
    sql: `SELECT m.arrival AS what, m.held AS kept, EXISTS (SELECT 1 FROM messages o
            WHERE o.receiver_no = m.receiver_no AND o.ordering_key = m.ordering_key AND o.arrival < m.arrival
              AND o.joined = 1 AND o.status IN ('queued', 'leased')) AS counted
          FROM messages m WHERE m.ordering_key IS NOT NULL AND m.joined = 1 AND m.status = 'queued' AND counted <> kept`,
  },
  {
    name: "messages that have not joined their ordering key",
    sql: `SELECT m.arrival AS what, 0 AS counted, m.held AS kept FROM messages m
          WHERE m.joined = 0 AND (m.held = 0 OR m.status <> 'queued' OR m.ordering_key IS NULL)`,
  },
];

/** Counts one file as often as asked: making the 60 statements takes as long as running them on a small file. */
export class Recount {
  readonly #database: DatabaseSync;
  readonly #integrity: StatementSync;
  readonly #foreignKeys: StatementSync;
  readonly #laws: readonly { name: string; statement: StatementSync }[];

  /** @param file a database of ours; it is opened for reading only, so a running process may hold it */
  constructor(file: string) {
    this.#database = new DatabaseSync(file, { readOnly: true, timeout: 5_000 });
    try {
      this.#integrity = this.#database.prepare("PRAGMA integrity_check(5)");
      this.#foreignKeys = this.#database.prepare("PRAGMA foreign_key_check");
      this.#laws = LAWS.map(({ name, sql }) => ({ name, statement: this.#database.prepare(sql) }));
    } catch (error) {
      this.#database.close();
      throw error;
    }
  }

  close(): void {
    this.#database.close();
  }

  /**
   * What does not add up in the file, one line each; empty when every counter equals its rows, every foreign key has its row, and SQLite
   * itself finds the file sound.
   */
  problems(): string[] {
    const problems: string[] = [];
    this.#database.exec("BEGIN");
    try {
      for (const { integrity_check } of this.#integrity.all()) {
        if (integrity_check !== "ok") problems.push(`integrity_check: ${String(integrity_check)}`);
      }
      for (const row of this.#foreignKeys.all()) problems.push(`foreign_key_check: ${JSON.stringify(row)}`);
      for (const { name, statement } of this.#laws) {
        for (const row of statement.all().slice(0, 5)) {
          problems.push(`${name}: ${String(row.what)} has ${String(row.counted)} rows, kept ${String(row.kept)}`);
        }
      }
    } finally {
      this.#database.exec("COMMIT");
    }
    return problems;
  }
}

/**
 * Counts a file once, as {@link Recount} does.
 *
 * @param file a database of ours; it is opened for reading only, so a running process may hold it
 */
export function recount(file: string): string[] {
  const counting = new Recount(file);
  try {
    return counting.problems();
  } finally {
    counting.close();
  }
}

/** Rows of a read-only query on the file. */
export function rowsOf(file: string, sql: string): Record<string, unknown>[] {
  const database = new DatabaseSync(file, { readOnly: true, timeout: 5_000 });
  try {
    return database.prepare(sql).all();
  } finally {
    database.close();
  }
}
