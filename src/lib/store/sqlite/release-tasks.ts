import { FREE_RELEASES_PER_HOUR } from "../../model/limits.ts";
import { HOUR_MILLISECONDS } from "../instants.ts";
import { LIVE_STATUSES, sqlWords } from "../rules/task-outcomes.ts";
import { type AgentChanges, type AgentRow, changeAgent } from "./agent-rows.ts";
import { type EndedDependency, settleDependents } from "./dependencies.ts";
import { handOutAfter } from "./hand-out.ts";
import { endAttempt, type Fate, fateOf, type Loss, meetFate } from "./task-endings.ts";
import { isLive, TASK_COLUMNS, type TaskRow } from "./task-rows.ts";
import type { Transaction } from "./transaction.ts";

const LIVE = `SELECT ${TASK_COLUMNS} FROM tasks INDEXED BY tasks_live
  WHERE agent_no = ? AND status IN (${sqlWords(LIVE_STATUSES)}) ORDER BY task_no LIMIT ?`;

export interface Released {
  /** Tasks that were taken back, whether they wait or ended. */
  released: number;
  requeued: number;
  handedOut: number;
}

/**
 * Takes back tasks of an agent that fell silent (each uses one retry) or deregisters (none, up to FREE_RELEASES_PER_HOUR), at
 * once and in their old place, and hands the first of them to others. An agent may hold 10,000: at most `limit` of them, in the
 * order of their creation; the caller goes on in further transactions. The agent must not be active any more, or they would
 * come back to it.
 */
export function releaseTasks(
  transaction: Transaction,
  agent: AgentRow,
  outcome: "agent_inactive" | "released",
  limit: number,
): Released {
  const requeued: TaskRow[] = [];
  const ended: EndedDependency[] = [];
  const fates: Fate[] = [];
  for (const task of transaction.all<TaskRow>(LIVE, agent.agent_no, limit)) {
    if (!isLive(task)) continue;
    const loss = lossOf(transaction, task, outcome);
    const fate = fateOf(task, loss);
    fates.push(fate);
    endAttempt(transaction, task, fate.outcome);
    meetFate(transaction, task, loss, fate);
    if (fate.status === "pending") requeued.push(task);
    else ended.push({ taskId: task.task_id, end: "failed" });
  }
  if (fates.length === 0) return { released: 0, requeued: 0, handedOut: 0 };
  const changes: AgentChanges = { active_tasks: agent.active_tasks - fates.length };
  const inactive = fates.filter((fate) => fate.outcome === "agent_inactive").length;
  const released = fates.filter((fate) => fate.outcome === "released").length;
  if (inactive > 0) changes.lost = agent.lost + inactive;
  if (released > 0) changes.released = agent.released + released;
  changeAgent(transaction, agent, changes);
  const { unblocked } = settleDependents(transaction, ended);
  const handedOut = handOutAfter(transaction, undefined, [...requeued, ...unblocked]);
  return { released: fates.length, requeued: requeued.length, handedOut };
}

const RELEASES = `SELECT count(*) AS releases FROM (SELECT 1 FROM task_attempts
  WHERE task_no = ? AND outcome = 'released' AND ended_at > ? LIMIT ${FREE_RELEASES_PER_HOUR})`;

function lossOf(transaction: Transaction, task: TaskRow, outcome: "agent_inactive" | "released"): Loss {
  if (outcome === "agent_inactive") return { outcome, error: "AGENT_INACTIVE", retryable: true };
  return releaseOf(transaction, task, "RELEASED");
}

/** An attempt that is given back without a mark against its agent; it uses a retry only past FREE_RELEASES_PER_HOUR. */
export function releaseOf(transaction: Transaction, task: TaskRow, error: string): Loss {
  // Agents that come and go in a loop would otherwise make attempts of one task without end.
  const since = transaction.now - HOUR_MILLISECONDS;
  const releases = transaction.get<{ releases: number }>(RELEASES, task.task_no, since)?.releases ?? 0;
  return { outcome: "released", error, retryable: true, costsRetry: releases >= FREE_RELEASES_PER_HOUR };
}
