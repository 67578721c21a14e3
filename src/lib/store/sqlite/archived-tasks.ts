import { z } from "zod";
import {
  type Assignment,
  ATTEMPT_OUTCOMES,
  type Task,
  type TaskEvent,
  taskEventSchema,
  taskReplySchema,
  taskSchema,
} from "../../tasks/task.ts";
import { iso } from "../instants.ts";
import { readExplanation } from "./explanations.ts";
import type { FinalStatus, StoredAnswer } from "./task-endings.ts";

import type { Transaction } from "./transaction.ts";

/** Tasks in the archive: documents, read by id. */

/** An attempt as the archive keeps it. */
export const archivedAttemptSchema = z.object({
  attempt: z.int(),
  agentId: z.string(),
  assignedAt: z.int(),
  endedAt: z.int().nullable(),
  outcome: z.enum(ATTEMPT_OUTCOMES).nullable(),
  answer: taskReplySchema.pick({ status: true, cancelRequested: true }).nullable(),
  /** As storeExplanation wrote it. */
  explanation: z.string(),
});
export type StoredAttempt = z.infer<typeof archivedAttemptSchema>;

/** An attempt as callers see it, wherever it is kept. */
export function readAttempt(stored: StoredAttempt): Assignment {
  const assignment: Assignment = {
    ...readExplanation(stored.explanation),
    attempt: stored.attempt,
    assignedAt: iso(stored.assignedAt),
  };
  // The stored choice is the agent itself, whatever the order of the list says.
  assignment.chosen = stored.agentId;
  if (stored.endedAt !== null) assignment.endedAt = iso(stored.endedAt);
  if (stored.outcome !== null) assignment.outcome = stored.outcome;
  return assignment;
}

export function getArchivedTask(transaction: Transaction, taskId: string): Task | undefined {
  const sql = "SELECT task FROM task_archive WHERE task_id = ?";
  const row = transaction.get<{ task: string }>(sql, taskId);
  return row && { ...taskSchema.parse(JSON.parse(row.task)), archived: true };
}

export function getArchivedAttempts(transaction: Transaction, taskId: string): StoredAttempt[] | undefined {
  const sql = "SELECT assignments FROM task_archive WHERE task_id = ?";
  const row = transaction.get<{ assignments: string }>(sql, taskId);
  return row && z.array(archivedAttemptSchema).parse(JSON.parse(row.assignments));
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
): { outcome: StoredAttempt["outcome"]; answer: StoredAnswer | undefined } | undefined {
  const attempts = getArchivedAttempts(transaction, taskId);
  if (attempts === undefined) return undefined;
  const last = attempts.at(-1);
  if (last === undefined || last.attempt !== caller.attempt || last.agentId !== caller.agentId) {
    return { outcome: null, answer: undefined };
  }
  return { outcome: last.outcome, answer: last.answer ?? undefined };
}
