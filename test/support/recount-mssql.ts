import type mssql from "mssql";
import { CHILD_PLACES } from "../../src/lib/store/rules/children.ts";

/**
 * Counts the rows of an Azure SQL database again and compares them with every counter, flag and sum that the store keeps
 * beside them: the twin of recount.ts. To be asked when no process writes: it reads in several statements.
 */

/** One count that should be equal to its rows: the statement returns a row for each one that is not. */
interface Law {
  name: string;
  /** Columns `what`, `counted` and `kept`; only rows where the two differ. */
  sql: string;
}

const LIVE = "('assigned', 'running')";
const OPEN = "('queued', 'leased')";
const SLOTS = 8;

/** Rows `what`, `counted` and `kept` of a query where the two differ. */
function differing(rows: string): string {
  return `SELECT what, counted, kept FROM (${rows}) AS x WHERE counted <> kept`;
}

/** Counters whose name is `prefix` + what + `suffix`, beside the rows that they stand for: columns `what` and `counted`. */
function counterLaw(prefix: string, rows: string, { suffix = "", excluded = "" } = {}): Law {
  const kept = `SELECT SUBSTRING(name, ${prefix.length + 1}, LEN(name) - ${prefix.length + suffix.length}) AS what, SUM(value) AS kept
    FROM dbo.counters WHERE name LIKE '${prefix}%${suffix}' ${excluded} GROUP BY name`;
  return {
    name: `counters ${prefix}*${suffix}`,
    sql: differing(`SELECT COALESCE(r.what, k.what) AS what, COALESCE(r.counted, 0) AS counted, COALESCE(k.kept, 0) AS kept
      FROM (${rows}) AS r FULL JOIN (${kept}) AS k ON k.what = r.what`),
  };
}

/** One counter beside the one number that it stands for. */
function totalLaw(name: string, counted: string): Law {
  return {
    name: `counter ${name}`,
    sql: differing(`SELECT '${name}' AS what, (${counted}) AS counted,
      COALESCE((SELECT SUM(value) FROM dbo.counters WHERE name = '${name}'), 0) AS kept`),
  };
}

/** Tasks and archived tasks of a condition on both tables' columns. */
function everTasks(condition: string): string {
  return `SELECT (SELECT COUNT(*) FROM dbo.tasks WHERE ${condition}) + (SELECT COUNT(*) FROM dbo.task_archive WHERE ${condition})`;
}

const COUNTERS: readonly Law[] = [
  counterLaw("messages:", "SELECT status AS what, COUNT(*) AS counted FROM dbo.messages GROUP BY status"),
  counterLaw("tasks:", "SELECT status AS what, COUNT(*) AS counted FROM dbo.tasks GROUP BY status", {
    excluded:
      "AND name NOT IN ('tasks:assigned_once', 'tasks:completed_total', 'tasks:failed_total', 'tasks:not_needed_total', 'tasks:attempts_failed_total', 'tasks:attempts_lost_total')",
  }),
  totalLaw("tasks:assigned_once", everTasks("attempt > 0")),
  totalLaw("tasks:completed_total", everTasks("status = 'completed'")),
  totalLaw("tasks:failed_total", everTasks("status = 'failed'")),
  totalLaw("agents:workers", "SELECT COUNT(*) FROM dbo.agents WHERE role = 'worker' AND status <> 'deregistered'"),
  counterLaw(
    "mailbox:",
    `SELECT CAST(receiver_no AS varchar(20)) AS what, COUNT(*) AS counted FROM dbo.messages WHERE status IN ${OPEN} GROUP BY receiver_no`,
  ),
  ...(
    [
      ["workers", "a.status <> 'deregistered'"],
      ["active", "a.status = 'active'"],
      ["free", "a.status = 'active' AND l.active_tasks < l.max_concurrent_tasks"],
    ] as const
  ).map(([suffix, condition]) =>
    counterLaw(
      "set:",
      `SELECT CAST(a.set_no AS varchar(20)) AS what, COUNT(*) AS counted
       FROM dbo.agents AS a JOIN dbo.agent_loads AS l ON l.agent_no = a.agent_no
       WHERE a.role = 'worker' AND ${condition} GROUP BY a.set_no`,
      { suffix: `:${suffix}` },
    ),
  ),
  {
    // A transaction adds to the slot of its session: what finds no row is lost.
    name: "counters have a row in every slot",
    sql: differing(`SELECT n.name AS what, ${SLOTS} AS counted, (SELECT COUNT(*) FROM dbo.counters AS c WHERE c.name = n.name AND c.slot BETWEEN 0 AND ${SLOTS - 1}) AS kept
      FROM (SELECT CONCAT('mailbox:', agent_no) AS name FROM dbo.agents
        UNION ALL SELECT CONCAT('set:', s.set_no, k.kind) FROM dbo.capability_sets AS s
          CROSS JOIN (VALUES (':workers'), (':active'), (':free')) AS k (kind)) AS n`),
  },
];

