import { IdempotencyMismatch } from "../base/idempotency.ts";
import { AgentCommunicationError } from "../model/errors.ts";
import type { NewWorkflow } from "./store.ts";

/** Why a workflow is not created or not found; the same words in both engines. */

export function workflowNotFound(workflowId: string): AgentCommunicationError {
  return new AgentCommunicationError("NOT_FOUND", `There is no workflow ${workflowId}.`);
}

export function workflowIdTaken({ workflowId }: NewWorkflow): AgentCommunicationError {
  return new AgentCommunicationError("ID_TAKEN", `The workflow id ${workflowId} is in use.`);
}

/** The id or key came with another request before. */
export function workflowMismatch(workflow: NewWorkflow, storedHash: string): AgentCommunicationError {
  const { idempotencyKey, workflowId } = workflow;
  const what = idempotencyKey === undefined ? `The workflow id ${workflowId}` : "The idempotency key";
  return new IdempotencyMismatch(`${what} was used with a different request.`, workflowId, storedHash);
}

export function workflowEnded(workflowId: string, status: string): AgentCommunicationError {
  return new AgentCommunicationError("TASK_ENDED", `Workflow ${workflowId} is ${status}: none of its tasks is open.`);
}
