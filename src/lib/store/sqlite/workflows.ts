import { type TaskDependency, writeDependency } from "../../model/dependency.ts";
import type { TaskStatus } from "../../model/task.ts";
import type { CreateWorkflowReply, Workflow, WorkflowSummary } from "../../model/workflow.ts";
import { actorOf } from "../../trace/call-context.ts";
import { decodeCursor, encodeCursor } from "../cursor.ts";
import { takePage } from "../reply-bytes.ts";
import { CHILD_PLACES } from "../rules/children.ts";
import { meets } from "../rules/dependencies.ts";
import type { Fired, ListWorkflows, NewTask, NewWorkflow, NewWorkflowTask, Paged } from "../store.ts";
import {
  createdReply,
  type OpenCounts,
  readSummary,
  readWorkflow,
  type WorkflowRow,
  type WorkflowTaskRow,
} from "../workflow-reading.ts";
import { workflowEnded, workflowIdTaken, workflowMismatch, workflowNotFound } from "../workflow-refusals.ts";
import { countAsHeartbeat } from "./activity.ts";
import { type AgentRow, findAgent } from "./agent-rows.ts";
import { audit } from "./audit.ts";
import { cancelOrphans, cancelTasks } from "./cancel-task.ts";
import { type EndedDependency, settleDependents } from "./dependencies.ts";
import { handOutAfter } from "./hand-out.ts";
import { checkMember, requireSupervisor } from "./new-tasks.ts";
import { TASK_COLUMNS, type TaskRow } from "./task-rows.ts";
import { addTask } from "./tasks.ts";
import type { Transaction } from "./transaction.ts";

/** Workflows: made, read and cancelled as a whole. */

interface Known {
  workflow_id: string;
  supervisor_id: string;
  request_hash: string;
}

const KNOWN = `SELECT w.workflow_id, a.agent_id AS supervisor_id, w.request_hash
  FROM workflows w JOIN agents a ON a.agent_no = w.supervisor_no`;

/** The id of the workflow that the same request has made before. */
function findRepeat(transaction: Transaction, workflow: NewWorkflow): string | undefined {
  const { idempotencyKey: key, workflowId, supervisor, requestHash } = workflow;
  const byKey = key === undefined ? undefined : transaction.get<Known>(`${KNOWN} WHERE w.idempotency_key = ?`, key);
  const known = byKey ?? transaction.get<Known>(`${KNOWN} WHERE w.workflow_id = ?`, workflowId);
  if (known === undefined) return undefined;
  if (known.supervisor_id !== supervisor) throw workflowIdTaken(workflow);
  if (known.request_hash !== requestHash) throw workflowMismatch(workflow, known.request_hash);
  return known.workflow_id;
}

const INSERT = `INSERT INTO workflows (workflow_id, supervisor_no, stop_on_failure, notify, status, open_tasks, created_at, idempotency_key,
  request_hash) VALUES (?, ?, ?, ?, 'running', ?, ?, ?, ?)`;
const INSERT_TASK = "INSERT INTO workflow_tasks (workflow_no, position, task_no, ref) VALUES (?, ?, ?, ?)";

/**
 * Creates all tasks or none, and hands out what can be handed out.
 *
 * @throws as assignTask, of the workflow's id and its tasks
 */
export function createWorkflow(
  transaction: Transaction,
  workflow: NewWorkflow,
): CreateWorkflowReply & { duplicate: boolean } {
  const supervisor = requireSupervisor(transaction, workflow);
  const repeatOf = findRepeat(transaction, workflow);
  countAsHeartbeat(transaction, supervisor);
  if (repeatOf !== undefined) return { ...createdReply(getWorkflow(transaction, repeatOf)), duplicate: true };
  const workflowNo = insertRow(transaction, workflow, supervisor);
  handOutAfter(transaction, undefined, addTasks(transaction, workflow.tasks, supervisor, workflowNo));
  return { ...createdReply(asCreated(transaction, workflow, workflowNo)), duplicate: false };
}

/** A task takes some 50 µs, a dependency 10: from so many on a workflow takes a millisecond or more. */
const LONG_WORKFLOW = 20;

