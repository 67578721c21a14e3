import { FREE_SUSPENSIONS, SUSPENSIONS_MAX } from "../../model/limits.ts";
import type { SuspendReply } from "../../model/suspension.ts";
import { actorOf } from "../../trace/call-context.ts";
import { iso } from "../instants.ts";
import { requireWakeTime, suspensionMismatch, tooManySuspensions } from "../question-refusals.ts";
import { fateOfSuspension, SUSPENSIONS_EXHAUSTED } from "../rules/suspensions.ts";
import type { Suspension } from "../store.ts";
import { countAsHeartbeat } from "./activity.ts";
import { type AgentRow, changeAgent } from "./agent-rows.ts";
import { answerOfArchived } from "./archived-tasks.ts";
import { childIds, makeChildren } from "./children.ts";
import { settleDependents } from "./dependencies.ts";
import { handOutAfter } from "./hand-out.ts";
import { askQuestion, findAskedOf, keepQuestion, putTaskValue } from "./questions.ts";
import { afterAttempt, cancelReason, endAttempt, endTask, type StoredAnswer } from "./task-endings.ts";
import { requireHeld } from "./task-holders.ts";
import { addEvent, changeTask, findTask, type LiveTask, type TaskChanges, type TaskRow } from "./task-rows.ts";
import type { Transaction } from "./transaction.ts";
import { bookUsageOf } from "./usage.ts";

/** How a task suspends itself. */

const SUSPENDED = `SELECT p.answer FROM task_attempts p JOIN agents a USING (agent_no)
  WHERE p.task_no = ? AND p.attempt = ? AND a.agent_id = ? AND a.status <> 'deregistered' AND p.outcome IN ('suspended', 'cancelled', 'failed')`;

/**
 * What the call was answered the first time, if this is its repeat: an attempt suspends once, whatever became of the task since.
 *
 * @throws IDEMPOTENCY_MISMATCH when the attempt was suspended with another request
 */
function findSuspension(transaction: Transaction, taskId: string, suspension: Suspension): SuspendReply | undefined {
  const task = findTask(transaction, taskId);
  const { agentId, attempt } = suspension;
  let answer: StoredAnswer | undefined;
  if (task === undefined) answer = answerOfArchived(transaction, taskId, suspension)?.answer;
  else {
    const row = transaction.get<{ answer: string | null }>(SUSPENDED, task.task_no, attempt, agentId);
    if (row !== undefined && row.answer !== null) answer = JSON.parse(row.answer);
  }
  if (answer?.untilHash === undefined) return undefined;
  const { untilHash } = answer;
  if (untilHash !== suspension.untilHash) throw suspensionMismatch(taskId, attempt, untilHash);
  return replyTo(transaction, taskId, task, answer);
}

function replyTo(
  transaction: Transaction,
  taskId: string,
  task: TaskRow | undefined,
  { untilHash: _, suspension, ...reply }: StoredAnswer,
): SuspendReply {
  if (suspension === undefined || task === undefined) return { taskId, ...reply };
  return { taskId, ...reply, taskIds: childIds(transaction, task.task_no, suspension) };
}

interface Counted {
  unanswered: number;
}

const UNANSWERED = "SELECT unanswered FROM task_suspensions WHERE task_no = ?";

/** Ends the attempt until an answer, a time or the ends of children wake the task. Refusals are those of the contract (store.ts). */
export function suspendTask(transaction: Transaction, taskId: string, suspension: Suspension): SuspendReply {
  const repeated = findSuspension(transaction, taskId, suspension);
  if (repeated !== undefined) return repeated;
  const { task, agent } = requireHeld(transaction, taskId, suspension);
  if (task.suspensions >= SUSPENSIONS_MAX) throw tooManySuspensions(taskId);
  const { until } = suspension;
  const askedOf = "question" in until ? findAskedOf(transaction, until.question) : [];
  if ("at" in until) requireWakeTime(until.at, transaction.now);
  bookUsageOf(transaction, task, suspension);
  countAsHeartbeat(transaction, agent);
  const unanswered = transaction.get<Counted>(UNANSWERED, task.task_no)?.unanswered ?? 0;
  const fate = fateOfSuspension({
    cancelRequested: task.cancel_requested === 1,
    unanswered,
    retriesUsed: task.retries_used,
    maxRetries: task.max_retries,
  });
  if (fate.becomes !== "waits") return endInstead(transaction, task, agent, suspension, fate.becomes);
  const answer = answerOf(task, suspension);
  const changes = afterAttempt(agent, task, "suspended", transaction.now);
  endAttempt(transaction, task, "suspended", answer);
  changeAgent(transaction, agent, changes);
  wait(transaction, task, suspension, { retriesUsed: fate.retriesUsed, unanswered: unanswered + 1, askedOf });
  const waiting = "tasks" in until ? makeChildren(transaction, task, until.tasks) : [];
  handOutAfter(transaction, agent, waiting);
  return replyTo(transaction, taskId, task, answer);
}

