import { AnswerMismatch, IdempotencyMismatch } from "../base/idempotency.ts";
import { AgentCommunicationError } from "../model/errors.ts";
import { DURATION_MAX_SECONDS, SUSPEND_MIN_SECONDS, SUSPENSIONS_MAX } from "../model/limits.ts";
import type { QuestionState } from "../model/question.ts";

/** Why a task is not suspended, and a question not answered; the same words in both engines. */

export function questionNotFound(taskId: string, questionId: string): AgentCommunicationError {
  return new AgentCommunicationError("NOT_FOUND", `Task ${taskId} has no question ${questionId}.`);
}

/** Another answer is there, as far as the hashes tell, or the question's time was over. */
export function alreadyAnswered(
  taskId: string,
  questionId: string,
  state: QuestionState,
  storedHash: string | undefined,
): AgentCommunicationError {
  const why = state === "timed_out" ? "was not answered in time" : "has been answered otherwise";
  return new AnswerMismatch(`Question ${questionId} of task ${taskId} ${why}.`, storedHash);
}

export function questionEnded(taskId: string, questionId: string): AgentCommunicationError {
  return new AgentCommunicationError(
    "TASK_ENDED",
    `Task ${taskId} ended before its question ${questionId} was answered.`,
  );
}

export function tooManySuspensions(taskId: string): AgentCommunicationError {
  const detail = `Task ${taskId} has been suspended ${SUSPENSIONS_MAX} times, which is the most: complete it or let it fail.`;
  return new AgentCommunicationError("SUSPENSION_LIMIT", detail);
}

function badTime(path: string, message: string): AgentCommunicationError {
  return new AgentCommunicationError("INVALID_REQUEST", `${path} ${message}.`, { errors: [{ path, message }] });
}

/** The time until which a task suspends, in milliseconds, is far enough away and not too far. @throws INVALID_REQUEST */
export function requireWakeTime(at: number, now: number): void {
  if (at >= now + SUSPEND_MIN_SECONDS * 1_000 && at <= now + DURATION_MAX_SECONDS * 1_000) return;
  throw badWakeTime();
}

export function badWakeTime(): AgentCommunicationError {
  return badTime("until.at", `must be at least ${SUSPEND_MIN_SECONDS} seconds and at most a year away`);
}

/** @throws INVALID_REQUEST for a time that is over or more than a year away */
export function requireExpiry(expiresAt: number, now: number): void {
  if (expiresAt > now && expiresAt <= now + DURATION_MAX_SECONDS * 1_000) return;
  throw badExpiry();
}

export function badExpiry(): AgentCommunicationError {
  return badTime("expiresAt", "must lie in the future, at most a year away");
}

export function askedOfNotFound(agentId: string): AgentCommunicationError {
  return new AgentCommunicationError("AGENT_NOT_FOUND", `askedOf names ${agentId}, which is not registered.`);
}

/** The same attempt was suspended with another `until`, as far as the hashes tell. */
export function suspensionMismatch(taskId: string, attempt: number, storedHash: string): AgentCommunicationError {
  const detail = `Attempt ${attempt} of task ${taskId} was suspended with another request.`;
  return new IdempotencyMismatch(detail, taskId, storedHash);
}