const AGENTS: readonly Law[] = [
  {
    name: "agent_loads.active_tasks",
    sql: differing(`SELECT l.agent_id AS what, l.active_tasks AS kept,
        (SELECT COUNT(*) FROM dbo.tasks AS t WHERE t.agent_no = l.agent_no AND t.status IN ${LIVE}) AS counted
      FROM dbo.agent_loads AS l`),
  },
  {
    name: "agents and what their loads and heartbeats repeat of them",
    sql: differing(`SELECT a.agent_id AS what, 1 AS kept, CASE WHEN l.set_no = a.set_no AND l.agent_id = a.agent_id
        AND l.working = CASE WHEN a.role = 'worker' AND a.status = 'active' THEN 1 ELSE 0 END
        AND h.beating = CASE WHEN a.status IN ('active', 'draining') THEN 1 ELSE 0 END THEN 1 ELSE 0 END AS counted
      FROM dbo.agents AS a LEFT JOIN dbo.agent_loads AS l ON l.agent_no = a.agent_no
      LEFT JOIN dbo.agent_heartbeats AS h ON h.agent_no = a.agent_no`),
  },
];

const CHANNELS: readonly Law[] = [
  {
    name: "channels.members",
    sql: differing(`SELECT c.name AS what, c.members AS kept,
        (SELECT COUNT(*) FROM dbo.channel_members AS m WHERE m.channel_no = c.channel_no) AS counted FROM dbo.channels AS c`),
  },
  {
    name: "channels.grants",
    sql: differing(`SELECT c.name AS what, c.grants AS kept,
        (SELECT COUNT(*) FROM dbo.channel_grants AS g WHERE g.channel_no = c.channel_no) AS counted FROM dbo.channels AS c`),
  },
  {
    name: "channels and their mailboxes",
    sql: differing(`SELECT COALESCE(c.name, a.agent_id) AS what, CASE WHEN c.name IS NULL THEN 0 ELSE 1 END AS kept,
        CASE WHEN c.name IS NULL THEN 1 WHEN a.status = 'active' AND a.agent_id = CONCAT('#', c.name) THEN 1 ELSE 0 END AS counted
      FROM dbo.channels AS c
      FULL JOIN (SELECT agent_no, agent_id, status FROM dbo.agents WHERE agent_id LIKE '#%' AND status <> 'deregistered') AS a
        ON a.agent_no = c.channel_no`),
  },
];

const TASKS: readonly Law[] = [
  {
    name: "live tasks and their open attempt",
    sql: differing(`SELECT t.task_id AS what, 1 AS kept, (SELECT COUNT(*) FROM dbo.task_attempts AS x WHERE x.task_no = t.task_no
        AND x.attempt = t.attempt AND x.agent_no = t.agent_no AND x.ended_at IS NULL) AS counted
      FROM dbo.tasks AS t WHERE t.status IN ${LIVE}`),
  },
  {
    name: "open attempts of tasks that are not live",
    sql: `SELECT t.task_id AS what, COUNT(*) AS counted, 0 AS kept FROM dbo.tasks AS t
      JOIN dbo.task_attempts AS x ON x.task_no = t.task_no AND x.ended_at IS NULL
      WHERE t.status NOT IN ${LIVE} OR x.attempt <> t.attempt GROUP BY t.task_id`,
  },
  {
    name: "tasks.unmet_dependencies",
    sql: differing(`SELECT t.task_id AS what, t.unmet_dependencies AS kept,
        (SELECT COUNT(*) FROM dbo.task_dependencies AS d WHERE d.task_no = t.task_no AND d.settled = 0) AS counted
      FROM dbo.tasks AS t WHERE t.status = 'blocked'`),
  },
  {
    // The number makes who adds a dependent and who ends the task wait for each other. A child is made by the one that waits for it, in one transaction.
    name: "tasks.dependents of tasks that others still wait for",
    sql: differing(`SELECT t.task_id AS what, 1 AS counted, CASE WHEN t.dependents > 0 THEN 1 ELSE 0 END AS kept FROM dbo.tasks AS t
      WHERE EXISTS (SELECT 1 FROM dbo.task_dependencies AS d WHERE d.depends_on = t.task_id AND d.settled = 0 AND d.position < ${CHILD_PLACES})`),
  },
  {
    name: "tasks.last_outcome",
    sql: `SELECT x.task_id AS what, x.counted, x.kept FROM (SELECT t.task_id, t.last_outcome AS kept, (SELECT TOP (1) a.outcome
        FROM dbo.task_attempts AS a WHERE a.task_no = t.task_no AND a.outcome IS NOT NULL ORDER BY a.attempt DESC) AS counted
      FROM dbo.tasks AS t) AS x WHERE COALESCE(x.counted, '') <> COALESCE(x.kept, '')`,
  },
  {
    name: "tasks have a body",
    sql: differing(`SELECT t.task_id AS what, 1 AS kept,
        (SELECT COUNT(*) FROM dbo.task_bodies AS b WHERE b.task_no = t.task_no) AS counted FROM dbo.tasks AS t`),
  },
];

