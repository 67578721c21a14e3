import type { DependencyCondition } from "../../model/dependency.ts";
import { DEPENDENTS_PER_CALL } from "../../model/limits.ts";
import { type DependencyEnd, fateOfDependent, meets } from "../rules/dependencies.ts";
import { STOPPED } from "../rules/workflows.ts";
import { mayWaitForChildren } from "../task-records.ts";
import { askQuestion } from "./questions.ts";
import { wakeByChildren } from "./resumption.ts";
import { endTask } from "./task-endings.ts";
import { addEvent, changeTask, TASK_COLUMNS, type TaskRow, taskByNo } from "./task-rows.ts";
import type { Transaction } from "./transaction.ts";

/** Tells dependents that what they wait for has ended; those that end because of it have dependents of their own. */

/** A task that has ended and whose dependents are to be told. */
export interface EndedDependency {
  taskId: string;
  end: DependencyEnd;
}

export interface Settled {
  /** Dependencies told, of which no more than the budget. */
  told: number;
  /** Tasks that wait for an agent now. */
  unblocked: TaskRow[];
}

const NEXT = `SELECT d.task_no, d.position, d.condition FROM task_dependencies d INDEXED BY task_dependents
  WHERE d.depends_on = ? AND d.settled = 0 ORDER BY d.task_no LIMIT ${DEPENDENTS_PER_CALL + 1}`;
const SETTLE = "UPDATE task_dependencies SET settled = 1 WHERE task_no = ? AND position = ?";
const LEAVE = "INSERT INTO ended_dependencies (task_id, completed, not_needed) VALUES (?, ?, ?) ON CONFLICT DO NOTHING";

/**
 * Tells the dependents of tasks that have just ended, and of those that end because of it, at most `budget`
 * (≤ DEPENDENTS_PER_CALL) in all; the rest is left to the sweep.
 */
export function settleDependents(
  transaction: Transaction,
  ended: readonly EndedDependency[],
  budget: number = DEPENDENTS_PER_CALL,
): Settled {
  const settled: Settled = { told: 0, unblocked: [] };
  // Generation by generation; what stops a workflow first, then failures: which of several reasons ends a task does not depend on their order.
  for (let level = [...ended]; level.length > 0; ) {
    const next = level.flatMap(({ taskId, end }) => (end === "failed" ? stopWorkflow(transaction, taskId) : []));
    for (const dependency of level.filter(({ end }) => end !== "not_needed")) {
      tellAll(transaction, dependency, { settled, budget, next });
    }
    for (const dependency of level.filter(({ end }) => end === "not_needed")) {
      tellAll(transaction, dependency, { settled, budget, next });
    }
    level = next;
  }
  return settled;
}

interface Telling {
  settled: Settled;
  budget: number;
  /** Those that end because of it. */
  next: EndedDependency[];
}

function tellAll(transaction: Transaction, dependency: EndedDependency, { settled, budget, next }: Telling): void {
  const left = budget - settled.told;
  const rows = transaction.all<{ task_no: number; position: number; condition: DependencyCondition }>(
    NEXT,
    dependency.taskId,
  );
  for (const row of rows.slice(0, left)) {
    transaction.run(SETTLE, row.task_no, row.position);
    const task = taskByNo(transaction, row.task_no);
    if (task.status !== "blocked") continue;
    if (meets(dependency.end, row.condition)) meet(transaction, task, dependency, settled);
    else next.push({ taskId: task.task_id, end: endDependent(transaction, task, dependency) });
  }
  settled.told += Math.min(rows.length, left);
  if (rows.length <= left) return;
  const { taskId, end } = dependency;
  transaction.run(LEAVE, taskId, Number(end === "completed"), Number(end === "not_needed"));
}

const STOPPING = `SELECT w.workflow_no FROM tasks t JOIN workflows w ON w.workflow_no = t.workflow_no
  WHERE t.task_id = ? AND w.stop_on_failure = 1`;
const STOPPED_TASKS = `SELECT ${TASK_COLUMNS} FROM tasks INDEXED BY tasks_of_workflow
  WHERE workflow_no = ? AND ended_at IS NULL AND attempt = 0 AND stops = 1 ORDER BY task_no`;

/** A task of a workflow has failed for good: what nobody was given of it ends, but for what waits for failures or ends. */
function stopWorkflow(transaction: Transaction, taskId: string): EndedDependency[] {
  const workflow = transaction.get<{ workflow_no: number }>(STOPPING, taskId);
  if (workflow === undefined) return [];
  return transaction.all<TaskRow>(STOPPED_TASKS, workflow.workflow_no).map((task) => {
    endTask(transaction, task, "cancelled", {
      error: STOPPED,
      detail: `${STOPPED}: ${taskId} failed`,
      becauseOf: taskId,
    });
    return { taskId: task.task_id, end: "failed" };
  });
}

function meet(transaction: Transaction, task: TaskRow, dependency: EndedDependency, settled: Settled): void {
  const unmet = task.unmet_dependencies - 1;
  if (unmet > 0) {
    changeTask(transaction, task, { unmet_dependencies: unmet });
    return;
  }
  if (mayWaitForChildren(task)) {
    wakeByChildren(transaction, task);
    addEvent(transaction, task, "unblocked", { detail: dependency.taskId });
    settled.unblocked.push(task);
    return;
  }
  const status = task.gate === 1 ? "input_required" : "pending";
  changeTask(transaction, task, { unmet_dependencies: 0, status, available_at: transaction.now });
  addEvent(transaction, task, "unblocked", { detail: dependency.taskId });
  if (task.gate === 1) askQuestion(transaction, task);
  else settled.unblocked.push(task);
}

const CONDITIONAL = "SELECT 1 FROM task_dependencies WHERE task_no = ? AND condition <> 'completed' LIMIT 1";

/** Ends a blocked task, one condition of which can no longer hold: no retry helps. @returns what that is to its own dependents */
export function endDependent(transaction: Transaction, task: TaskRow, dependency: EndedDependency): DependencyEnd {
  const conditional = transaction.get(CONDITIONAL, task.task_no) !== undefined;
  const { status, error } = fateOfDependent(dependency.end, conditional);
  const needed = status === "failed";
  endTask(transaction, task, status, {
    error,
    detail: `${error}: ${dependency.taskId} ${needed ? "did not complete" : "ended otherwise"}`,
    becauseOf: dependency.taskId,
    quiet: !needed,
  });
  return needed ? "failed" : "not_needed";
}

const LEFT = `SELECT task_id, completed, not_needed FROM ended_dependencies LIMIT ${DEPENDENTS_PER_CALL}`;

interface LeftRow {
  task_id: string;
  completed: number;
  not_needed: number;
}

function endOf({ completed, not_needed: notNeeded }: LeftRow): DependencyEnd {
  if (completed === 1) return "completed";
  return notNeeded === 1 ? "not_needed" : "failed";
}

/** Works off what calls have left, at most DEPENDENTS_PER_CALL dependents. @returns what was done, and whether more is left */
export function settleLeft(transaction: Transaction): Settled & { more: boolean } {
  const left = transaction.all<LeftRow>(LEFT);
  if (left.length === 0) return { told: 0, unblocked: [], more: false };
  for (const row of left) transaction.run("DELETE FROM ended_dependencies WHERE task_id = ?", row.task_id);
  const ended = left.map((row) => ({ taskId: row.task_id, end: endOf(row) }));
  const settled = settleDependents(transaction, ended);
  return { ...settled, more: transaction.get("SELECT 1 FROM ended_dependencies LIMIT 1") !== undefined };
}
