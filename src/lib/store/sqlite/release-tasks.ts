import { type AgentChanges, type AgentRow, changeAgent } from "./agent-rows.ts";
import { type EndedDependency, settleDependents } from "./dependencies.ts";
import { handOutAfter } from "./hand-out.ts";
import { endAttempt, type Fate, fateOf, type Loss, meetFate } from "./task-endings.ts";
import { isLive, TASK_COLUMNS, type TaskRow } from "./task-rows.ts";
import type { Transaction } from "./transaction.ts";

const LIVE = `SELECT ${TASK_COLUMNS} FROM tasks INDEXED BY tasks_live
  WHERE agent_no = ? AND status IN ('assigned', 'running') ORDER BY task_no`;

export interface Released {
  requeued: number;
  handedOut: number;
}

/**
 * Takes back every task of an agent that fell silent (each uses one retry) or deregisters (none), at once and in their
 * old place, and hands the first of them to others. The agent must not be active any more, or they would come back to it.
 *
 * @returns how many were requeued, and how many tasks were handed out then
 */
export function releaseTasks(
  transaction: Transaction,
  agent: AgentRow,
  outcome: "agent_inactive" | "released",
): Released {
  const loss: Loss = { outcome, error: outcome === "released" ? "RELEASED" : "AGENT_INACTIVE", retryable: true };
  const requeued: TaskRow[] = [];
  const ended: EndedDependency[] = [];
  const fates: Fate[] = [];
  for (const task of transaction.all<TaskRow>(LIVE, agent.agent_no)) {
    if (!isLive(task)) continue;
    const fate = fateOf(task, loss);
    fates.push(fate);
    endAttempt(transaction, task, fate.outcome);
    meetFate(transaction, task, loss, fate);
    if (fate.status === "pending") requeued.push(task);
    else ended.push({ taskId: task.task_id, completed: false });
  }
  if (fates.length === 0) return { requeued: 0, handedOut: 0 };
  // Once for all: an agent may hold 10,000.
  const changes: AgentChanges = { active_tasks: agent.active_tasks - fates.length };
  const inactive = fates.filter((fate) => fate.outcome === "agent_inactive").length;
  if (inactive > 0) changes.failed = agent.failed + inactive;
  changeAgent(transaction, agent, changes);
  const { unblocked } = settleDependents(transaction, ended);
  const handedOut = handOutAfter(transaction, undefined, [...requeued, ...unblocked]);
  return { requeued: requeued.length, handedOut };
}