/** Whether creating it takes long. */
export function isLongWorkflow({ tasks }: NewWorkflow): boolean {
  return tasks.reduce((sum, { dependsOn }) => sum + 1 + dependsOn.length, 0) >= LONG_WORKFLOW;
}

const STATUS = "SELECT status FROM workflows WHERE workflow_no = ?";

/** It may have ended at once: what its tasks depend on may have failed before. */
function asCreated(transaction: Transaction, { workflowId, tasks }: NewWorkflow, workflowNo: number) {
  const status = transaction.get<Pick<WorkflowRow, "status">>(STATUS, workflowNo)?.status ?? "running";
  return { workflowId, status, tasks };
}

/** Creates tasks, each behind those that it waits for. @returns those that wait for an agent now */
function addTasks(
  transaction: Transaction,
  tasks: readonly (NewTask | NewWorkflowTask)[],
  supervisor: AgentRow,
  workflowNo: number | null,
): TaskRow[] {
  const waiting: TaskRow[] = [];
  const siblings = new Map<string, TaskStatus>();
  const lost: EndedDependency[] = [];
  for (const [position, task] of tasks.entries()) {
    const checked = checkMember(transaction, task, supervisor, siblings);
    for (const { taskId, when, end } of checked.dependencies) {
      if (end !== undefined && !meets(end, when)) lost.push({ taskId, end });
    }
    const stops = Number("stops" in task && task.stops);
    const added = addTask(transaction, task, checked, { workflow_no: workflowNo, stops });
    siblings.set(task.taskId, added.status);
    if (workflowNo !== null && "ref" in task) {
      transaction.run(INSERT_TASK, workflowNo, position, added.task_no, task.ref);
    }
    if (added.status === "pending") waiting.push(added);
  }
  waiting.push(...settleDependents(transaction, lost).unblocked);
  return waiting;
}

/**
 * Creates what a schedule has led to, and hands it out: nobody has called, so it is no repeat, and no heartbeat.
 *
 * @throws as assignTask; ID_TAKEN for a known id
 */
export function addFired(transaction: Transaction, fired: Fired): void {
  handOutAfter(transaction, undefined, makeFired(transaction, fired));
}

function makeFired(transaction: Transaction, fired: Fired): TaskRow[] {
  if ("task" in fired) return addTasks(transaction, [fired.task], requireSupervisor(transaction, fired.task), null);
  const { workflow } = fired;
  const supervisor = requireSupervisor(transaction, workflow);
  if (findRepeat(transaction, workflow) !== undefined) throw workflowIdTaken(workflow);
  return addTasks(transaction, workflow.tasks, supervisor, insertRow(transaction, workflow, supervisor));
}

function insertRow(transaction: Transaction, workflow: NewWorkflow, supervisor: AgentRow): number {
  const { workflowId, onFailure, notify, tasks, idempotencyKey = null, requestHash } = workflow;
  const stops = Number(onFailure === "stop");
  const inserted = transaction.run(
    INSERT,
    ...[workflowId, supervisor.agent_no, stops, notify, tasks.length, transaction.now, idempotencyKey, requestHash],
  );
  audit(transaction, {
    actor: actorOf(workflow.supervisor, transaction.call),
    action: "workflow.created",
    subjectKind: "workflow",
    subjectId: workflowId,
    detail: { tasks: tasks.length },
  });
  return inserted.lastInsertRowid;
}

const COLUMNS = `w.workflow_no, w.workflow_id, a.agent_id AS supervisor_id, w.stop_on_failure, w.notify, w.status, w.version,
  w.completed, w.failed, w.cancelled, w.not_needed, w.stopped, w.created_at, w.ended_at`;
const BY_ID = `SELECT ${COLUMNS} FROM workflows w JOIN agents a ON a.agent_no = w.supervisor_no WHERE w.workflow_id = ?`;
const TASKS = `SELECT t.task_no, t.task_id, x.ref, t.task_type, t.status, t.attempt, a.agent_id, o.error, t.ended_at
  FROM workflow_tasks x JOIN tasks t USING (task_no) LEFT JOIN agents a ON a.agent_no = t.agent_no
  LEFT JOIN task_outcomes o ON o.task_no = t.task_no WHERE x.workflow_no = ? ORDER BY x.position`;
