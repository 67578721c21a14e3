import type { TaskStatus } from "../../model/task.ts";
import type { WorkflowStatus } from "../../model/workflow.ts";
import type { FinalStatus } from "../task-records.ts";
import { NOT_NEEDED } from "./dependencies.ts";

/** How workflows end. The rule of both engines; a test finds its words in the procedures. */

/** What a task is cancelled with that nobody was given when another task of its workflow failed for good. */
export const STOPPED = "STOPPED";

/** The ends that a workflow counts: of cancelled tasks those that were not needed or stopped apart. */
export const COUNTED_ENDS = ["completed", "failed", "cancelled", "not_needed", "stopped"] as const;
export type CountedEnd = (typeof COUNTED_ENDS)[number];

/** @param becauseOf the task whose end has ended it: a caller may give any reason to a cancel, but not this one */
export function countedEnd(status: FinalStatus, error: string | undefined, becauseOf: string | undefined): CountedEnd {
  if (status !== "cancelled" || becauseOf === undefined) return status;
  if (error === NOT_NEEDED) return "not_needed";
  return error === STOPPED ? "stopped" : status;
}

/** What a workflow has become, none of whose tasks is open. */
export function endedAs({
  failed,
  cancelled,
}: {
  failed: number;
  cancelled: number;
}): Exclude<WorkflowStatus, "running"> {
  if (failed > 0) return "failed";
  return cancelled > 0 ? "cancelled" : "completed";
}

/** Statuses of tasks that have not ended. */
export const OPEN_STATUSES = [
  "blocked",
  "pending",
  "assigned",
  "running",
  "input_required",
] as const satisfies readonly TaskStatus[];
