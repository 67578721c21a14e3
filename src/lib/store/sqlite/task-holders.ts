import { leaseLost, type TaskCaller } from "../task-records.ts";
import { type AgentRow, requireRegistered } from "./agent-rows.ts";
import { answerOfArchived } from "./archived-tasks.ts";
import { findTask, isLive, type LiveTask, type TaskRow, taskNotFound } from "./task-rows.ts";
import type { Transaction } from "./transaction.ts";

/** Whether an agent still holds a task. */

/**
 * The task and its holder. The caller is looked at first: one that may not call is not told which tasks are there.
 *
 * @throws AGENT_NOT_FOUND, AGENT_DEREGISTERED, TASK_NOT_FOUND, LEASE_LOST
 */
export function requireHeld(
  transaction: Transaction,
  taskId: string,
  caller: TaskCaller,
): { task: LiveTask; agent: AgentRow } {
  const agent = requireRegistered(transaction, caller.agentId);
  const task = findTask(transaction, taskId);
  if (task === undefined && answerOfArchived(transaction, taskId, caller) === undefined) throw taskNotFound(taskId);
  if (task === undefined || !holds(task, agent, caller)) throw leaseLost(taskId, caller);
  return { task, agent };
}

function holds(task: TaskRow, agent: AgentRow, caller: TaskCaller): task is LiveTask {
  return isLive(task) && task.attempt === caller.attempt && task.agent_no === agent.agent_no;
}
