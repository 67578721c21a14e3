import { z } from "zod";
import { type TaskEvent, taskEventSchema } from "../../tasks/task.ts";
import {
  type ArchivedAnswer,
  answerOfArchived as answerOf,
  parseAttempts,
  type StoredAttempt,
} from "../archived-attempts.ts";
import type { StoredTask } from "../store.ts";
import { type ArchivedDocument, readArchived } from "../task-reading.ts";
import type { FinalStatus } from "../task-records.ts";
import type { Transaction } from "./transaction.ts";

export type { StoredAttempt } from "../archived-attempts.ts";

/** Tasks in the archive: documents, read by id. */

export function getArchivedTask(transaction: Transaction, taskId: string): StoredTask | undefined {
  const sql = "SELECT task, key_version, result_key_version FROM task_archive WHERE task_id = ?";
  const row = transaction.get<ArchivedDocument>(sql, taskId);
  return row && readArchived(row);
}

const ASSIGNMENTS = "SELECT assignments FROM task_archive WHERE task_id = ?";

export function getArchivedAttempts(transaction: Transaction, taskId: string): StoredAttempt[] | undefined {
  const row = transaction.get<{ assignments: string }>(ASSIGNMENTS, taskId);
  return row && parseAttempts(row.assignments);
}

/** Oldest first; an event's number is its place, from 1. */
export function getArchivedEvents(transaction: Transaction, taskId: string): TaskEvent[] | undefined {
  const sql = "SELECT events FROM task_archive WHERE task_id = ?";
  const row = transaction.get<{ events: string }>(sql, taskId);
  return row && z.array(taskEventSchema).parse(JSON.parse(row.events));
}

export function statusOfArchived(transaction: Transaction, taskId: string): FinalStatus | undefined {
  return transaction.get<{ status: FinalStatus }>("SELECT status FROM task_archive WHERE task_id = ?", taskId)?.status;
}

/** How the last attempt of an archived task ended, if the caller was its agent; undefined when the task is not archived. */
export function answerOfArchived(
  transaction: Transaction,
  taskId: string,
  caller: { agentId: string; attempt: number },
): ArchivedAnswer | undefined {
  const row = transaction.get<{ assignments: string }>(ASSIGNMENTS, taskId);
  return row && answerOf(row.assignments, caller);
}