const MESSAGES: readonly Law[] = [
  {
    name: "messages held behind their ordering key",
    sql: differing(`SELECT m.message_id AS what, CAST(m.held AS int) AS kept, CASE WHEN EXISTS (SELECT 1 FROM dbo.messages AS o
          WHERE o.receiver_no = m.receiver_no AND o.ordering_key = m.ordering_key AND o.joined = 1 AND o.arrival < m.arrival
            AND o.status IN ${OPEN}) THEN 1 ELSE 0 END AS counted
      FROM dbo.messages AS m WHERE m.ordering_key IS NOT NULL AND m.joined = 1 AND m.status = 'queued'`),
  },
  {
    name: "ordering_keys.unsettled",
    sql: differing(`SELECT CONCAT(COALESCE(k.receiver_no, m.receiver_no), ' ', COALESCE(k.ordering_key, m.ordering_key)) AS what,
        COALESCE(m.counted, 0) AS counted, COALESCE(k.unsettled, 0) AS kept
      FROM dbo.ordering_keys AS k FULL JOIN (SELECT receiver_no, ordering_key, COUNT(*) AS counted FROM dbo.messages
          WHERE ordering_key IS NOT NULL AND joined = 1 AND status IN ${OPEN} GROUP BY receiver_no, ordering_key) AS m
        ON m.receiver_no = k.receiver_no AND m.ordering_key = k.ordering_key`),
  },
  {
    name: "messages have a payload",
    sql: differing(`SELECT m.message_id AS what, 1 AS kept,
        (SELECT COUNT(*) FROM dbo.message_payloads AS p WHERE p.arrival = m.arrival) AS counted FROM dbo.messages AS m`),
  },
];

/** The entries that tell the status of an agent, and what it is besides; the latest of each agent. */
const latest = (
  actions: string,
  columns: string,
) => `SELECT e.subject_id, ${columns} FROM audit.entries AS e WHERE e.entry_no IN (
  SELECT MAX(x.entry_no) FROM audit.entries AS x WHERE x.subject_kind = 'agent' AND x.action IN (${actions}) GROUP BY x.subject_id)`;

/** What is in the audit, because it was written in the transaction of the change. */
const AUDIT: readonly Law[] = [
  {
    name: "audit of task events",
    sql: differing(`SELECT CONCAT(e.task_id, ' ', e.event) AS what, e.counted, COALESCE(x.kept, 0) AS kept
      FROM (SELECT t.task_id, h.event, COUNT(*) AS counted FROM dbo.task_events AS h JOIN dbo.tasks AS t ON t.task_no = h.task_no
        GROUP BY t.task_id, h.event) AS e
      LEFT JOIN (SELECT subject_id, action, COUNT(*) AS kept FROM audit.entries WHERE subject_kind = 'task' GROUP BY subject_id, action) AS x
        ON x.subject_id = e.task_id AND x.action = CONCAT('task.', e.event)`),
  },
  {
    name: "audit of agents' status",
    sql: differing(`SELECT CONCAT(a.agent_id, ' ', a.status, ' ', l.status) AS what, 1 AS counted,
        CASE WHEN l.status = a.status THEN 1 ELSE 0 END AS kept FROM dbo.agents AS a
      LEFT JOIN (${latest(
        "'agent.registered', 'agent.status_changed', 'agent.deregistered'",
        "COALESCE(JSON_VALUE(e.detail, '$.to'), JSON_VALUE(e.detail, '$.status')) COLLATE Latin1_General_100_BIN2 AS status",
      )}) AS l ON l.subject_id = a.agent_id
      WHERE a.agent_id NOT LIKE '#%'`),
  },
  {
    name: "audit of agents' role and capacity",
    sql: differing(`SELECT a.agent_id AS what, 1 AS counted,
        CASE WHEN l.role = a.role AND l.capacity = o.max_concurrent_tasks THEN 1 ELSE 0 END AS kept
      FROM dbo.agents AS a JOIN dbo.agent_loads AS o ON o.agent_no = a.agent_no
      LEFT JOIN (${latest(
        "'agent.registered', 'agent.changed'",
        "JSON_VALUE(e.detail, '$.role') COLLATE Latin1_General_100_BIN2 AS role, CAST(JSON_VALUE(e.detail, '$.maxConcurrentTasks') AS int) AS capacity",
      )}) AS l ON l.subject_id = a.agent_id
      WHERE a.agent_id NOT LIKE '#%'`),
  },
];

