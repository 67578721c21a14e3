import { IdempotencyMismatch } from "../base/idempotency.ts";
import { AgentCommunicationError } from "../model/errors.ts";
import type { NewTask } from "./store.ts";

/** Why a task is not created; the same words in both engines. */

export function mayNotAssign(task: Pick<NewTask, "supervisor">, role: string): AgentCommunicationError {
  return new AgentCommunicationError(
    "FORBIDDEN",
    `Agent ${task.supervisor} is a ${role}; only a supervisor or admin assigns tasks.`,
  );
}

export function assigneeNotFound(agentId: string): AgentCommunicationError {
  return new AgentCommunicationError("AGENT_NOT_FOUND", `assignTo names ${agentId}, which is not registered.`);
}

/** The id is another supervisor's. */
export function taskIdTaken(task: NewTask): AgentCommunicationError {
  return new AgentCommunicationError("ID_TAKEN", `The task id ${task.taskId} is in use.`);
}

/** The id or key came with another request before. */
export function taskMismatch(task: NewTask, storedHash: string): AgentCommunicationError {
  const what = task.idempotencyKey === undefined ? `The task id ${task.taskId}` : "The idempotency key";
  return new IdempotencyMismatch(`${what} was used with a different request.`, task.taskId, storedHash);
}

export function dependencyInvalid(task: NewTask, dependencyId: string): AgentCommunicationError {
  const why =
    dependencyId === task.taskId ? "cannot depend on itself" : `depends on ${dependencyId}, which does not exist`;
  return new AgentCommunicationError("DEPENDENCY_INVALID", `Task ${task.taskId} ${why}.`);
}
