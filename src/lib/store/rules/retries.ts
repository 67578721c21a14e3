import type { NewAuditEntry } from "../../model/audit.ts";
import { DEPENDENTS_PER_CALL, WORKFLOW_TASKS_MAX } from "../../model/limits.ts";
import type { TaskReply, TaskStatus } from "../../model/task.ts";
import type { WorkflowStatus } from "../../model/workflow.ts";
import type { Deciding, Decision } from "../decision.ts";
import { iso } from "../instants.ts";
import { taskNotRetried, workflowNotRetried } from "../retry-refusals.ts";
import { taskNotFound } from "../task-records.ts";
import { workflowNotFound } from "../workflow-refusals.ts";
import { Reopening } from "./reopening.ts";
import type { Reopened, RetriedTask, SeenReopening } from "./reopening-rows.ts";

/** Which tasks a retry re-opens, and when it is refused. What follows from it is in reopening.ts. */

export interface SeenRetry extends SeenReopening {
  /** The task; of a workflow those that failed or were cancelled; of what is left those whose dependents are left. */
  tasks: readonly RetriedTask[];
  /** Of a task that is archived. */
  archivedAs?: TaskStatus | undefined;
  /** Of the workflow, if there is one. */
  workflow?: WorkflowStatus | undefined;
  /** Ids of tasks whose dependents are left. */
  left: readonly string[];
}

interface Retry {
  id: string;
  reason: string | undefined;
}

const ENDED: ReadonlySet<TaskStatus> = new Set<TaskStatus>(["completed", "failed", "cancelled"]);

/** A task that is open is what the call asks for: so a repeat of one whose answer was lost changes nothing. */
export function decideTaskRetry(
  { id, reason }: Retry,
  seen: SeenRetry,
  { now, actorOf }: Deciding,
): Decision<TaskReply, Reopened> {
  const [task] = seen.tasks;
  if (seen.archivedAs !== undefined) throw taskNotRetried(id, `it is ${seen.archivedAs} and archived`);
  if (task === undefined) throw taskNotFound(id);
  if (!ENDED.has(task.status)) return { answer: replyOf(task) };
  if (task.status === "completed") throw taskNotRetried(id, "it is completed");
  const change = reopened({ roots: [task], reason, seen, now, actor: actorOf(), budget: DEPENDENTS_PER_CALL });
  const status = change.tasks.find(({ task_no: no }) => no === task.task_no)?.becomes ?? task.status;
  return { answer: { taskId: id, status, cancelRequested: false }, change };
}

function replyOf({ task_id: taskId, status, cancel_requested, deadline_at: deadline }: RetriedTask): TaskReply {
  const reply = { taskId, status, cancelRequested: cancel_requested === 1 };
  return deadline === null ? reply : { ...reply, deadline: iso(deadline) };
}

/** All of its tasks that failed or were cancelled by a call; the others come back with those because of which they ended. */
export function decideWorkflowRetry(
  { id, reason }: Retry,
  seen: SeenRetry,
  { now, actorOf }: Deciding,
): Decision<void, Reopened> {
  if (seen.workflow === undefined) throw workflowNotFound(id);
  const roots = seen.tasks.filter(({ because_of: cause, task_id: own }) => cause === null || cause === own);
  if (roots.length === 0) {
    if (seen.workflow === "running") return { answer: undefined };
    throw workflowNotRetried(id, seen.workflow);
  }
  const actor = actorOf();
  const change = reopened({ roots, reason, seen, now, actor, budget: WORKFLOW_TASKS_MAX });
  const tasks = change.tasks.filter(({ step }) => step === "reopen").length;
  const entry: NewAuditEntry = {
    actor,
    action: "workflow.retried",
    subjectKind: "workflow",
    subjectId: id,
    detail: { tasks },
  };
  return { answer: undefined, change, entries: [entry] };
}

interface Roots {
  roots: readonly RetriedTask[];
  reason: string | undefined;
  seen: SeenRetry;
  now: number;
  actor: string;
  budget: number;
}

/** @throws TASK_ENDED, naming the cause */
function reopened({ roots, reason, seen, now, actor, budget }: Roots): Reopened {
  const reopening = new Reopening(seen, now);
  for (const task of roots) reopening.reopen(task, { detail: reason, actor });
  const refuse = ({ task_id: taskId }: RetriedTask, why: string): never => {
    throw taskNotRetried(taskId, why);
  };
  for (const task of roots) {
    const why = reopening.obstacle(task);
    if (why !== undefined) refuse(task, why);
    const lost = reopening.lost(task);
    if (lost !== undefined) refuse(task, `it waits for task ${lost.depends_on}, which is ${lost.status}`);
  }
  reopening.follow(
    roots.map(({ task_id: taskId }) => taskId),
    budget,
    refuse,
  );
  return reopening.written();
}

/**
 * Goes on with what calls have left, at most DEPENDENTS_PER_CALL tasks. One that has failed again meanwhile is left as it is, with what
 * ended because of it.
 */
export function decideLeft(seen: SeenRetry, { now }: Deciding): Decision<void, Reopened> {
  if (seen.left.length === 0) return { answer: undefined };
  const goesOn = seen.tasks.filter(({ status }) => status !== "failed" && status !== "cancelled");
  const going = new Set(goesOn.map(({ task_id: taskId }) => taskId));
  const reopening = new Reopening(seen, now);
  reopening.follow(going, DEPENDENTS_PER_CALL);
  return { answer: undefined, change: reopening.written(seen.left.filter((taskId) => !going.has(taskId))) };
}
