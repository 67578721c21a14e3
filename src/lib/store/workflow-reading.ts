import type { Dependency } from "../model/dependency.ts";
import type { TaskStatus } from "../model/task.ts";
import type {
  CreateWorkflowReply,
  Notify,
  Workflow,
  WorkflowCounts,
  WorkflowStatus,
  WorkflowSummary,
  WorkflowTaskState,
} from "../model/workflow.ts";
import { iso } from "./instants.ts";
import { isUnassigned } from "./task-records.ts";

/** How workflows read to callers: the same whichever engine keeps the rows. */

export interface WorkflowRow {
  workflow_no: number;
  workflow_id: string;
  supervisor_id: string;
  stop_on_failure: number;
  notify: Notify;
  status: WorkflowStatus;
  version: number;
  completed: number;
  failed: number;
  cancelled: number;
  not_needed: number;
  stopped: number;
  created_at: number;
  ended_at: number | null;
}

/** Its open tasks by status. */
export type OpenCounts = Partial<Record<TaskStatus, number>>;

export function readSummary(row: WorkflowRow, open: OpenCounts): WorkflowSummary {
  const { blocked = 0, pending = 0, assigned = 0, running = 0, input_required = 0 } = open;
  const { completed, failed, cancelled, not_needed: notNeeded, stopped } = row;
  const counts: WorkflowCounts = {
    ...{ blocked, pending, assigned, running, input_required },
    ...{ completed, failed, cancelled, notNeeded, stopped },
  };
  const summary: WorkflowSummary = {
    workflowId: row.workflow_id,
    supervisor: row.supervisor_id,
    status: row.status,
    version: row.version,
    counts,
    onFailure: row.stop_on_failure === 1 ? "stop" : "continue",
    notify: row.notify,
    createdAt: iso(row.created_at),
  };
  if (row.ended_at !== null) summary.endedAt = iso(row.ended_at);
  return summary;
}

/** A task of a workflow, in the order of its refs. */
export interface WorkflowTaskRow {
  task_no: number;
  task_id: string;
  ref: string;
  task_type: string;
  status: TaskStatus;
  attempt: number;
  agent_id: string | null;
  error: string | null;
  ended_at: number | null;
}

export function readWorkflow(
  row: WorkflowRow,
  tasks: readonly WorkflowTaskRow[],
  dependenciesOf: (taskNo: number) => Dependency[],
): Workflow {
  const open: OpenCounts = {};
  for (const { status, ended_at } of tasks) if (ended_at === null) open[status] = (open[status] ?? 0) + 1;
  return { ...readSummary(row, open), tasks: tasks.map((task) => readTask(task, dependenciesOf(task.task_no))) };
}

function readTask(row: WorkflowTaskRow, dependsOn: Dependency[]): WorkflowTaskState {
  const task: WorkflowTaskState = {
    taskId: row.task_id,
    ref: row.ref,
    taskType: row.task_type,
    status: row.status,
    dependsOn,
    attempt: row.attempt,
  };
  if (row.agent_id !== null && !isUnassigned(row.status)) task.assignedTo = row.agent_id;
  if (row.ended_at !== null && row.error !== null) task.error = row.error;
  return task;
}

/** What the call that made it is answered. */
export function createdReply({
  workflowId,
  status,
  tasks,
}: Pick<Workflow, "workflowId" | "status"> & {
  tasks: readonly { ref: string; taskId: string }[];
}): CreateWorkflowReply {
  return { workflowId, status, taskIds: Object.fromEntries(tasks.map(({ ref, taskId }) => [ref, taskId])) };
}
