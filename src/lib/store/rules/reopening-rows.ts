import type { DependencyCondition } from "../../model/dependency.ts";
import type { TaskStatus } from "../../model/task.ts";
import type { CounterName } from "./counter-names.ts";
import type { CountedEnd } from "./workflows.ts";

/** What is read before tasks are re-opened, and the rows to write then. */

/** What is read of a task; flags are 0 or 1. */
export interface RetriedTask {
  task_no: number;
  task_id: string;
  status: TaskStatus;
  attempt: number;
  version: number;
  gate: number;
  cancel_requested: number;
  deadline_at: number | null;
  expires_at: number | null;
  workflow_no: number | null;
  /** 1: its parent does not wait for it any more. */
  left_behind: number;
  error: string | null;
  /** The task whose end has ended this one; its own id: nothing opens it again but a retry of itself. */
  because_of: string | null;
}

/** What a task waits for, as it is now. */
export interface RetriedDependency {
  task_no: number;
  position: number;
  depends_on: string;
  condition: DependencyCondition;
  status: TaskStatus;
  error: string | null;
  /** The row of `depends_on`; null: it is archived, and changes no more. */
  depends_no: number | null;
  version: number | null;
}

/** A task that was told of the end of `depends_on`, for which it did not wait as a completion. */
export interface ToldDependent extends Pick<RetriedTask, "task_no" | "task_id" | "status" | "attempt" | "version"> {
  depends_on: string;
  position: number;
  condition: DependencyCondition;
  gate: number;
  unmet_dependencies: number;
  because_of: string | null;
}

/** What is read before tasks are re-opened. */
export interface SeenReopening {
  /** Tasks that ended because of this one, but for itself. */
  followers(taskId: string): readonly RetriedTask[];
  dependencies(taskNo: number): readonly RetriedDependency[];
  told(taskId: string): readonly ToldDependent[];
}

/** A row of tasks, if it is still of this version: open again, waiting for more than before, or unchanged. */
export interface ReopenedRow {
  task_no: number;
  task_id: string;
  version: number;
  step: "reopen" | "wait" | "hold";
  was: TaskStatus;
  becomes: TaskStatus;
  unmet: number;
  gate: number;
  /** For the history, of one that is re-opened. */
  detail?: string | undefined;
  /** Who re-opens it; left out: it follows from another one. */
  actor?: string | undefined;
}

/** What its tasks' re-opening takes back of a workflow. */
export interface ReopenedWorkflow extends Record<CountedEnd, number> {
  workflow_no: number;
  reopened: number;
}

/** The rows to write; those of tasks in the order of their numbers. */
export interface Reopened {
  tasks: readonly ReopenedRow[];
  settlements: readonly { task_no: number; position: number; settled: 0 | 1 }[];
  /** Tasks that stay ended, because of another one than before. */
  causes: readonly { task_no: number; because_of: string }[];
  workflows: readonly ReopenedWorkflow[];
  totals: readonly { name: CounterName; delta: number }[];
  /** Tasks whose dependents were looked at. Those with more of them are left to the sweep. */
  visited: readonly string[];
  /** Tasks that are left to the sweep no more. */
  dropped: readonly string[];
}
