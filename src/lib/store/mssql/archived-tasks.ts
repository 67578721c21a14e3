import { z } from "zod";
import { type Task, type TaskEvent, taskEventSchema, taskSchema } from "../../tasks/task.ts";
import {
  type ArchivedAnswer,
  answerOfArchived as answerOf,
  parseAttempts,
  type StoredAttempt,
} from "../archived-attempts.ts";
import type { FinalStatus } from "../task-records.ts";
import { id } from "./batch.ts";
import type { Connection } from "./connection.ts";
import { sqlText } from "./texts.ts";

export { readAttempt, type StoredAttempt } from "../archived-attempts.ts";

/**
 * Tasks in the archive: documents, read by id. A verb that mostly finds its task among the live ones reads the archive in
 * its own batch, where it has not, and parses what it read with the functions of ../archived-attempts.ts and
 * `parseArchivedTask`; the readers below are for those that may take another round trip.
 */

/** The task as callers see it, from the document of the archive. */
export function parseArchivedTask(task: string): Task {
  return { ...taskSchema.parse(JSON.parse(task)), archived: true };
}

/** Oldest first; an event's number is its place, from 1. From the document of the archive. */
export function parseArchivedEvents(events: string): TaskEvent[] {
  return z.array(taskEventSchema).parse(JSON.parse(events));
}

/** One column of the archive by the id of its task, as text. */
function archiveText(column: string) {
  return sqlText(
    `archived-${column}`,
    `SELECT a.${column} AS value FROM dbo.task_archive AS a WHERE a.task_id = @taskId;`,
  );
}

const TASK = archiveText("task");
const ASSIGNMENTS = archiveText("assignments");
const EVENTS = archiveText("events");
const STATUS = archiveText("status");

async function read(connection: Connection, sql: ReturnType<typeof archiveText>, taskId: string) {
  const result = await connection.query(sql, { taskId: id(taskId) });
  return result.rows<{ value: string }>(0)[0]?.value;
}

export async function getArchivedTask(connection: Connection, taskId: string): Promise<Task | undefined> {
  const task = await read(connection, TASK, taskId);
  return task === undefined ? undefined : parseArchivedTask(task);
}

export async function getArchivedAttempts(
  connection: Connection,
  taskId: string,
): Promise<StoredAttempt[] | undefined> {
  const assignments = await read(connection, ASSIGNMENTS, taskId);
  return assignments === undefined ? undefined : parseAttempts(assignments);
}

/** Oldest first; an event's number is its place, from 1. */
export async function getArchivedEvents(connection: Connection, taskId: string): Promise<TaskEvent[] | undefined> {
  const events = await read(connection, EVENTS, taskId);
  return events === undefined ? undefined : parseArchivedEvents(events);
}

export async function statusOfArchived(connection: Connection, taskId: string): Promise<FinalStatus | undefined> {
  const result = await connection.query(STATUS, { taskId: id(taskId) });
  return result.rows<{ value: FinalStatus }>(0)[0]?.value;
}

/** How the last attempt of an archived task ended, if the caller was its agent; undefined when the task is not archived. */
export async function answerOfArchived(
  connection: Connection,
  taskId: string,
  caller: { agentId: string; attempt: number },
): Promise<ArchivedAnswer | undefined> {
  const assignments = await read(connection, ASSIGNMENTS, taskId);
  return assignments === undefined ? undefined : answerOf(assignments, caller);
}