/** What is counted of usage. */
const USAGE_COLUMNS = [
  "input_tokens",
  "output_tokens",
  "cache_read_tokens",
  "cache_write_tokens",
  "reasoning_tokens",
  "cost_micros",
] as const;

/** Of what tasks have that are there; the hours, and what was ever used, stay when a task goes. */
const USAGE: readonly Law[] = USAGE_COLUMNS.flatMap((column) => [
  {
    name: `usage_hours.${column}`,
    sql: `SELECT x.what, x.counted, x.kept FROM (SELECT COALESCE(c.what, k.what) AS what, COALESCE(c.counted, 0) AS counted, COALESCE(k.kept, 0) AS kept
      FROM (SELECT CONCAT(a.agent_id, ' ', t.task_type, ' ', s.agent_id, ' ', u.provider, ' ', u.model) AS what,
          SUM(CAST(u.${column} AS float)) AS counted
        FROM dbo.task_usage AS u JOIN dbo.tasks AS t ON t.task_no = u.task_no
        JOIN dbo.task_attempts AS p ON p.task_no = u.task_no AND p.attempt = u.attempt
        JOIN dbo.agents AS a ON a.agent_no = p.agent_no JOIN dbo.agents AS s ON s.agent_no = t.supervisor_no
        GROUP BY a.agent_id, t.task_type, s.agent_id, u.provider, u.model) AS c
      FULL JOIN (SELECT CONCAT(h.agent_id, ' ', h.task_type, ' ', h.supervisor_id, ' ', h.provider, ' ', h.model) AS what, SUM(h.${column}) AS kept
        FROM dbo.usage_hours AS h GROUP BY h.agent_id, h.task_type, h.supervisor_id, h.provider, h.model) AS k ON k.what = c.what) AS x
      WHERE x.counted > x.kept OR (x.counted < x.kept AND NOT EXISTS (SELECT 1 FROM dbo.task_archive))`,
  },
  {
    name: `usage_totals.${column}`,
    sql: `SELECT x.what, x.counted, x.kept FROM (SELECT 'all' AS what, COALESCE((SELECT SUM(h.${column}) FROM dbo.usage_hours AS h), 0) AS counted,
        (SELECT SUM(e.${column}) FROM dbo.usage_totals AS e) AS kept) AS x
      WHERE x.counted > x.kept OR (x.counted < x.kept AND NOT EXISTS (SELECT 1 FROM dbo.task_archive))`,
  },
]);

/**
 * What does not add up in the database, one line each; empty when every counter equals its rows.
 *
 * @param pool connected to a database of ours on which nothing is under way
 * @param options.copied its rows were copied, which the audit of their own database has
 * @example
 * expect(await recountMssql(pool)).toEqual([]);
 */
export async function recountMssql(
  pool: mssql.ConnectionPool,
  { copied = false }: { copied?: boolean } = {},
): Promise<string[]> {
  const problems: string[] = [];
  const audit = copied ? [] : AUDIT;
  for (const { name, sql } of [...audit, ...COUNTERS, ...AGENTS, ...CHANNELS, ...TASKS, ...USAGE, ...MESSAGES]) {
    const { recordset } = await pool.request().query<{ what: unknown; counted: unknown; kept: unknown }>(sql);
    for (const { what, counted, kept } of recordset.slice(0, 5)) {
      problems.push(`${name}: ${String(what)} has ${String(counted)} rows, kept ${String(kept)}`);
    }
  }
  return problems;
}
