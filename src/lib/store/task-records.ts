import { AgentCommunicationError } from "../model/errors.ts";
import type { SuspendReply } from "../model/suspension.ts";
import type { AttemptOutcome, TaskStatus } from "../model/task.ts";
import type { TASK_EVENTS } from "../model/task-history.ts";

/** What both engines keep of a task, and what follows from it alone. */

/** The row of a task; flags are 0 or 1. */
export interface TaskRow {
  task_no: number;
  task_id: string;
  supervisor_no: number;
  task_type: string;
  priority: number;
  status: TaskStatus;
  demand_no: number;
  assign_to_no: number | null;
  /** The agent of the current attempt, or of the last one. */
  agent_no: number | null;
  attempt: number;
  retries_used: number;
  max_retries: number;
  timeout_milliseconds: number;
  /** null: an attempt may be started until its deadline. */
  start_timeout_milliseconds: number | null;
  unmet_dependencies: number;
  cancel_requested: number;
  percent: number | null;
  created_at: number;
  available_at: number;
  assigned_at: number | null;
  started_at: number | null;
  deadline_at: number | null;
  ended_at: number | null;
  parent_task_id: string | null;
  /** Raised by every transition; 1 at first. */
  version: number;
  last_outcome: AttemptOutcome | null;
  expires_at: number | null;
  gate: number;
  /** How often it was suspended. */
  suspensions: number;
  workflow_no: number | null;
  /** 1: it is cancelled when a task of its workflow fails for good before anybody was given it. */
  stops: number;
  /** Of a child, the task that made it. */
  parent_no: number | null;
}

/** The names of its columns, in their order; the tables of both engines have them. */
export const TASK_ROW_COLUMNS = [
  "task_no",
  "task_id",
  "supervisor_no",
  "task_type",
  "priority",
  "status",
  "demand_no",
  "assign_to_no",
  "agent_no",
  "attempt",
  "retries_used",
  "max_retries",
  "timeout_milliseconds",
  "start_timeout_milliseconds",
  "unmet_dependencies",
  "cancel_requested",
  "percent",
  "created_at",
  "available_at",
  "assigned_at",
  "started_at",
  "deadline_at",
  "ended_at",
  "parent_task_id",
  "version",
  "last_outcome",
  "expires_at",
  "gate",
  "suspensions",
  "workflow_no",
  "stops",
  "parent_no",
] as const satisfies readonly (keyof TaskRow)[];

/** A task that an agent holds: the table guarantees these of assigned and running ones. */
export type LiveTask = TaskRow & { agent_no: number; assigned_at: number; deadline_at: number };

export type TaskEventName = (typeof TASK_EVENTS)[number];

/** What a task ends as. */
export type FinalStatus = "completed" | "failed" | "cancelled";

/** What the call that ended an attempt was answered, for its repeat. */
export type StoredAnswer = Pick<SuspendReply, "status" | "cancelRequested" | "questionId" | "availableAt"> & {
  /** Of a suspension: by which its repeat is recognised. */
  untilHash?: string | undefined;
  /** The number of the suspension that made children. */
  suspension?: number | undefined;
};

export function taskNotFound(taskId: string): AgentCommunicationError {
  return new AgentCommunicationError("TASK_NOT_FOUND", `There is no task ${taskId}.`);
}

/** Who says that it holds a task. */
export interface TaskCaller {
  agentId: string;
  attempt: number;
}

export function leaseLost(taskId: string, caller: TaskCaller): AgentCommunicationError {
  const detail = `Attempt ${caller.attempt} of agent ${caller.agentId} is not the current attempt of task ${taskId}.`;
  return new AgentCommunicationError("LEASE_LOST", detail);
}

export function taskEnded(taskId: string, status: string): AgentCommunicationError {
  return new AgentCommunicationError("TASK_ENDED", `Task ${taskId} is ${status} and cannot be cancelled.`);
}

/** Statuses in which a task that was assigned before is assigned to nobody. */
export const UNASSIGNED_STATUSES = ["blocked", "pending", "input_required"] as const satisfies readonly TaskStatus[];

const unassigned: ReadonlySet<TaskStatus> = new Set(UNASSIGNED_STATUSES);

/** Whether nobody holds it, and it has not ended. */
export function isUnassigned(status: TaskStatus): boolean {
  return unassigned.has(status);
}

/** Whether it is blocked behind a suspension: it waits for its children or, since it was retried, for other tasks again. */
export function mayWaitForChildren({ status, suspensions }: Pick<TaskRow, "status" | "suspensions">): boolean {
  return status === "blocked" && suspensions > 0;
}

/** Whether an agent holds it now. */
export function isLive<Row extends Pick<TaskRow, "status" | "agent_no">>(
  task: Row,
): task is Row & Pick<LiveTask, "agent_no" | "assigned_at" | "deadline_at"> {
  return (task.status === "assigned" || task.status === "running") && task.agent_no !== null;
}

/** When the current attempt is taken back unless it is started; undefined: never, or it was started. */
export function startDeadlineOf(
  task: Pick<TaskRow, "status" | "assigned_at" | "start_timeout_milliseconds">,
): number | undefined {
  const { status, assigned_at: assignedAt, start_timeout_milliseconds: limit } = task;
  return status !== "assigned" || assignedAt === null || limit === null ? undefined : assignedAt + limit;
}

/** Whether it has reached a final status. */
export function hasEnded(task: Pick<TaskRow, "ended_at">): boolean {
  return task.ended_at !== null;
}
