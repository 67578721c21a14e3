import { type TaskDependency, writeDependency } from "../../model/dependency.ts";
import type { Assignment, ListTasksQuery, TaskRelation } from "../../model/task.ts";
import type { TaskEvent } from "../../model/task-history.ts";
import { decodeCursor, encodeCursor } from "../cursor.ts";
import { takePage } from "../reply-bytes.ts";
import { CHILD_PLACES } from "../rules/children.ts";
import { sqlWords } from "../rules/task-outcomes.ts";
import type { Page, Paged, StoredTask, TaskVersion } from "../store.ts";
import {
  type AttemptRow,
  archivedHistory,
  assignmentsAfter,
  buildAttempt,
  buildEvent,
  buildTask,
  type EventRow,
  historyCursor,
  pageOfAssignments,
  type TaskExtras,
  type TaskParts,
} from "../task-reading.ts";
import { UNASSIGNED_STATUSES } from "../task-records.ts";
import { sealedOf } from "../task-values.ts";
import { findAgent } from "./agent-rows.ts";
import { getArchivedAttempts, getArchivedEvents, getArchivedTask, type StoredAttempt } from "./archived-tasks.ts";
import { newestQuestion, readTaskValues } from "./question-reading.ts";
import { wokenBy } from "./resumption.ts";
import { findTask, TASK_COLUMNS, type TaskRow, taskNotFound } from "./task-rows.ts";
import type { Transaction } from "./transaction.ts";
import { usageOfTask } from "./usage.ts";

/** Tasks, their attempts and their history as callers see them. */

/** Reads the archive as well. @throws TASK_NOT_FOUND */
export function getTask(transaction: Transaction, taskId: string): StoredTask {
  const row = findTask(transaction, taskId);
  const task = row === undefined ? getArchivedTask(transaction, taskId) : readWholeTask(transaction, row);
  if (task === undefined) throw taskNotFound(taskId);
  return task;
}

const VERSION = "SELECT version FROM tasks WHERE task_id = ?";

/** The versions of those that are not archived. */
export function findTaskVersions(transaction: Transaction, taskIds: readonly string[]): TaskVersion[] {
  return [...new Set(taskIds)].flatMap((taskId) => {
    const row = transaction.get<{ version: number }>(VERSION, taskId);
    return row === undefined ? [] : [{ taskId, version: row.version }];
  });
}

const PARTS = `SELECT (SELECT agent_id FROM agents WHERE agent_no = t.supervisor_no) AS supervisor_id,
    (SELECT agent_id FROM agents WHERE agent_no = t.assign_to_no) AS assign_to_id,
    (SELECT agent_id FROM agents WHERE agent_no = t.agent_no) AS agent_id,
    (SELECT capabilities FROM demands WHERE demand_no = t.demand_no) AS required,
    b.description, b.parameters, b.key_version, b.traceparent, b.preferred_capabilities AS preferred, b.child_types, o.note, o.result,
    o.key_version AS result_key_version, o.error
  FROM tasks t JOIN task_bodies b ON b.task_no = t.task_no LEFT JOIN task_outcomes o ON o.task_no = t.task_no
  WHERE t.task_no = ?`;
const DEPENDENCIES = `SELECT depends_on AS taskId, condition AS "when" FROM task_dependencies WHERE task_no = ? AND position < ${CHILD_PLACES} ORDER BY position`;

/** The task as it is stored. While it waits, it is assigned to nobody. */
export function readTask(transaction: Transaction, row: TaskRow): StoredTask {
  const parts = transaction.get<TaskParts>(PARTS, row.task_no);
  if (parts === undefined) throw new Error(`task number ${row.task_no} has no body`);
  const dependencies = transaction.all<TaskDependency>(DEPENDENCIES, row.task_no);
  return buildTask(
    row,
    parts,
    dependencies.map(writeDependency),
    hasExtras(row) ? readExtras(transaction, row.task_no) : {},
  );
}

