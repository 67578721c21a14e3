import type { Assignment, ListTasksQuery, TaskRelation } from "../../model/task.ts";
import type { TaskEvent } from "../../model/task-history.ts";
import { parseAttempts, type StoredAttempt } from "../archived-attempts.ts";
import { type ArchivedDocument, readArchived } from "../archived-documents.ts";
import { decodeCursor, encodeCursor } from "../cursor.ts";
import { takePage } from "../reply-bytes.ts";
import type { Page, Paged, StoredTask, TaskVersion } from "../store.ts";
import {
  type AttemptRow,
  archivedHistory,
  assignmentsAfter,
  buildAttempt,
  buildEvent,
  type EventRow,
  historyCursor,
  pageOfAssignments,
} from "../task-reading.ts";
import { taskNotFound } from "../task-records.ts";
import type { TaskValueRow } from "../task-values.ts";
import { parseArchivedEvents } from "./archived-tasks.ts";
import { bigint, id, int, lookUp, text, word } from "./batch.ts";
import type { Connection } from "./connection.ts";
import { procedure } from "./procedures.ts";
import { ExtrasOfTasks } from "./question-reading.ts";
import { type ReadableTaskRow, readTask } from "./task-rows.ts";
import { usageByTask } from "./usage.ts";

/** Tasks, their attempts and their history as callers see them. */

/** The archive is read last: a task that is moved there meanwhile is in one of them. */
const TASK = procedure("get_task");

/** Reads the archive as well. @throws TASK_NOT_FOUND */
export async function getTask(connection: Connection, taskId: string): Promise<StoredTask> {
  const result = await connection.query(TASK, { taskId: id(taskId) });
  const row = result.rows<ReadableTaskRow>(0)[0];
  if (row !== undefined) {
    const usage = usageByTask(result.rows(3)).get(row.task_no);
    return readTask(row, { ...new ExtrasOfTasks(result, 4).of(row.task_no), usage });
  }
  const archived = result.rows<ArchivedDocument>(1)[0];
  if (archived === undefined) throw taskNotFound(taskId);
  return readArchived(archived, result.rows<TaskValueRow>(2));
}

const VERSIONS = procedure("find_task_versions");

/** The versions of those that are not archived. */
export async function findTaskVersions(connection: Connection, taskIds: readonly string[]): Promise<TaskVersion[]> {
  if (taskIds.length === 0) return [];
  const tasks = [...new Set(taskIds)].map((taskId) => ({ task_id: taskId }));
  const result = await connection.query(VERSIONS, { tasks: text(JSON.stringify(tasks)) });
  const rows = result.rows<{ task_id: string; version: number }>(0);
  return rows.map(({ task_id: taskId, version }) => ({ taskId, version }));
}

const LIST = procedure("list_tasks");

/** Newest first; a page may be shorter than its limit when its tasks are large. Archived tasks are not listed. */
export async function listTasks(
  connection: Connection,
  query: Page & Omit<ListTasksQuery, "limit" | "cursor">,
): Promise<Paged<StoredTask>> {
  const { status, supervisor, assignedTo, taskType, parentTaskId, limit } = query;
  const filters = { list: "tasks", status, supervisor, assignedTo, taskType, parentTaskId };
  const before = Number(decodeCursor(filters, query.cursor, 1)?.[0] ?? Number.MAX_SAFE_INTEGER);
  const result = await connection.query(LIST, {
    status: word(status ?? null),
    supervisor: id(supervisor ?? null),
    assignedTo: id(assignedTo ?? null),
    taskType: id(taskType ?? null),
    parentTaskId: id(parentTaskId ?? null),
    before: bigint(before),
    limit: int(limit),
  });
  const rows = result.rows<ReadableTaskRow & { found: number }>(0);
  const extras = new ExtrasOfTasks(result, 1);
  return takePage(
    rows,
    limit,
    (row) => readTask(row, extras.of(row.task_no)),
    (last) => encodeCursor(filters, [last.task_no]),
    rows[0]?.found,
  );
}

const SENSITIVE = lookUp<string, number>({
  name: "sensitive-tasks",
  sql: procedure("sensitive_tasks"),
  encode: (taskId) => ({ task_id: taskId }),
});

/** Whether the parameters of a task are encrypted, in the archive, too; undefined when there is none. */
export async function isSensitiveTask(connection: Connection, taskId: string): Promise<boolean | undefined> {
  const sensitive = await connection.run(SENSITIVE, taskId);
  return sensitive === undefined ? undefined : sensitive === 1;
}

/**
 * The archive knows agents by name alone. A name that maintenance has freed may have been given again: who was registered after a
 * task had ended is not the agent of that task. The last case walks what the agent has in hand: as many tasks as it takes at once, and what each of them depends on.
 */
const RELATION = lookUp<{ agentId: string; taskId: string }, TaskRelation>({
  name: "relation-to-task",
  sql: procedure("relation_to_task"),
  encode: ({ agentId, taskId }) => ({ agent_id: agentId, task_id: taskId }),
});

