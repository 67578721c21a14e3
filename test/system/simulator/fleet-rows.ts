import { DatabaseSync, type StatementSync } from "node:sqlite";
import { z } from "zod";
import { TASK_EVENTS } from "../../../src/lib/model/task-history.ts";
import { TASK_STATUSES } from "../../../src/lib/model/task-status.ts";

/**
 * The rows behind the store, read by a connection of its own: what has changed since the last step costs a few seeks, where reading all
 * through the verbs of the store takes 30 times as long.
 */

const taskRowSchema = z.object({
  task_no: z.number(),
  task_id: z.string(),
  supervisor_id: z.string(),
  agent_id: z.string().nullable(),
  task_type: z.string(),
  status: z.enum(TASK_STATUSES),
  version: z.number(),
  attempt: z.number(),
  retries_used: z.number(),
  max_retries: z.number(),
  cancel_requested: z.number(),
  gate: z.number(),
  suspensions: z.number(),
  resumed_by: z.string().nullable(),
  workflow_no: z.number().nullable(),
  parent_no: z.number().nullable(),
  notify: z.string().nullable(),
  because_of: z.string().nullable(),
});
export type TaskRow = z.output<typeof taskRowSchema>;

const eventRowSchema = z.object({
  event_no: z.number(),
  event: z.enum(TASK_EVENTS),
  attempt: z.number(),
  detail: z.string().nullable(),
});
export type EventRow = z.output<typeof eventRowSchema>;

const agentRowSchema = z.object({
  agent_id: z.string(),
  role: z.string(),
  status: z.string(),
  active_tasks: z.number(),
  max_concurrent_tasks: z.number(),
  capabilities: z.string(),
  last_heartbeat_at: z.number(),
});
export type AgentRow = z.output<typeof agentRowSchema>;

const auditRowSchema = z.object({ entry_no: z.number(), subject_id: z.string() });
const waitingRowSchema = z.object({
  task_id: z.string(),
  required: z.string(),
  assign_to: z.string().nullable(),
});
export type WaitingRow = z.output<typeof waitingRowSchema>;
const scheduleRowSchema = z.object({
  schedule_id: z.string(),
  cron: z.string(),
  enabled: z.number(),
  due_at: z.number().nullable(),
  firings: z.string(),
});
export type ScheduleRow = z.output<typeof scheduleRowSchema>;
const problemSchema = z.object({ problem: z.string() });

/** Made once: a schema costs more than what it reads. */
const taskRows = z.array(taskRowSchema);
const eventRows = z.array(eventRowSchema);
const agentRows = z.array(agentRowSchema);
const auditRows = z.array(auditRowSchema);
const waitingRows = z.array(waitingRowSchema);
const scheduleRows = z.array(scheduleRowSchema);
const problemRows = z.array(problemSchema);
const idRows = z.array(z.object({ id: z.string() }));
const countRow = z.object({ n: z.number() });
const versionRow = z.object({ data_version: z.number() });

const lineRows = z.array(z.object({ line: z.string() }));
/** The six numbers of usage as one text, whole. */
const USED = [
  "input_tokens",
  "output_tokens",
  "cache_read_tokens",
  "cache_write_tokens",
  "reasoning_tokens",
  "cost_micros",
]
  .map((column) => `CAST(${column} AS INTEGER)`)
  .join(" || ' ' || ");

const TASK = `SELECT t.task_no, t.task_id, s.agent_id AS supervisor_id, a.agent_id, t.task_type, t.status, t.version, t.attempt, t.retries_used,
    t.max_retries, t.cancel_requested, t.gate, t.suspensions, p.resumed_by, t.workflow_no, t.parent_no, w.notify, o.because_of
  FROM tasks t JOIN agents s ON s.agent_no = t.supervisor_no LEFT JOIN agents a ON a.agent_no = t.agent_no
  LEFT JOIN task_suspensions p ON p.task_no = t.task_no LEFT JOIN workflows w ON w.workflow_no = t.workflow_no
  LEFT JOIN task_outcomes o ON o.task_no = t.task_no`;
const AGENTS = `SELECT a.agent_id, a.role, a.status, a.active_tasks, a.max_concurrent_tasks, c.capabilities, a.last_heartbeat_at
  FROM agents a JOIN capability_sets c ON c.set_no = a.set_no WHERE a.agent_id NOT LIKE '#%'`;
const WAITING = `SELECT t.task_id, d.capabilities AS required, (SELECT agent_id FROM agents WHERE agent_no = t.assign_to_no) AS assign_to
  FROM tasks t JOIN demands d ON d.demand_no = t.demand_no WHERE t.status = 'pending' AND t.available_at <= ?`;

