import type { JsonValue } from "../../json.ts";
import type { Assignment, AttemptOutcome, ListTasksQuery, Task, TaskEvent } from "../../tasks/task.ts";
import { PRIORITIES } from "../../values.ts";
import { decodeCursor, encodeCursor } from "../cursor.ts";
import { iso } from "../instants.ts";
import type { Page, Paged } from "../store.ts";
import { findAgent } from "./agent-rows.ts";
import {
  getArchivedAttempts,
  getArchivedEvents,
  getArchivedTask,
  readAttempt,
  type StoredAttempt,
} from "./archived-tasks.ts";
import {
  findTask,
  hasEnded,
  isLive,
  TASK_COLUMNS,
  type TaskEventName,
  type TaskRow,
  taskNotFound,
} from "./task-rows.ts";
import type { Transaction } from "./transaction.ts";

/** Tasks, their attempts and their history as callers see them. */

/** Reads the archive as well. @throws TASK_NOT_FOUND */
export function getTask(transaction: Transaction, taskId: string): Task {
  const row = findTask(transaction, taskId);
  const task = row === undefined ? getArchivedTask(transaction, taskId) : readTask(transaction, row);
  if (task === undefined) throw taskNotFound(taskId);
  return task;
}

interface TaskParts {
  supervisor_id: string;
  assign_to_id: string | null;
  agent_id: string | null;
  required: string;
  description: string;
  parameters: string;
  preferred: string;
  note: string | null;
  result: string | null;
  error: string | null;
}

const PARTS = `SELECT (SELECT agent_id FROM agents WHERE agent_no = t.supervisor_no) AS supervisor_id,
    (SELECT agent_id FROM agents WHERE agent_no = t.assign_to_no) AS assign_to_id,
    (SELECT agent_id FROM agents WHERE agent_no = t.agent_no) AS agent_id,
    (SELECT capabilities FROM demands WHERE demand_no = t.demand_no) AS required,
    b.description, b.parameters, b.preferred_capabilities AS preferred, o.note, o.result, o.error
  FROM tasks t JOIN task_bodies b ON b.task_no = t.task_no LEFT JOIN task_outcomes o ON o.task_no = t.task_no
  WHERE t.task_no = ?`;
const DEPENDENCIES = "SELECT depends_on FROM task_dependencies WHERE task_no = ? ORDER BY position";

/** The task as callers see it. While it waits, it is assigned to nobody. */
export function readTask(transaction: Transaction, row: TaskRow): Task {
  const parts = transaction.get<TaskParts>(PARTS, row.task_no);
  if (parts === undefined) throw new Error(`task number ${row.task_no} has no body`);
  const dependencies = transaction.all<{ depends_on: string }>(DEPENDENCIES, row.task_no);
  const task: Task = {
    taskId: row.task_id,
    supervisor: parts.supervisor_id,
    taskType: row.task_type,
    description: parts.description,
    parameters: JSON.parse(parts.parameters) as JsonValue,
    requiredCapabilities: JSON.parse(parts.required) as string[],
    preferredCapabilities: JSON.parse(parts.preferred) as string[],
    priority: PRIORITIES[row.priority] ?? "normal",
    timeoutSeconds: row.timeout_milliseconds / 1_000,
    maxRetries: row.max_retries,
    retriesUsed: row.retries_used,
    dependsOn: dependencies.map(({ depends_on }) => depends_on),
    status: row.status,
    attempt: row.attempt,
    cancelRequested: row.cancel_requested === 1,
    createdAt: iso(row.created_at),
    availableAt: iso(row.available_at),
  };
  if (row.parent_task_id !== null) task.parentTaskId = row.parent_task_id;
  if (parts.assign_to_id !== null) task.assignTo = parts.assign_to_id;
  if (parts.agent_id !== null && row.status !== "pending") task.assignedTo = parts.agent_id;
  addTimes(task, row);
  addOutcome(task, row, parts);
  return task;
}

function addTimes(task: Task, row: TaskRow): void {
  if (row.assigned_at !== null) task.assignedAt = iso(row.assigned_at);
  if (row.started_at !== null) task.startedAt = iso(row.started_at);
  if (isLive(row)) task.deadline = iso(row.deadline_at);
  if (row.ended_at !== null) task.endedAt = iso(row.ended_at);
}

function addOutcome(task: Task, row: TaskRow, parts: TaskParts): void {
  if (row.percent !== null) task.percent = row.percent;
  if (parts.note !== null) task.note = parts.note;
  if (!hasEnded(row)) return;
  if (parts.result !== null) task.result = JSON.parse(parts.result) as JsonValue;
  if (parts.error !== null) task.error = parts.error;
}

/** A page of large tasks ends here, so that no reply takes hundreds of megabytes. */
const PAGE_MAX_CHARACTERS = 4 * 1_024 * 1_024;

