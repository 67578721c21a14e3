import { DEPENDENTS_PER_CALL } from "../../model/limits.ts";
import { askQuestion } from "./questions.ts";
import { endTask } from "./task-endings.ts";
import { addEvent, changeTask, type TaskRow, taskByNo } from "./task-rows.ts";
import type { Transaction } from "./transaction.ts";

/** Tells dependents that what they wait for has ended; a failure runs on to their own dependents. */

/** A task that has ended and whose dependents are to be told. */
export interface EndedDependency {
  taskId: string;
  completed: boolean;
}

export interface Settled {
  /** Dependencies told, of which no more than the budget. */
  told: number;
  /** Tasks that wait for an agent now. */
  unblocked: TaskRow[];
}

const NEXT = `SELECT d.task_no, d.position FROM task_dependencies d INDEXED BY task_dependents
  WHERE d.depends_on = ? AND d.settled = 0 ORDER BY d.task_no LIMIT ${DEPENDENTS_PER_CALL + 1}`;
const SETTLE = "UPDATE task_dependencies SET settled = 1 WHERE task_no = ? AND position = ?";
const LEAVE = "INSERT INTO ended_dependencies (task_id, completed) VALUES (?, ?) ON CONFLICT DO NOTHING";

/**
 * Tells the dependents of tasks that have just ended, and of those that fail because of it, at most `budget`
 * (≤ DEPENDENTS_PER_CALL) in all; the rest is left to the sweep.
 */
export function settleDependents(
  transaction: Transaction,
  ended: readonly EndedDependency[],
  budget: number = DEPENDENTS_PER_CALL,
): Settled {
  const settled: Settled = { told: 0, unblocked: [] };
  const queue = [...ended];
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    const left = budget - settled.told;
    const rows = transaction.all<{ task_no: number; position: number }>(NEXT, next.taskId);
    for (const row of rows.slice(0, left)) {
      transaction.run(SETTLE, row.task_no, row.position);
      const task = taskByNo(transaction, row.task_no);
      if (task.status === "blocked") tell(transaction, task, next, settled, queue);
    }
    settled.told += Math.min(rows.length, left);
    if (rows.length > left) transaction.run(LEAVE, next.taskId, Number(next.completed));
  }
  return settled;
}

function tell(
  transaction: Transaction,
  task: TaskRow,
  dependency: EndedDependency,
  settled: Settled,
  queue: EndedDependency[],
): void {
  if (!dependency.completed) {
    failForDependency(transaction, task, dependency.taskId);
    queue.push({ taskId: task.task_id, completed: false });
    return;
  }
  const unmet = task.unmet_dependencies - 1;
  if (unmet > 0) {
    changeTask(transaction, task, { unmet_dependencies: unmet });
    return;
  }
  const status = task.gate === 1 ? "input_required" : "pending";
  changeTask(transaction, task, { unmet_dependencies: 0, status, available_at: transaction.now });
  addEvent(transaction, task, "unblocked", { detail: dependency.taskId });
  if (task.gate === 1) askQuestion(transaction, task);
  else settled.unblocked.push(task);
}

/** Fails a blocked task; what it depends on cannot complete any more, so no retry helps. */
export function failForDependency(transaction: Transaction, task: TaskRow, dependencyId: string): void {
  endTask(transaction, task, "failed", {
    error: "DEPENDENCY_FAILED",
    detail: `DEPENDENCY_FAILED: ${dependencyId} did not complete`,
  });
}

const LEFT = `SELECT task_id, completed FROM ended_dependencies LIMIT ${DEPENDENTS_PER_CALL}`;

/** Works off what calls have left, at most DEPENDENTS_PER_CALL dependents. @returns what was done, and whether more is left */
export function settleLeft(transaction: Transaction): Settled & { more: boolean } {
  const left = transaction.all<{ task_id: string; completed: number }>(LEFT);
  if (left.length === 0) return { told: 0, unblocked: [], more: false };
  for (const row of left) transaction.run("DELETE FROM ended_dependencies WHERE task_id = ?", row.task_id);
  const ended = left.map((row) => ({ taskId: row.task_id, completed: row.completed === 1 }));
  const settled = settleDependents(transaction, ended);
  return { ...settled, more: transaction.get("SELECT 1 FROM ended_dependencies LIMIT 1") !== undefined };
}
