import type { ResumeReason } from "../../model/resume.ts";
import { changeTask, type TaskRow } from "./task-rows.ts";
import type { Transaction } from "./transaction.ts";

/** How a suspended task is woken. */

const RESUMED_BY = "SELECT resumed_by FROM task_suspensions WHERE task_no = ?";

/** What woke a task after its last suspension; undefined: nothing has, or it was never suspended. */
export function wokenBy(transaction: Transaction, taskNo: number): ResumeReason | undefined {
  return transaction.get<{ resumed_by: ResumeReason | null }>(RESUMED_BY, taskNo)?.resumed_by ?? undefined;
}

/** The same of a task that was suspended and is being handed out. */
export function resumedBy(transaction: Transaction, taskNo: number): ResumeReason {
  const reason = wokenBy(transaction, taskNo);
  if (reason === undefined) throw new Error(`task number ${taskNo} was suspended and not woken`);
  return reason;
}

const WAKE =
  "UPDATE task_suspensions SET resumed_by = 'answered', unanswered = iif(?, 0, unanswered) WHERE task_no = ?";

/**
 * input_required → pending, in its old rank. The caller has closed the question, and hands out.
 *
 * @param byDefault nobody answered, and the default was taken: that does not begin the count of unanswered suspensions anew
 */
export function wake(transaction: Transaction, task: TaskRow, byDefault: boolean): void {
  transaction.run(WAKE, Number(!byDefault), task.task_no);
  changeTask(transaction, task, { status: "pending" });
}

/** One that was retried keeps what has woken it: it may have waited for another task than a child. */
const CHILDREN_ENDED = `UPDATE task_suspensions SET resumed_by = 'children_ended', unanswered = 0
  WHERE task_no = ? AND (resumed_by IS NULL OR resumed_by = 'children_ended')`;

/** blocked → pending, in its old rank: its last child has ended, or what it waited for again since it was retried. */
export function wakeByChildren(transaction: Transaction, task: TaskRow): void {
  transaction.run(CHILDREN_ENDED, task.task_no);
  changeTask(transaction, task, { unmet_dependencies: 0, status: "pending" });
}
