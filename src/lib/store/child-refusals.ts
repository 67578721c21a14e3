import { AgentCommunicationError } from "../model/errors.ts";

/** Why a task may not make children; the same words in both engines. */

export function beyondTree(detail: string): AgentCommunicationError {
  return new AgentCommunicationError("TASK_TREE_LIMIT", detail);
}

export function tooManyDescendants(taskId: string, most: number): AgentCommunicationError {
  return beyondTree(`Task ${taskId} and its children would be more than ${most} tasks below one, which is the most.`);
}