/** The same with what its attempts have used. */
export function readWholeTask(transaction: Transaction, row: TaskRow): StoredTask {
  const task = readTask(transaction, row);
  const usage = usageOfTask(transaction, row.task_no);
  return usage === undefined ? task : { ...task, usage };
}

/** Whether a task keeps anything in rows of their own. */
export function hasExtras(row: Pick<TaskRow, "suspensions" | "gate">): boolean {
  return row.suspensions > 0 || row.gate === 1;
}

function readExtras(transaction: Transaction, taskNo: number): TaskExtras {
  const values = readTaskValues(transaction, taskNo);
  return {
    question: newestQuestion(transaction, taskNo, values),
    checkpoint: sealedOf(values, "checkpoint"),
    resumedBy: wokenBy(transaction, taskNo),
  };
}

const UNASSIGNED = sqlWords(UNASSIGNED_STATUSES);

/** Newest first; a page may be shorter than its limit when its tasks are large. Archived tasks are not listed. */
export function listTasks(
  transaction: Transaction,
  query: Page & Omit<ListTasksQuery, "limit" | "cursor">,
): Paged<StoredTask> {
  const { status, supervisor, assignedTo, taskType, parentTaskId, limit } = query;
  const filters = { list: "tasks", status, supervisor, assignedTo, taskType, parentTaskId };
  const before = decodeCursor(filters, query.cursor, 1)?.[0];
  const where: string[] = [];
  const values: (string | number)[] = [];
  const filter = (condition: string, value: string | number | undefined): void => {
    if (value === undefined) return;
    where.push(condition);
    values.push(value);
  };
  filter("status = ?", status);
  filter("supervisor_no = ?", agentNoOf(transaction, supervisor));
  filter(`agent_no = ? AND status NOT IN (${UNASSIGNED})`, agentNoOf(transaction, assignedTo));
  filter("task_type = ?", taskType);
  filter("parent_task_id = ?", parentTaskId);
  filter("task_no < ?", before);
  const condition = where.length > 0 ? `WHERE ${where.join(" AND ")}` : "";
  const sql = `SELECT ${TASK_COLUMNS} FROM tasks ${condition} ORDER BY task_no DESC LIMIT ?`;
  const rows = transaction.all<TaskRow>(sql, ...values, limit + 1);
  return takePage(
    rows,
    limit,
    (row) => readTask(transaction, row),
    (last) => encodeCursor(filters, [last.task_no]),
  );
}

const SENSITIVE = `SELECT b.key_version IS NOT NULL AS sensitive FROM tasks t JOIN task_bodies b USING (task_no) WHERE t.task_id = ?1
  UNION ALL SELECT key_version IS NOT NULL FROM task_archive WHERE task_id = ?1`;

/** Whether the parameters of a task are encrypted, in the archive, too; undefined when there is none. */
export function isSensitiveTask(transaction: Transaction, taskId: string): boolean | undefined {
  const row = transaction.get<{ sensitive: number }>(SENSITIVE, taskId);
  return row && row.sensitive === 1;
}

/**
 * The archive knows agents by name alone. A name that maintenance has freed may have been given again: who was registered after a
 * task had ended is not the agent of that task.
 */
const OWNERS = `SELECT (SELECT agent_id FROM agents WHERE agent_no = t.supervisor_no) AS supervisor,
    (SELECT agent_id FROM agents WHERE agent_no = t.agent_no AND t.status NOT IN (${UNASSIGNED})) AS worker
  FROM tasks t WHERE t.task_id = ?1
  UNION ALL SELECT
    (SELECT agent_id FROM agents WHERE agent_id = z.supervisor_id AND registered_at <= z.ended_at),
    (SELECT agent_id FROM agents WHERE agent_id = json_extract(z.task, '$.assignedTo') AND registered_at <= z.ended_at)
  FROM task_archive z WHERE z.task_id = ?1`;
/** Walks what the agent has in hand: as many tasks as it takes at once, and what each of them depends on. */
const NEEDED = `SELECT EXISTS (SELECT 1 FROM tasks t INDEXED BY tasks_live JOIN task_dependencies d USING (task_no)
  WHERE t.agent_no = (SELECT agent_no FROM agents WHERE agent_id = ?) AND t.status IN ('assigned', 'running')
    AND d.depends_on = ?) AS needed`;