/** The next version is the one at which the question is asked. */
function answerOf(task: TaskRow, { until, untilHash }: Suspension): StoredAnswer {
  if ("tasks" in until) {
    return { status: "blocked", cancelRequested: false, suspension: task.suspensions + 1, untilHash };
  }
  return "question" in until
    ? { status: "input_required", cancelRequested: false, questionId: String(task.version + 1), untilHash }
    : { status: "pending", cancelRequested: false, availableAt: iso(until.at), untilHash };
}

/** A cancel was requested, or the task goes round in circles and has no retry left: nothing of the request is created. */
function endInstead(
  transaction: Transaction,
  task: LiveTask,
  agent: AgentRow,
  { agentId, untilHash }: Suspension,
  status: "cancelled" | "failed",
): SuspendReply {
  const answer: StoredAnswer = { status, cancelRequested: task.cancel_requested === 1, untilHash };
  const changes = afterAttempt(agent, task, status, transaction.now);
  endAttempt(transaction, task, status, answer);
  changeAgent(transaction, agent, changes);
  const error = status === "failed" ? SUSPENSIONS_EXHAUSTED : cancelReason(transaction, task.task_no);
  const detail = status === "failed" ? `${SUSPENSIONS_EXHAUSTED}: ${FREE_SUSPENSIONS} without an answer` : undefined;
  endTask(transaction, task, status, { error, detail, actor: actorOf(agentId, transaction.call), outcome: status });
  const { unblocked } = settleDependents(transaction, [{ taskId: task.task_id, end: "failed" }]);
  handOutAfter(transaction, agent, unblocked);
  return { taskId: task.task_id, status, cancelRequested: answer.cancelRequested };
}

const SUSPEND = `INSERT INTO task_suspensions (task_no, unanswered, resumed_by) VALUES (?, ?, ?)
  ON CONFLICT DO UPDATE SET unanswered = excluded.unanswered, resumed_by = excluded.resumed_by`;

interface Waiting {
  retriesUsed: number;
  unanswered: number;
  askedOf: readonly number[];
}

/** Percent and note stay: the next attempt goes on from there. */
function wait(transaction: Transaction, task: LiveTask, suspension: Suspension, waiting: Waiting): void {
  const { until, agentId, checkpoint } = suspension;
  const actor = actorOf(agentId, transaction.call);
  const byTime = "at" in until;
  changeTask(transaction, task, {
    ...waitingAs(until),
    last_outcome: "suspended",
    suspensions: task.suspensions + 1,
    retries_used: waiting.retriesUsed,
    assigned_at: null,
    started_at: null,
    deadline_at: null,
  });
  addEvent(transaction, task, "suspended", { actor, agentNo: task.agent_no, detail: whatFor(task, until) });
  transaction.run(SUSPEND, task.task_no, waiting.unanswered, byTime ? "time" : null);
  putTaskValue(transaction, task.task_no, "checkpoint", checkpoint);
  if (!("question" in until)) return;
  keepQuestion(transaction, task, until.question, waiting.askedOf);
  askQuestion(transaction, task);
}

function waitingAs(until: Suspension["until"]): TaskChanges {
  if ("at" in until) return { status: "pending", available_at: until.at };
  if ("question" in until) return { status: "input_required" };
  return { status: "blocked", unmet_dependencies: until.tasks.length };
}

/** For the history. The question is asked at the version that the task has now. */
function whatFor(task: TaskRow, until: Suspension["until"]): string {
  if ("at" in until) return `until ${iso(until.at)}`;
  if ("question" in until) return `until question ${task.version} is answered`;
  return `until ${until.tasks.length} children have ended`;
}