/** Newest first; a page may be shorter than its limit when its tasks are large. Archived tasks are not listed. */
export function listTasks(
  transaction: Transaction,
  query: Page & Omit<ListTasksQuery, "limit" | "cursor">,
): Paged<Task> {
  const { status, supervisor, assignedTo, taskType, parentTaskId, limit } = query;
  const filters = { list: "tasks", status, supervisor, assignedTo, taskType, parentTaskId };
  const before = decodeCursor(filters, query.cursor)?.[0];
  const where: string[] = [];
  const values: (string | number)[] = [];
  const filter = (condition: string, value: string | number | undefined): void => {
    if (value === undefined) return;
    where.push(condition);
    values.push(value);
  };
  filter("status = ?", status);
  filter("supervisor_no = ?", agentNoOf(transaction, supervisor));
  filter("agent_no = ? AND status <> 'pending'", agentNoOf(transaction, assignedTo));
  filter("task_type = ?", taskType);
  filter("parent_task_id = ?", parentTaskId);
  filter("task_no < ?", before);
  const condition = where.length > 0 ? `WHERE ${where.join(" AND ")}` : "";
  const sql = `SELECT ${TASK_COLUMNS} FROM tasks ${condition} ORDER BY task_no DESC LIMIT ?`;
  const rows = transaction.all<TaskRow>(sql, ...values, limit + 1);
  const items: Task[] = [];
  let characters = 0;
  for (const row of rows.slice(0, limit)) {
    const task = readTask(transaction, row);
    characters += JSON.stringify(task).length;
    if (items.length > 0 && characters > PAGE_MAX_CHARACTERS) break;
    items.push(task);
  }
  const last = rows[items.length - 1];
  const nextCursor = rows.length > items.length && last !== undefined ? encodeCursor(filters, [last.task_no]) : null;
  return { items, nextCursor };
}

/** The number of an agent in a filter; 0, which no agent has, for an unknown one. */
function agentNoOf(transaction: Transaction, agentId: string | undefined): number | undefined {
  return agentId === undefined ? undefined : (findAgent(transaction, agentId)?.agent_no ?? 0);
}

interface AttemptRow {
  attempt: number;
  agent_id: string;
  assigned_at: number;
  ended_at: number | null;
  outcome: AttemptOutcome | null;
  answer: string | null;
  explanation: string;
}

const ATTEMPTS = `SELECT attempt, (SELECT agent_id FROM agents WHERE agent_no = a.agent_no) AS agent_id, assigned_at, ended_at,
  outcome, answer, explanation FROM task_attempts a WHERE task_no = ? ORDER BY attempt`;

/** Every attempt of a task that is not archived, oldest first. */
export function storedAttempts(transaction: Transaction, taskNo: number): StoredAttempt[] {
  return transaction.all<AttemptRow>(ATTEMPTS, taskNo).map((row) => ({
    attempt: row.attempt,
    agentId: row.agent_id,
    assignedAt: row.assigned_at,
    endedAt: row.ended_at,
    outcome: row.outcome,
    answer: row.answer === null ? null : JSON.parse(row.answer),
    explanation: row.explanation,
  }));
}

/** Every attempt, oldest first. @throws TASK_NOT_FOUND */
export function getAssignments(transaction: Transaction, taskId: string): Assignment[] {
  const task = findTask(transaction, taskId);
  const stored =
    task === undefined ? getArchivedAttempts(transaction, taskId) : storedAttempts(transaction, task.task_no);
  if (stored === undefined) throw taskNotFound(taskId);
  return stored.map(readAttempt);
}

interface EventRow {
  event_no: number;
  event: TaskEventName;
  at: number;
  attempt: number;
  agent_id: string | null;
  detail: string | null;
}

const EVENTS = `SELECT event_no, event, at, attempt, (SELECT agent_id FROM agents WHERE agent_no = e.agent_no) AS agent_id, detail
  FROM task_events e WHERE task_no = ? AND event_no < ? ORDER BY event_no DESC LIMIT ?`;

function readEvent(row: EventRow): TaskEvent {
  const event: TaskEvent = { event: row.event, at: iso(row.at), attempt: row.attempt };
  if (row.agent_id !== null) event.agentId = row.agent_id;
  if (row.detail !== null) event.detail = row.detail;
  return event;
}

/** The newest events of a task that is not archived, newest first. */
export function newestEvents(transaction: Transaction, taskNo: number, limit: number): TaskEvent[] {
  return transaction.all<EventRow>(EVENTS, taskNo, Number.MAX_SAFE_INTEGER, limit).map(readEvent);
}

/** Newest first. @throws TASK_NOT_FOUND */
export function getTaskHistory(transaction: Transaction, taskId: string, page: Page): Paged<TaskEvent> {
  const filters = { list: "history", taskId };
  const before = Number(decodeCursor(filters, page.cursor)?.[0] ?? Number.MAX_SAFE_INTEGER);
  const task = findTask(transaction, taskId);
  if (task === undefined) return archivedHistory(transaction, taskId, page.limit, before);
  const rows = transaction.all<EventRow>(EVENTS, task.task_no, before, page.limit + 1);
  const items = rows.slice(0, page.limit);
  const last = items.at(-1);
  const more = rows.length > page.limit && last !== undefined;
  return { items: items.map(readEvent), nextCursor: more ? encodeCursor(filters, [last.event_no]) : null };
}

function archivedHistory(transaction: Transaction, taskId: string, limit: number, before: number): Paged<TaskEvent> {
  const events = getArchivedEvents(transaction, taskId);
  if (events === undefined) throw taskNotFound(taskId);
  const end = Math.min(events.length, before - 1);
  const start = Math.max(0, end - limit);
  const items = events.slice(start, end).reverse();
  return { items, nextCursor: start > 0 ? encodeCursor({ list: "history", taskId }, [start + 1]) : null };
}
