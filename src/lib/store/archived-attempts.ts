import { z } from "zod";
import { suspendReplySchema } from "../model/suspension.ts";
import { type Assignment, ATTEMPT_OUTCOMES } from "../model/task.ts";
import { readExplanation } from "./explanations.ts";
import { iso } from "./instants.ts";
import type { StoredAnswer } from "./task-records.ts";

/** The attempts of a task as the archive of either engine keeps them: a JSON document beside the task. */

/** An attempt as the archive keeps it. */
export const archivedAttemptSchema = z.object({
  attempt: z.int(),
  agentId: z.string(),
  assignedAt: z.int(),
  endedAt: z.int().nullable(),
  outcome: z.enum(ATTEMPT_OUTCOMES).nullable(),
  answer: suspendReplySchema
    .pick({ status: true, cancelRequested: true, questionId: true, availableAt: true })
    .extend({ untilHash: z.string().optional(), suspension: z.int().optional() })
    .nullable(),
  /** As it was stored when the attempt began. */
  explanation: z.string(),
});
export type StoredAttempt = z.infer<typeof archivedAttemptSchema>;

/** The attempts of the archive's document, oldest first. */
export function parseAttempts(assignments: string): StoredAttempt[] {
  return z.array(archivedAttemptSchema).parse(JSON.parse(assignments));
}

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

/** How the last attempt of an archived task ended, and what that was answered. */
export interface ArchivedAnswer {
  /** null: the caller was not its agent, or names another attempt. */
  outcome: StoredAttempt["outcome"];
  answer: StoredAnswer | undefined;
}

/** How the last attempt of an archived task ended, if the caller was its agent. */
export function answerOfArchived(assignments: string, caller: { agentId: string; attempt: number }): ArchivedAnswer {
  const last = parseAttempts(assignments).at(-1);
  if (last === undefined || last.attempt !== caller.attempt || last.agentId !== caller.agentId) {
    return { outcome: null, answer: undefined };
  }
  return { outcome: last.outcome, answer: last.answer ?? undefined };
}
