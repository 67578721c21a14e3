import { z } from "zod";
import { type TaskEvent, taskEventSchema } from "../../model/task-history.ts";
import {
  type ArchivedAnswer,
  answerOfArchived as answerOf,
  parseAttempts,
  type StoredAttempt,
} from "../archived-attempts.ts";
import { type ArchivedDocument, readArchived } from "../archived-documents.ts";
import type { StoredTask } from "../store.ts";
import type { FinalStatus } from "../task-records.ts";
import type { TaskValueRow } from "../task-values.ts";
import type { Transaction } from "./transaction.ts";

export type { StoredAttempt } from "../archived-attempts.ts";

/** Tasks in the archive: documents, read by id. */

const VALUES = "SELECT name, value, key_version FROM task_archive_values WHERE task_id = ?";

export function getArchivedTask(transaction: Transaction, taskId: string): StoredTask | undefined {
  const sql = "SELECT task, key_version, result_key_version FROM task_archive WHERE task_id = ?";
  const row = transaction.get<ArchivedDocument>(sql, taskId);
  return row && readArchived(row, transaction.all<TaskValueRow>(VALUES, taskId));
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

const ANSWERED = `SELECT z.assignments, EXISTS (SELECT 1 FROM agents a WHERE a.agent_id = ?2 AND a.status <> 'deregistered'
    AND a.registered_at <= z.ended_at) AS answers
  FROM task_archive z WHERE z.task_id = ?1`;

/**
 * How the last attempt of an archived task ended, if the caller was its agent; undefined when the task is not archived. An agent
 * that was registered after the end has the name of another that is gone.
 */
export function answerOfArchived(
  transaction: Transaction,
  taskId: string,
  caller: { agentId: string; attempt: number },
): ArchivedAnswer | undefined {
  const row = transaction.get<{ assignments: string; answers: number }>(ANSWERED, taskId, caller.agentId);
  if (row === undefined) return undefined;
  return row.answers === 1 ? answerOf(row.assignments, caller) : { outcome: null, answer: undefined };
}
