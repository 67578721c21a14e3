import type { FailTask, ProgressTask, StartTask, TaskReply } from "../../model/task.ts";
import { actorOf } from "../../trace/call-context.ts";
import { iso } from "../instants.ts";
import type { TaskCompletion } from "../store.ts";
import type { TaskCaller } from "../task-records.ts";
import { countAsHeartbeat } from "./activity.ts";
import { changeAgent } from "./agent-rows.ts";
import { answerOfArchived } from "./archived-tasks.ts";
import { settleDependents } from "./dependencies.ts";
import { handOutAfter } from "./hand-out.ts";
import { findAttention } from "./pending-messages.ts";
import { completeAssignmentMessage } from "./system-messages.ts";
import { afterAttempt, endAttempt, endTask, fateOf, type Loss, meetFate, type StoredAnswer } from "./task-endings.ts";
import { requireHeld } from "./task-holders.ts";
import { addEvent, changeTask, findTask, isLive, type LiveTask, type TaskChanges, type TaskRow } from "./task-rows.ts";
import type { Transaction } from "./transaction.ts";
import { bookUsageOf } from "./usage.ts";

/** What the agent that holds a task does with it. The attempt is the fencing number: any other is LEASE_LOST. */

const ANSWERED =
  "SELECT answer FROM task_attempts WHERE task_no = ? AND attempt = ? AND agent_no = ? AND outcome IN (?, ?)";

/**
 * What a call that ends an attempt was answered the first time, if this is its repeat: the same agent, attempt and
 * outcome, and the task not assigned again since. An attempt that was called off counts as failed when its agent said so.
 */
function findAnswer(
  transaction: Transaction,
  taskId: string,
  caller: TaskCaller,
  outcome: "completed" | "failed",
): TaskReply | undefined {
  const other = outcome === "failed" ? "cancelled" : outcome;
  const task = findTask(transaction, taskId);
  let answer: StoredAnswer | undefined;
  if (task === undefined) {
    const archived = answerOfArchived(transaction, taskId, caller);
    if (archived?.outcome === outcome || archived?.outcome === other) answer = archived.answer;
  } else if (!isLive(task) && task.attempt === caller.attempt) {
    const sql = "SELECT agent_no FROM agents WHERE agent_id = ? AND status <> 'deregistered'";
    const agentNo = transaction.get<{ agent_no: number }>(sql, caller.agentId)?.agent_no;
    if (agentNo === undefined) return undefined;
    const row = transaction.get<{ answer: string | null }>(
      ANSWERED,
      task.task_no,
      caller.attempt,
      agentNo,
      outcome,
      other,
    );
    if (row !== undefined && row.answer !== null) answer = JSON.parse(row.answer);
  }
  // One that asked to suspend, and ended because of a cancel: this call is another.
  if (answer === undefined || answer.untilHash !== undefined) return undefined;
  return { taskId, status: answer.status, cancelRequested: answer.cancelRequested };
}

export function replyOf(task: TaskRow): TaskReply {
  const reply: TaskReply = { taskId: task.task_id, status: task.status, cancelRequested: task.cancel_requested === 1 };
  if (isLive(task)) reply.deadline = iso(task.deadline_at);
  return reply;
}

/** assigned → running; the assignment message has done its work. Repeating it changes nothing. */
export function startTask(transaction: Transaction, taskId: string, start: StartTask): TaskReply {
  const { task, agent } = requireHeld(transaction, taskId, start);
  countAsHeartbeat(transaction, agent);
  begin(transaction, task, actorOf(start.agentId, transaction.call));
  return replyOf(task);
}

function begin(transaction: Transaction, task: LiveTask, actor: string): void {
  if (task.status !== "assigned") return;
  changeTask(transaction, task, { status: "running", started_at: transaction.now });
  completeAssignmentMessage(transaction, task.task_no, task.attempt);
  addEvent(transaction, task, "started", { actor, agentNo: task.agent_no });
}

const NOTE = "INSERT INTO task_outcomes (task_no, note) VALUES (?, ?) ON CONFLICT DO UPDATE SET note = excluded.note";

/** Records percent and note, and moves the deadline to now + `extendSeconds` if that is later. */
export function progressTask(transaction: Transaction, taskId: string, progress: ProgressTask): TaskReply {
  const { task, agent } = requireHeld(transaction, taskId, progress);
  const { percent, note, extendSeconds } = progress;
  bookUsageOf(transaction, task, progress);
  const actor = actorOf(progress.agentId, transaction.call);
  countAsHeartbeat(transaction, agent);
  begin(transaction, task, actor);
  const changes: TaskChanges = {};
  if (percent !== undefined) changes.percent = percent;
  const deadline = extendSeconds === undefined ? 0 : transaction.now + Math.ceil(extendSeconds * 1_000);
  if (deadline > task.deadline_at) changes.deadline_at = deadline;
  if (Object.keys(changes).length > 0) changeTask(transaction, task, changes);
  if (note !== undefined) transaction.run(NOTE, task.task_no, note);
  const detail = note ?? (percent === undefined ? undefined : `${percent} %`);
  addEvent(transaction, task, "progress", { actor, agentNo: task.agent_no, detail });
  return { ...replyOf(task), ...findAttention(transaction, agent.agent_no) };
}

/** assigned or running → completed, with its result message, dependents and counters. */
export function completeTask(transaction: Transaction, taskId: string, completion: TaskCompletion): TaskReply {
  const repeated = findAnswer(transaction, taskId, completion, "completed");
  if (repeated !== undefined) return repeated;
  const { task, agent } = requireHeld(transaction, taskId, completion);
  bookUsageOf(transaction, task, completion);
  countAsHeartbeat(transaction, agent);
  const changes = afterAttempt(agent, task, "completed", transaction.now);
  endAttempt(transaction, task, "completed", { status: "completed", cancelRequested: task.cancel_requested === 1 });
  changeAgent(transaction, agent, changes);
  const actor = actorOf(completion.agentId, transaction.call);
  endTask(transaction, task, "completed", { result: completion.result, keyVersion: completion.keyVersion, actor });
  const { unblocked } = settleDependents(transaction, [{ taskId, end: "completed" }]);
  handOutAfter(transaction, agent, unblocked);
  return replyOf(task);
}

/** → pending with backoff; failed past maxRetries or when not retryable; cancelled when that was requested. */
export function failTask(transaction: Transaction, taskId: string, failure: FailTask): TaskReply {
  const repeated = findAnswer(transaction, taskId, failure, "failed");
  if (repeated !== undefined) return repeated;
  const { task, agent } = requireHeld(transaction, taskId, failure);
  bookUsageOf(transaction, task, failure);
  countAsHeartbeat(transaction, agent);
  const actor = actorOf(failure.agentId, transaction.call);
  const loss: Loss = { outcome: "failed", error: failure.error, retryable: failure.retryable, actor };
  const fate = fateOf(task, loss);
  const answer: StoredAnswer = { status: fate.status, cancelRequested: task.cancel_requested === 1 };
  const changes = afterAttempt(agent, task, fate.outcome, transaction.now);
  endAttempt(transaction, task, fate.outcome, answer);
  changeAgent(transaction, agent, changes);
  meetFate(transaction, task, loss, fate);
  const ended = fate.status === "pending" ? [] : [{ taskId, end: "failed" } as const];
  const { unblocked } = settleDependents(transaction, ended);
  handOutAfter(transaction, agent, unblocked);
  return { taskId, ...answer };
}