/** What a task, archived ones included, is to an agent. */
export function relationToTask(transaction: Transaction, agentId: string, taskId: string): TaskRelation | undefined {
  const owners = transaction.get<{ supervisor: string | null; worker: string | null }>(OWNERS, taskId);
  if (owners === undefined) return undefined;
  if (owners.supervisor === agentId) return "assigned_by";
  if (owners.worker === agentId) return "assigned_to";
  return transaction.get<{ needed: number }>(NEEDED, agentId, taskId)?.needed === 1 ? "needed_by" : undefined;
}

/** The number of an agent in a filter; 0, which no agent has, for an unknown one. */
function agentNoOf(transaction: Transaction, agentId: string | undefined): number | undefined {
  return agentId === undefined ? undefined : (findAgent(transaction, agentId)?.agent_no ?? 0);
}

const ATTEMPT_COLUMNS = `SELECT attempt, (SELECT agent_id FROM agents WHERE agent_no = a.agent_no) AS agent_id, assigned_at, ended_at,
  outcome, answer, explanation FROM task_attempts a JOIN task_explanations USING (task_no, attempt)`;
const ATTEMPTS = `${ATTEMPT_COLUMNS} WHERE task_no = ? ORDER BY attempt`;

/** Every attempt of a task that is not archived, oldest first. */
export function storedAttempts(transaction: Transaction, taskNo: number): StoredAttempt[] {
  return transaction.all<AttemptRow>(ATTEMPTS, taskNo).map(buildAttempt);
}

const ATTEMPTS_AFTER = `${ATTEMPT_COLUMNS} WHERE task_no = ? AND attempt > ? ORDER BY attempt LIMIT ?`;

/** The attempts, oldest first. @throws TASK_NOT_FOUND */
export function getAssignments(transaction: Transaction, taskId: string, page: Page): Paged<Assignment> {
  const after = assignmentsAfter(taskId, page.cursor);
  const task = findTask(transaction, taskId);
  if (task !== undefined) {
    const rows = transaction.all<AttemptRow>(ATTEMPTS_AFTER, task.task_no, after, page.limit + 1);
    return pageOfAssignments(taskId, rows.map(buildAttempt), page.limit);
  }
  const archived = getArchivedAttempts(transaction, taskId);
  if (archived === undefined) throw taskNotFound(taskId);
  return pageOfAssignments(
    taskId,
    archived.filter(({ attempt }) => attempt > after),
    page.limit,
  );
}

const EVENTS = `SELECT event_no, event, at, attempt, (SELECT agent_id FROM agents WHERE agent_no = e.agent_no) AS agent_id, detail
  FROM task_events e WHERE task_no = ? AND event_no < ? ORDER BY event_no DESC LIMIT ?`;

/** The newest events of a task that is not archived, newest first. */
export function newestEvents(transaction: Transaction, taskNo: number, limit: number): TaskEvent[] {
  return transaction.all<EventRow>(EVENTS, taskNo, Number.MAX_SAFE_INTEGER, limit).map(buildEvent);
}

/** Newest first. @throws TASK_NOT_FOUND */
export function getTaskHistory(transaction: Transaction, taskId: string, page: Page): Paged<TaskEvent> {
  const filters = { list: "history", taskId };
  const before = Number(decodeCursor(filters, page.cursor, 1)?.[0] ?? Number.MAX_SAFE_INTEGER);
  const task = findTask(transaction, taskId);
  if (task === undefined) {
    const events = getArchivedEvents(transaction, taskId);
    if (events === undefined) throw taskNotFound(taskId);
    return archivedHistory(events, page.limit, before, (place) => historyCursor(taskId, [place]));
  }
  const rows = transaction.all<EventRow>(EVENTS, task.task_no, before, page.limit + 1);
  return takePage(rows, page.limit, buildEvent, (last) => historyCursor(taskId, [last.event_no]));
}
