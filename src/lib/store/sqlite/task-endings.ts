import { backoffMilliseconds } from "../../model/backoff.ts";
import type { JsonValue } from "../../model/json.ts";
import { jsonTextOf } from "../../model/json-text.ts";
import type { AttemptOutcome } from "../../model/task.ts";
import { PRIORITIES } from "../../model/values.ts";
import { BACK_OFF, FAILED_OUTCOMES, LOST_OUTCOMES, RELEASED_OUTCOMES } from "../rules/task-outcomes.ts";
import type { FinalStatus, StoredAnswer } from "../task-records.ts";
import { type AgentChanges, type AgentRow, agentByNo } from "./agent-rows.ts";
import { closeQuestion } from "./questions.ts";
import { completeAssignmentMessage, writeSystemMessage } from "./system-messages.ts";
import { addEvent, changeTask, type LiveTask, type TaskChanges, type TaskRow } from "./task-rows.ts";
import type { Transaction } from "./transaction.ts";
import { countInWorkflow } from "./workflow-rows.ts";

export type { FinalStatus, StoredAnswer } from "../task-records.ts";

/** How attempts end, and how tasks end: each once, with everything that follows. */

/** What a task ends with. */
export interface Ending {
  result?: JsonValue | undefined;
  /** Of the result, if that is encrypted. */
  keyVersion?: string | undefined;
  error?: string | undefined;
  /** For the history, where it is more than the error. */
  detail?: string | undefined;
  /** Who ends it; left out: the switchboard. */
  actor?: string | undefined;
  /** How its attempt was lost, if it had one and did not complete. */
  outcome?: AttemptOutcome | undefined;
  /** The task whose end ends this one. */
  becauseOf?: string;
  /** It was not needed: the supervisor is not told, and it is counted apart. */
  quiet?: boolean;
}

const OUTCOME = `INSERT INTO task_outcomes (task_no, result, key_version, error, because_of) VALUES (?, ?, ?, ?, ?)
  ON CONFLICT DO UPDATE SET result = excluded.result, key_version = excluded.key_version, error = excluded.error,
    because_of = excluded.because_of`;

/**
 * Ends a task: its row, outcome, history, counts and the supervisor's task_result. The caller has ended a live attempt,
 * and tells the dependents.
 */
export function endTask(transaction: Transaction, task: TaskRow, status: FinalStatus, ending: Ending): void {
  const { result, keyVersion, error, actor, outcome } = ending;
  const agentNo = task.status === "assigned" || task.status === "running" ? task.agent_no : null;
  const changes: TaskChanges = { status, ended_at: transaction.now };
  if (status === "cancelled" && task.cancel_requested === 0) changes.cancel_requested = 1;
  // An attempt that was not lost has completed.
  if (agentNo !== null) changes.last_outcome = outcome ?? "completed";
  if (task.status === "input_required" || task.gate === 1) closeQuestion(transaction, task, { state: "ended" });
  changeTask(transaction, task, changes);
  if (status === "completed") transaction.count("tasks:completed_total", 1);
  if (status === "failed") transaction.count("tasks:failed_total", 1);
  if (result !== undefined || error !== undefined || task.cancel_requested === 1) {
    const text = result === undefined ? null : jsonTextOf(result).text;
    transaction.run(OUTCOME, task.task_no, text, keyVersion ?? null, error ?? null, ending.becauseOf ?? null);
  }
  addEvent(transaction, task, status, { actor, agentNo, detail: ending.detail ?? error, outcome });
  if (ending.quiet === true) transaction.count("tasks:not_needed_total", 1);
  const { workflow_no } = task;
  // The parent of a child has its end in `resume`.
  if (task.parent_no !== null) return;
  const told = workflow_no === null || countInWorkflow(transaction, { ...task, workflow_no }, status, ending);
  if (told && ending.quiet !== true) tellSupervisor(transaction, task, status, ending);
}

function tellSupervisor(transaction: Transaction, task: TaskRow, status: FinalStatus, ending: Ending): void {
  const { result, keyVersion, error } = ending;
  const payload: { [key: string]: JsonValue } = {
    taskId: task.task_id,
    taskType: task.task_type,
    status,
    attempt: task.attempt,
    version: task.version,
  };
  if (result !== undefined) payload.result = result;
  if (keyVersion !== undefined) payload.sensitive = true;
  if (error !== undefined) payload.error = error;
  const supervisor = agentByNo(transaction, task.supervisor_no);
  const priority = PRIORITIES[task.priority] ?? "normal";
  writeSystemMessage(transaction, supervisor, {
    type: "task_result",
    priority,
    payload,
    keyVersion,
    traceOf: task.task_no,
  });
}

