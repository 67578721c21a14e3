import { isAgentCommunicationError } from "../../model/errors.ts";
import type { Firing, RecordedFiring } from "../../model/schedule.ts";
import type { Store } from "../../store/store.ts";

/** How what a firing has created is now; undefined: it has created nothing, or that is deleted. */
export async function statusOf(
  store: Store,
  { taskId, workflowId }: Pick<RecordedFiring, "taskId" | "workflowId">,
): Promise<Firing["status"]> {
  try {
    if (taskId !== undefined) return (await store.getTask(taskId)).status;
    return workflowId === undefined ? undefined : (await store.getWorkflow(workflowId)).status;
  } catch (error) {
    if (isAgentCommunicationError(error, "TASK_NOT_FOUND") || isAgentCommunicationError(error, "NOT_FOUND")) return;
    throw error;
  }
}

const ENDED: readonly Firing["status"][] = [undefined, "completed", "failed", "cancelled"];

/** Whether it is open still. */
export function isOpen(status: Firing["status"]): boolean {
  return !ENDED.includes(status);
}
