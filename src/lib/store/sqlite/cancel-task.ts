import type { JsonValue } from "../../model/json.ts";
import type { TaskReply } from "../../model/task.ts";
import { PRIORITIES } from "../../model/values.ts";
import { actorOf } from "../../trace/call-context.ts";
import { PARENT_ENDED } from "../rules/children.ts";
import { mayWaitForChildren, taskEnded } from "../task-records.ts";
import { type AgentRow, agentByNo, changeAgent } from "./agent-rows.ts";
import { statusOfArchived } from "./archived-tasks.ts";
import { settleDependents } from "./dependencies.ts";
import { handOutAfter } from "./hand-out.ts";
import { writeSystemMessage } from "./system-messages.ts";
import { afterAttempt, endAttempt, endTask } from "./task-endings.ts";
import {
  addEvent,
  changeTask,
  findTask,
  hasEnded,
  isLive,
  type LiveTask,
  TASK_COLUMNS,
  type TaskRow,
  taskNotFound,
} from "./task-rows.ts";
import { replyOf } from "./task-transitions.ts";
import type { Transaction } from "./transaction.ts";

/**
 * Ends a blocked, pending or assigned task at once; of a running one it is a request. Cancelling again answers again.
 *
 * @throws TASK_NOT_FOUND, TASK_ENDED
 */
export function cancelTask(transaction: Transaction, taskId: string, reason: string | undefined): TaskReply {
  const task = findTask(transaction, taskId);
  if (task === undefined) return cancelArchived(transaction, taskId);
  if (hasEnded(task)) {
    if (task.status !== "cancelled") throw taskEnded(taskId, task.status);
    return replyOf(task);
  }
  if (task.status === "running" && isLive(task)) requestCancel(transaction, task, reason);
  else endNow(transaction, task, reason);
  return replyOf(task);
}

function cancelArchived(transaction: Transaction, taskId: string): TaskReply {
  const status = statusOfArchived(transaction, taskId);
  if (status === undefined) throw taskNotFound(taskId);
  if (status !== "cancelled") throw taskEnded(taskId, status);
  return { taskId, status, cancelRequested: true };
}

const REASON =
  "INSERT INTO task_outcomes (task_no, error) VALUES (?, ?) ON CONFLICT DO UPDATE SET error = excluded.error";

function requestCancel(transaction: Transaction, task: LiveTask, reason: string | undefined): void {
  if (task.cancel_requested === 1) return;
  changeTask(transaction, task, { cancel_requested: 1 });
  // Kept where the error will be: the task reads as cancelled for this reason, unless it completes.
  if (reason !== undefined) transaction.run(REASON, task.task_no, reason);
  const actor = actorOf(undefined, transaction.call);
  addEvent(transaction, task, "cancel_requested", { actor, agentNo: task.agent_no, detail: reason });
  const payload: { [key: string]: JsonValue } = { taskId: task.task_id, attempt: task.attempt };
  if (reason !== undefined) payload.reason = reason;
  const priority = PRIORITIES[task.priority] ?? "normal";
  const message = { type: "task_cancel", priority, payload, traceOf: task.task_no } as const;
  writeSystemMessage(transaction, agentByNo(transaction, task.agent_no), message);
}

/**
 * Cancels open tasks together, so that none of them fails or stops because of another of them.
 *
 * @param tasks what others depend on behind them
 */
export function cancelTasks(transaction: Transaction, tasks: readonly TaskRow[], reason: string | undefined): void {
  const ended = tasks.flatMap((task) => {
    if (task.status === "running" && isLive(task)) {
      requestCancel(transaction, task, reason);
      return [];
    }
    return [{ taskId: task.task_id, end: "failed" as const, agent: endAlone(transaction, task, reason) }];
  });
  const { unblocked } = settleDependents(transaction, ended);
  // Read anew each time: handing out for one may give something to another.
  const agentNos = new Set(ended.flatMap(({ agent }) => agent?.agent_no ?? []));
  for (const agentNo of agentNos) handOutAfter(transaction, agentByNo(transaction, agentNo), unblocked);
  if (agentNos.size === 0 && unblocked.length > 0) handOutAfter(transaction, undefined, unblocked);
}

function endNow(transaction: Transaction, task: TaskRow, reason: string | undefined): void {
  const hasChildren = mayWaitForChildren(task);
  const agent = endAlone(transaction, task, reason);
  const { unblocked } = settleDependents(transaction, [{ taskId: task.task_id, end: "failed" }]);
  if (agent !== undefined || unblocked.length > 0) handOutAfter(transaction, agent, unblocked);
  if (hasChildren) cancelOrphans(transaction);
}

/** Ends it; the caller tells its dependents, and hands out. @returns the agent whose slot is free now */
function endAlone(transaction: Transaction, task: TaskRow, reason: string | undefined): AgentRow | undefined {
  const agent = isLive(task) ? callOff(transaction, task) : undefined;
  leaveChildren(transaction, task);
  endTask(transaction, task, "cancelled", {
    error: reason,
    actor: actorOf(undefined, transaction.call),
    outcome: agent === undefined ? undefined : "cancelled",
  });
  return agent;
}

const LEAVE = "INSERT INTO ended_parents (task_no) VALUES (?)";

/** Notes a task that ends while it waits for children: they are cancelled after it. */
export function leaveChildren(transaction: Transaction, task: TaskRow): void {
  if (mayWaitForChildren(task)) transaction.run(LEAVE, task.task_no);
}

/** Takes an assignment back that has not been started: its message ends, so the worker never sees it or loses the lease. */
function callOff(transaction: Transaction, task: LiveTask): AgentRow {
  const agent = agentByNo(transaction, task.agent_no);
  endAttempt(transaction, task, "cancelled");
  changeAgent(transaction, agent, afterAttempt(agent, task, "cancelled", transaction.now));
  return agent;
}

/** Children cancelled in one transaction: each writes about ten rows. */
const CHILDREN_PER_TRANSACTION = 100;
const PARENTS = "SELECT task_no FROM ended_parents ORDER BY task_no LIMIT 1";
const OPEN = `SELECT ${TASK_COLUMNS} FROM tasks INDEXED BY tasks_of_parent
  WHERE parent_no = ? AND ended_at IS NULL AND cancel_requested = 0 ORDER BY task_no DESC LIMIT ?`;

/** Cancels open children of tasks that have ended, and theirs, at most CHILDREN_PER_TRANSACTION. @returns whether there are more */
export function cancelOrphans(transaction: Transaction): boolean {
  for (let left = CHILDREN_PER_TRANSACTION; ; ) {
    const parent = transaction.get<{ task_no: number }>(PARENTS);
    if (parent === undefined) return false;
    const children = transaction.all<TaskRow>(OPEN, parent.task_no, left);
    if (children.length < left) transaction.run("DELETE FROM ended_parents WHERE task_no = ?", parent.task_no);
    cancelTasks(transaction, children, PARENT_ENDED);
    left -= children.length;
    if (left === 0) return true;
  }
}