const END_ATTEMPT = "UPDATE task_attempts SET ended_at = ?, outcome = ?, answer = ? WHERE task_no = ? AND attempt = ?";

/** Ends the current attempt: its row, and the assignment message in whatever state. The agent's load is the caller's. */
export function endAttempt(
  transaction: Transaction,
  task: LiveTask,
  outcome: AttemptOutcome,
  answer?: StoredAnswer,
): void {
  const text = answer === undefined ? null : JSON.stringify(answer);
  if (FAILED_OUTCOMES.includes(outcome)) transaction.count("tasks:attempts_failed_total", 1);
  else if (LOST_OUTCOMES.includes(outcome) || RELEASED_OUTCOMES.includes(outcome)) {
    transaction.count("tasks:attempts_lost_total", 1);
  }
  transaction.run(END_ATTEMPT, transaction.now, outcome, text, task.task_no, task.attempt);
  completeAssignmentMessage(transaction, task.task_no, task.attempt);
}

/** What an ended attempt changes of its agent: the load, and what it has done. */
export function afterAttempt(agent: AgentRow, task: LiveTask, outcome: AttemptOutcome, now: number): AgentChanges {
  const changes: AgentChanges = { active_tasks: agent.active_tasks - 1 };
  if (outcome === "completed") {
    changes.completed = agent.completed + 1;
    changes.completed_milliseconds = agent.completed_milliseconds + Math.max(0, now - task.assigned_at);
  } else if (FAILED_OUTCOMES.includes(outcome)) changes.failed = agent.failed + 1;
  else if (LOST_OUTCOMES.includes(outcome)) changes.lost = agent.lost + 1;
  else if (RELEASED_OUTCOMES.includes(outcome)) changes.released = agent.released + 1;
  return changes;
}

/** How an attempt was lost without completing. */
export interface Loss {
  outcome: Exclude<AttemptOutcome, "completed" | "cancelled" | "suspended">;
  /** What the task fails with when no retry is left. */
  error: string;
  retryable: boolean;
  /** For `released`: whether it uses a retry as every other loss does. */
  costsRetry?: boolean;
  /** Who gave it up; left out: the switchboard took it. */
  actor?: string;
}

/** What becomes of a task that loses its attempt. A requested cancel wins over everything. */
export interface Fate {
  status: "pending" | "failed" | "cancelled";
  /** How the attempt is recorded: the worker of a cancelled task did nothing wrong. */
  outcome: AttemptOutcome;
}

function costsRetry(loss: Loss): boolean {
  return loss.outcome !== "released" || loss.costsRetry === true;
}

export function fateOf(task: TaskRow, loss: Loss): Fate {
  if (task.cancel_requested === 1) return { status: "cancelled", outcome: "cancelled" };
  const again = loss.retryable && (!costsRetry(loss) || task.retries_used < task.max_retries);
  return { status: again ? "pending" : "failed", outcome: loss.outcome };
}

/** Lets the fate happen. What was failed or timed out waits for its backoff; what lost its agent keeps its old place. */
export function meetFate(transaction: Transaction, task: TaskRow, loss: Loss, fate: Fate): void {
  const { actor } = loss;
  const { outcome } = fate;
  if (fate.status === "pending") requeue(transaction, task, loss);
  else if (fate.status === "failed") endTask(transaction, task, "failed", { error: loss.error, actor, outcome });
  else {
    const error = cancelReason(transaction, task.task_no);
    endTask(transaction, task, "cancelled", { error, detail: loss.error, actor, outcome });
  }
}

/** The reason that came with the request to cancel a running task; kept where the error will be. */
export function cancelReason(transaction: Transaction, taskNo: number): string | undefined {
  const sql = "SELECT error FROM task_outcomes WHERE task_no = ?";
  return transaction.get<{ error: string | null }>(sql, taskNo)?.error ?? undefined;
}

function requeue(transaction: Transaction, task: TaskRow, loss: Loss): void {
  const { actor, error: detail, outcome } = loss;
  addEvent(transaction, task, "requeued", { actor, agentNo: task.agent_no, detail, outcome });
  const changes: TaskChanges = { status: "pending", last_outcome: outcome, assigned_at: null, deadline_at: null };
  if (task.started_at !== null) changes.started_at = null;
  if (task.percent !== null) changes.percent = null;
  if (costsRetry(loss)) changes.retries_used = task.retries_used + 1;
  if (BACK_OFF.includes(loss.outcome)) {
    changes.available_at = transaction.now + backoffMilliseconds(task.retries_used + 1);
  }
  changeTask(transaction, task, changes);
  transaction.run("DELETE FROM task_outcomes WHERE task_no = ?", task.task_no);
}
