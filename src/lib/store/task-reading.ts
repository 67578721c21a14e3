import type { Dependency } from "../model/dependency.ts";
import type { JsonValue } from "../model/json.ts";
import type { ResumeReason } from "../model/resume.ts";
import type { Assignment, AttemptOutcome } from "../model/task.ts";
import type { TaskEvent } from "../model/task-history.ts";
import type { PairUsage } from "../model/usage.ts";
import { PRIORITIES } from "../model/values.ts";
import { readAttempt, type StoredAttempt } from "./archived-attempts.ts";
import { decodeCursor, encodeCursor } from "./cursor.ts";
import { iso } from "./instants.ts";
import { takePage } from "./reply-bytes.ts";
import type { Page, Paged, Sealed, StoredQuestion, StoredTask } from "./store.ts";
import { hasEnded, isLive, isUnassigned, startDeadlineOf, type TaskEventName, type TaskRow } from "./task-records.ts";

/** How stored tasks, attempts and events read to callers: the same whichever engine keeps the rows. */

/** What is read with the row of a task: ids for numbers, and texts as they are stored. */
export interface TaskParts {
  supervisor_id: string;
  assign_to_id: string | null;
  agent_id: string | null;
  required: string;
  description: string;
  parameters: string;
  /** Of the parameters. */
  key_version: string | null;
  traceparent: string | null;
  preferred: string;
  child_types: string | null;
  note: string | null;
  result: string | null;
  result_key_version: string | null;
  error: string | null;
}

/** What a task keeps in rows of their own. */
export interface TaskExtras {
  question?: StoredQuestion | undefined;
  checkpoint?: Sealed | undefined;
  resumedBy?: ResumeReason | undefined;
  /** Only where it is asked for. */
  usage?: PairUsage[] | undefined;
}

/** The task as it is stored. While it waits, it is assigned to nobody. */
export function buildTask(
  row: TaskRow,
  parts: TaskParts,
  dependsOn: Dependency[],
  extras: TaskExtras = {},
): StoredTask {
  const task: StoredTask = {
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
    dependsOn,
    status: row.status,
    version: row.version,
    attempt: row.attempt,
    cancelRequested: row.cancel_requested === 1,
    createdAt: iso(row.created_at),
    availableAt: iso(row.available_at),
  };
  if (row.start_timeout_milliseconds !== null) task.startTimeoutSeconds = row.start_timeout_milliseconds / 1_000;
  if (row.parent_task_id !== null) task.parentTaskId = row.parent_task_id;
  if (parts.assign_to_id !== null) task.assignTo = parts.assign_to_id;
  if (parts.agent_id !== null && !isUnassigned(row.status)) task.assignedTo = parts.agent_id;
  if (parts.child_types !== null) task.children = { taskTypes: JSON.parse(parts.child_types) as string[] };
  if (row.expires_at !== null) task.expiresAt = iso(row.expires_at);
  if (extras.question !== undefined) task.question = extras.question;
  if (extras.checkpoint !== undefined) task.checkpoint = extras.checkpoint;
  if (extras.resumedBy !== undefined) task.resumedBy = extras.resumedBy;
  if (extras.usage !== undefined) task.usage = extras.usage;
  addTimes(task, row);
  addOutcome(task, row, parts);
  if (parts.key_version !== null) task.keyVersion = parts.key_version;
  if (parts.traceparent !== null) task.traceparent = parts.traceparent;
  return task;
}

function addTimes(task: StoredTask, row: TaskRow): void {
  if (row.assigned_at !== null) task.assignedAt = iso(row.assigned_at);
  if (row.started_at !== null) task.startedAt = iso(row.started_at);
  if (isLive(row)) task.deadline = iso(row.deadline_at);
  const startBy = startDeadlineOf(row);
  if (startBy !== undefined) task.startDeadline = iso(startBy);
  if (row.ended_at !== null) task.endedAt = iso(row.ended_at);
}

function addOutcome(task: StoredTask, row: TaskRow, parts: TaskParts): void {
  // A completed task is at 100 percent, whatever the last report said.
  if (row.status === "completed") task.percent = 100;
  else if (row.percent !== null) task.percent = row.percent;
  if (parts.note !== null) task.note = parts.note;
  if (!hasEnded(row)) return;
  if (parts.result !== null) task.result = JSON.parse(parts.result) as JsonValue;
  if (parts.result_key_version !== null) task.resultKeyVersion = parts.result_key_version;
  if (parts.error !== null) task.error = parts.error;
}

export interface AttemptRow {
  attempt: number;
  agent_id: string;
  assigned_at: number;
  ended_at: number | null;
  outcome: AttemptOutcome | null;
  answer: string | null;
  explanation: string;
}

export function buildAttempt(row: AttemptRow): StoredAttempt {
  return {
    attempt: row.attempt,
    agentId: row.agent_id,
    assignedAt: row.assigned_at,
    endedAt: row.ended_at,
    outcome: row.outcome,
    answer: row.answer === null ? null : JSON.parse(row.answer),
    explanation: row.explanation,
  };
}

export interface EventRow {
  event_no: number;
  event: TaskEventName;
  at: number;
  attempt: number;
  agent_id: string | null;
  detail: string | null;
}

export function buildEvent(row: EventRow): TaskEvent {
  const event: TaskEvent = { event: row.event, at: iso(row.at), attempt: row.attempt };
  if (row.agent_id !== null) event.agentId = row.agent_id;
  if (row.detail !== null) event.detail = row.detail;
  return event;
}

/**
 * A page of an archived history, newest first.
 *
 * @param events oldest first
 * @param before only events in front of this place, from 1
 * @param cursorAt the cursor after the event at a place
 */
export function archivedHistory(
  events: readonly TaskEvent[],
  limit: Page["limit"],
  before: number,
  cursorAt: (place: number) => string,
): Paged<TaskEvent> {
  const end = Math.min(events.length, before - 1);
  const places = Array.from({ length: end }, (_, behind) => end - behind);
  const page = places.flatMap((place) => events.slice(place - 1, place).map((event) => ({ place, event })));
  return takePage(
    page,
    limit,
    ({ event }) => event,
    (last) => cursorAt(last.place),
  );
}

/** The cursor of a history. */
export function historyCursor(taskId: string, position: readonly number[]): string {
  return encodeCursor({ list: "history", taskId }, position);
}

const ATTEMPT_MAX = 2 ** 31 - 1;
const assignmentFilters = (taskId: string) => ({ list: "assignments", taskId });

/** The attempt after which a page begins. @throws INVALID_REQUEST for a cursor of something else */
export function assignmentsAfter(taskId: string, cursor: string | undefined): number {
  const after = Number(decodeCursor(assignmentFilters(taskId), cursor, 1)?.[0] ?? 0);
  // Attempts are numbers of 32 bits in a database; what a caller has made up of a cursor need not be.
  return Math.max(0, Math.min(after, ATTEMPT_MAX));
}

/** A page of attempts, from the oldest on; `stored`: those after the cursor, one more than the page holds where there are more. */
export function pageOfAssignments(taskId: string, stored: readonly StoredAttempt[], limit: number): Paged<Assignment> {
  return takePage(stored, limit, readAttempt, (last) => encodeCursor(assignmentFilters(taskId), [last.attempt]));
}
