import { AgentCommunicationError } from "../model/errors.ts";

/** Why what has ended is not retried; the same words in both engines. */

/** @param why the cause, as a clause without a full stop */
export function taskNotRetried(taskId: string, why: string): AgentCommunicationError {
  return new AgentCommunicationError("TASK_ENDED", `Task ${taskId} is not retried: ${why}.`);
}

export function workflowNotRetried(workflowId: string, status: string): AgentCommunicationError {
  const detail = `Workflow ${workflowId} is ${status}: none of its tasks has failed or was cancelled by a call.`;
  return new AgentCommunicationError("TASK_ENDED", detail);
}