/** What a task, archived ones included, is to an agent. */
export function relationToTask(
  connection: Connection,
  agentId: string,
  taskId: string,
): Promise<TaskRelation | undefined> {
  return connection.run(RELATION, { agentId, taskId });
}

const ATTEMPTS = procedure("get_assignments");

/** The attempts, oldest first. @throws TASK_NOT_FOUND */
export async function getAssignments(connection: Connection, taskId: string, page: Page): Promise<Paged<Assignment>> {
  const after = assignmentsAfter(taskId, page.cursor);
  const { limit } = page;
  const result = await connection.query(ATTEMPTS, { taskId: id(taskId), after: int(after), limit: int(limit) });
  const archived = result.rows<{ assignments: string }>(2)[0];
  if (archived !== undefined) {
    const stored = parseAttempts(archived.assignments).filter(({ attempt }) => attempt > after);
    return pageOfAssignments(taskId, stored, limit);
  }
  if (result.rows<{ task_no: number | null }>(0)[0]?.task_no == null) throw taskNotFound(taskId);
  return pageOfAssignments(taskId, result.rows<AttemptRow>(1).map(buildAttempt), limit);
}

/** `place`: of the newest of the page, from 1 for the oldest event of all: an archived history knows no other numbers. */
const EVENTS = procedure("get_task_history");

/** Newest first. @throws TASK_NOT_FOUND */
export async function getTaskHistory(connection: Connection, taskId: string, page: Page): Promise<Paged<TaskEvent>> {
  const { limit, cursor } = page;
  const [before, beforePlace] = decodeCursor({ list: "history", taskId }, cursor, 2) ?? [];
  const inputs = { taskId: id(taskId), before: bigint(Number(before ?? Number.MAX_SAFE_INTEGER)), limit: int(limit) };
  const result = await connection.query(EVENTS, inputs);
  const archived = result.rows<{ events: string }>(2)[0];
  if (archived !== undefined) {
    const place = Number(beforePlace ?? Number.MAX_SAFE_INTEGER);
    // A number larger than any place: the task is not among the live ones any more.
    const cursorAt = (at: number): string => historyCursor(taskId, [Number.MAX_SAFE_INTEGER, at]);
    return archivedHistory(parseArchivedEvents(archived.events), limit, place, cursorAt);
  }
  const [task] = result.rows<{ task_no: number | null; place: number }>(0);
  if (task === undefined || task.task_no === null) throw taskNotFound(taskId);
  const rows = result.rows<EventRow>(1);
  const places = rows.map((row, behind) => ({ row, place: task.place - behind }));
  return takePage(
    places,
    limit,
    ({ row }) => buildEvent(row),
    ({ row, place }) => historyCursor(taskId, [row.event_no, place]),
  );
}

const TASKS_BY_NO = procedure("read_tasks_by_no");

/** Tasks by number, for the archive, with what they keep in rows of their own; those that are gone are left out. */
export async function readTasksByNo(
  connection: Connection,
  taskNos: readonly number[],
): Promise<Map<number, { task: StoredTask; values: readonly TaskValueRow[] }>> {
  const result = await connection.query(TASKS_BY_NO, { taskNos: text(JSON.stringify(taskNos)) });
  const usages = usageByTask(result.rows(1));
  const extras = new ExtrasOfTasks(result, 2);
  return new Map(
    result.rows<ReadableTaskRow>(0).map((row) => {
      const no = row.task_no;
      return [no, { task: readTask(row, { ...extras.of(no), usage: usages.get(no) }), values: extras.values(no) }];
    }),
  );
}

const ATTEMPTS_BY_NO = procedure("read_attempts_by_no");

/** Every attempt of each task, oldest first. */
export async function storedAttemptsByNo(
  connection: Connection,
  taskNos: readonly number[],
): Promise<Map<number, StoredAttempt[]>> {
  const result = await connection.query(ATTEMPTS_BY_NO, { taskNos: text(JSON.stringify(taskNos)) });
  return grouped(result.rows<AttemptRow & { task_no: number }>(0), buildAttempt);
}

const EVENTS_BY_NO = procedure("read_events_by_no");

/** The newest events of each task, newest first. */
export async function newestEventsByNo(
  connection: Connection,
  taskNos: readonly number[],
  limit: number,
): Promise<Map<number, TaskEvent[]>> {
  const result = await connection.query(EVENTS_BY_NO, { taskNos: text(JSON.stringify(taskNos)), limit: int(limit) });
  return grouped(result.rows<EventRow & { task_no: number }>(0), buildEvent);
}

function grouped<Row extends { task_no: number }, Item>(
  rows: readonly Row[],
  build: (row: Row) => Item,
): Map<number, Item[]> {
  const groups = new Map<number, Item[]>();
  for (const row of rows) {
    const group = groups.get(row.task_no);
    if (group === undefined) groups.set(row.task_no, [build(row)]);
    else group.push(build(row));
  }
  return groups;
}