const DEPENDENCIES = `SELECT depends_on AS taskId, condition AS "when" FROM task_dependencies WHERE task_no = ? AND position < ${CHILD_PLACES} ORDER BY position`;

/** @throws NOT_FOUND */
export function getWorkflow(transaction: Transaction, workflowId: string): Workflow {
  const row = transaction.get<WorkflowRow>(BY_ID, workflowId);
  if (row === undefined) throw workflowNotFound(workflowId);
  const tasks = transaction.all<WorkflowTaskRow>(TASKS, row.workflow_no);
  return readWorkflow(row, tasks, (taskNo) =>
    transaction.all<TaskDependency>(DEPENDENCIES, taskNo).map(writeDependency),
  );
}

const OPEN = "SELECT status FROM tasks WHERE workflow_no = ? AND ended_at IS NULL";

/** Counted here, at most 200: the index has the tasks of a workflow, not their statuses. */
function openCounts(transaction: Transaction, workflowNo: number): OpenCounts {
  const counts: OpenCounts = {};
  for (const { status } of transaction.all<{ status: TaskStatus }>(OPEN, workflowNo)) {
    counts[status] = (counts[status] ?? 0) + 1;
  }
  return counts;
}

/** Newest first. */
export function listWorkflows(transaction: Transaction, query: ListWorkflows): Paged<WorkflowSummary> {
  const { supervisor, status, limit } = query;
  const filters = { list: "workflows", supervisor, status };
  const before = decodeCursor(filters, query.cursor, 1)?.[0] ?? Number.MAX_SAFE_INTEGER;
  const where = ["w.workflow_no < ?"];
  const values: (string | number)[] = [before];
  if (supervisor !== undefined) {
    where.push("w.supervisor_no = ?");
    values.push(findAgent(transaction, supervisor)?.agent_no ?? 0);
  }
  if (status !== undefined) {
    where.push("w.status = ?");
    values.push(status);
  }
  const sql = `SELECT ${COLUMNS} FROM workflows w JOIN agents a ON a.agent_no = w.supervisor_no
    WHERE ${where.join(" AND ")} ORDER BY w.workflow_no DESC LIMIT ?`;
  return takePage(
    transaction.all<WorkflowRow>(sql, ...values, limit + 1),
    limit,
    (row) => readSummary(row, openCounts(transaction, row.workflow_no)),
    (last) => encodeCursor(filters, [last.workflow_no]),
  );
}

const UNENDED = `SELECT ${TASK_COLUMNS} FROM tasks WHERE workflow_no = ? AND ended_at IS NULL ORDER BY task_no DESC`;

/** Cancels every task that is open; running ones are asked. Again: the same. @throws NOT_FOUND, TASK_ENDED */
export function cancelWorkflow(transaction: Transaction, workflowId: string, reason: string | undefined): Workflow {
  const row = transaction.get<WorkflowRow>(BY_ID, workflowId);
  if (row === undefined) throw workflowNotFound(workflowId);
  const tasks = transaction.all<TaskRow>(UNENDED, row.workflow_no);
  if (tasks.length === 0 && row.status !== "cancelled") throw workflowEnded(workflowId, row.status);
  if (tasks.length > 0) {
    audit(transaction, {
      actor: actorOf(undefined, transaction.call),
      action: "workflow.cancelled",
      subjectKind: "workflow",
      subjectId: workflowId,
      detail: { tasks: tasks.length },
    });
    cancelTasks(transaction, tasks, reason);
    cancelOrphans(transaction);
  }
  return getWorkflow(transaction, workflowId);
}

const OF_SUPERVISOR = `SELECT 1 FROM workflows w JOIN agents a ON a.agent_no = w.supervisor_no
  WHERE w.workflow_id = ? AND a.agent_id = ?`;

/** Whether the agent has made the workflow. */
export function ownsWorkflow(transaction: Transaction, agentId: string, workflowId: string): boolean {
  return transaction.get(OF_SUPERVISOR, workflowId, agentId) !== undefined;
}