/** What a simulation reads of the file of its store. */
export class FleetRows {
  readonly #database: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  #version: number | undefined;

  constructor(file: string) {
    this.#database = new DatabaseSync(file, { readOnly: true, timeout: 5_000 });
  }

  close(): void {
    this.#database.close();
  }

  #all(sql: string, ...parameters: (string | number)[]): unknown[] {
    const known = this.#statements.get(sql) ?? this.#database.prepare(sql);
    this.#statements.set(sql, known);
    return known.all(...parameters);
  }

  /** Whether anything was committed since it was asked before: every other step of a simulation changes nothing. */
  hasChanged(): boolean {
    const { data_version: version } = versionRow.parse(this.#all("PRAGMA data_version")[0]);
    const before = this.#version;
    this.#version = version;
    return version !== before;
  }

  /** Tasks that the audit has entries of behind a place, each once, and the last place. */
  changedTasks(after: number): { taskIds: Set<string>; last: number } {
    const sql = "SELECT entry_no, subject_id FROM audit_entries WHERE entry_no > ? AND subject_kind = 'task'";
    const rows = auditRows.parse(this.#all(sql, after));
    return { taskIds: new Set(rows.map((row) => row.subject_id)), last: rows.at(-1)?.entry_no ?? after };
  }

  task(taskId: string): TaskRow {
    return taskRowSchema.parse(this.#all(`${TASK} WHERE t.task_id = ?`, taskId)[0]);
  }

  tasks(): TaskRow[] {
    return taskRows.parse(this.#all(TASK));
  }

  events(taskNo: number, after: number): EventRow[] {
    const sql =
      "SELECT event_no, event, attempt, detail FROM task_events WHERE task_no = ? AND event_no > ? ORDER BY event_no";
    return eventRows.parse(this.#all(sql, taskNo, after));
  }

  /** Whether a task was opened again in this attempt or later. */
  wasReopened(taskId: string, attempt: number): boolean {
    const sql = `SELECT count(*) AS n FROM task_events e JOIN tasks t USING (task_no)
      WHERE t.task_id = ? AND e.event = 'reopened' AND e.attempt >= ?`;
    return countRow.parse(this.#all(sql, taskId, attempt)[0]).n > 0;
  }

  agents(): AgentRow[] {
    return agentRows.parse(this.#all(AGENTS));
  }

  /** Tasks that were due at a time and wait for an agent. */
  waiting(dueAt: number): WaitingRow[] {
    return waitingRows.parse(this.#all(WAITING, dueAt));
  }

  schedules(): ScheduleRow[] {
    const sql = "SELECT schedule_id, cron, enabled, due_at, firings FROM schedules";
    return scheduleRows.parse(this.#all(sql));
  }

  /** Ids of tasks and workflows that schedules have created. */
  scheduled(): string[] {
    const sql = `SELECT task_id AS id FROM tasks WHERE task_id LIKE 'schedule:%'
      UNION ALL SELECT workflow_id FROM workflows WHERE workflow_id LIKE 'schedule:%'`;
    return idRows.parse(this.#all(sql)).map((row) => row.id);
  }

  /** Columns `problem` of a law: what breaks it. */
  problems(sql: string, now: number): string[] {
    const parameters = sql.includes("?1") ? [now] : [];
    return problemRows.parse(this.#all(sql, ...parameters)).map((row) => row.problem);
  }

  #lines(sql: string, ...parameters: number[]): string[] {
    return lineRows.parse(this.#all(sql, ...parameters)).map(({ line }) => line);
  }

  /** Provider, model and numbers. */
  usageOfAttempt(taskNo: number, attempt: number): string[] {
    const sql = `SELECT provider || ' ' || model || ' ' || ${USED} AS line FROM task_usage WHERE task_no = ? AND attempt = ?`;
    return this.#lines(sql, taskNo, attempt);
  }

  /** The same behind task and attempt. */
  usageOfAttempts(): string[] {
    return this.#lines(`SELECT task_id || ' ' || u.attempt || ' ' || provider || ' ' || model || ' ' || ${USED} AS line
      FROM task_usage u JOIN tasks USING (task_no)`);
  }

  /** The same behind hour, agent, type and supervisor. */
  usageHours(): string[] {
    return this.#lines(`SELECT hour || ' ' || agent_id || ' ' || task_type || ' ' || supervisor_id || ' ' || provider || ' ' || model || ' '
      || ${USED} AS line FROM usage_hours`);
  }

  usageTotal(): string {
    return this.#lines(`SELECT ${USED} AS line FROM usage_totals`).join();
  }

  /** A whole number, such as a count. */
  number(sql: string): number {
    return countRow.parse(this.#all(sql)[0]).n;
  }
}
