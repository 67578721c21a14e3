import type { JsonValue } from "../../model/json.ts";
import type { Notify, WorkflowStatus } from "../../model/workflow.ts";
import { type CountedEnd, countedEnd, endedAs } from "../rules/workflows.ts";
import type { FinalStatus } from "../task-records.ts";
import { agentByNo } from "./agent-rows.ts";
import { writeSystemMessage } from "./system-messages.ts";
import type { TaskRow } from "./task-rows.ts";
import type { Transaction } from "./transaction.ts";

/** The row of a workflow, which follows the ends of its tasks. */

interface EndingRow extends Record<CountedEnd, number> {
  workflow_id: string;
  supervisor_no: number;
  notify: Notify;
  status: WorkflowStatus;
  version: number;
  open_tasks: number;
}

const COUNT: Readonly<Record<CountedEnd, string>> = {
  completed: countText("completed"),
  failed: countText("failed"),
  cancelled: countText("cancelled"),
  not_needed: countText("not_needed"),
  stopped: countText("stopped"),
};

function countText(end: CountedEnd): string {
  return `UPDATE workflows SET version = version + 1, open_tasks = open_tasks - 1, ${end} = ${end} + 1 WHERE workflow_no = ?`;
}

const READ = `SELECT workflow_id, supervisor_no, notify, status, version, open_tasks, completed, failed, cancelled, not_needed, stopped
  FROM workflows WHERE workflow_no = ?`;
const END = "UPDATE workflows SET status = ?, ended_at = ? WHERE workflow_no = ?";

/** What of an ended task decides. */
interface TaskEnd {
  error?: string | undefined;
  becauseOf?: string | undefined;
}

/**
 * Counts the end of a task in its workflow, whose last one ends the workflow.
 *
 * @returns whether the supervisor is told of the task itself
 */
export function countInWorkflow(
  transaction: Transaction,
  task: TaskRow & { workflow_no: number },
  status: FinalStatus,
  { error, becauseOf }: TaskEnd,
): boolean {
  transaction.run(COUNT[countedEnd(status, error, becauseOf)], task.workflow_no);
  const row = transaction.get<EndingRow>(READ, task.workflow_no);
  if (row === undefined) throw new Error(`workflow number ${task.workflow_no} has a task and no row`);
  if (row.open_tasks === 0) endWorkflow(transaction, task, row);
  return row.notify === "each";
}

function endWorkflow(transaction: Transaction, task: TaskRow & { workflow_no: number }, row: EndingRow): void {
  const status = endedAs(row);
  transaction.run(END, status, transaction.now, task.workflow_no);
  if (row.notify !== "end") return;
  const { completed, failed, cancelled, not_needed: notNeeded, stopped } = row;
  const payload: { [key: string]: JsonValue } = {
    workflowId: row.workflow_id,
    status,
    counts: { completed, failed, cancelled, notNeeded, stopped },
    version: row.version,
  };
  writeSystemMessage(transaction, agentByNo(transaction, row.supervisor_no), {
    type: "workflow_result",
    priority: "normal",
    payload,
    traceOf: task.task_no,
  });
}
