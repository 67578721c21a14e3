import { newId } from "../../model/ids.ts";
import type { TaskStatus } from "../../model/task.ts";
import type { CreateWorkflowReply, Workflow, WorkflowSummary } from "../../model/workflow.ts";
import { actorOf } from "../../trace/call-context.ts";
import { decodeCursor, encodeCursor } from "../cursor.ts";
import { agentRefusal } from "../refusals.ts";
import { takePage } from "../reply-bytes.ts";
import type { Fired, ListWorkflows, NewTask, NewWorkflow, NewWorkflowTask, Paged, ScheduleMove } from "../store.ts";
import { mayNotAssign } from "../task-refusals.ts";
import {
  createdReply,
  type OpenCounts,
  readSummary,
  readWorkflow,
  type WorkflowRow,
  type WorkflowTaskRow,
} from "../workflow-reading.ts";
import { workflowEnded, workflowIdTaken, workflowMismatch, workflowNotFound } from "../workflow-refusals.ts";
import { wakeAgent } from "./activity.ts";
import { recordAudit } from "./audit.ts";
import { bigint, bit, hash, id, int, lookUp, operation, text, word } from "./batch.ts";
import { cancelOrphans, cancelTasks } from "./cancel-task.ts";
import type { Connection } from "./connection.ts";
import { encodeNewTask, refusalOf } from "./new-tasks.ts";
import { procedure } from "./procedures.ts";
import { readDependsOn } from "./task-rows.ts";

/** Workflows: made, read and cancelled as a whole. */

const CREATE = procedure("create_workflow");

interface CreatedRow {
  code: string | null;
  subject: string | null;
  /** Of the task that is refused. */
  place: number | null;
  known_id: string | null;
  own: number;
  wakes: number;
  /** What has become of a new workflow: something that it depends on may have failed before. */
  status: Workflow["status"] | null;
}

function refusalOfWorkflow(row: CreatedRow, workflow: NewWorkflow) {
  const { code, subject, place, known_id: known } = row;
  if (code === null) return undefined;
  const task = place === null ? undefined : workflow.tasks[place];
  if (task !== undefined && known === null) return refusalOf({ code, subject }, task);
  if (code === "ID_TAKEN") return workflowIdTaken(workflow);
  if (code === "IDEMPOTENCY_MISMATCH") return workflowMismatch(workflow, subject ?? "");
  if (code === "FORBIDDEN") return mayNotAssign(workflow, subject ?? "");
  return agentRefusal(code === "AGENT_DEREGISTERED" ? code : "AGENT_NOT_FOUND", workflow.supervisor);
}

/** What is created: the tasks of a workflow, or one without. */
interface Creation {
  supervisor: string;
  tasks: readonly (NewTask | NewWorkflowTask)[];
  workflow: NewWorkflow | undefined;
  /** The schedule that has led to it, and moves on with it. */
  move: ScheduleMove | undefined;
}

async function create(connection: Connection, { supervisor, tasks, workflow, move }: Creation): Promise<CreatedRow> {
  const operationId = newId(connection.clock.now());
  const items = tasks.map((task, item) => ({
    item,
    ...encodeNewTask({ task, operationId, plain: false }),
    ...("ref" in task ? { ref: task.ref } : {}),
    ...("stops" in task && task.stops ? { stops: true } : {}),
  }));
  const result = await connection.query(CREATE, {
    items: text(JSON.stringify(items)),
    workflowId: id(workflow?.workflowId ?? null),
    supervisor: id(supervisor),
    actor: id(actorOf(supervisor)),
    stopOnFailure: bit(workflow?.onFailure === "stop"),
    notify: word(workflow?.notify ?? null),
    idempotencyKey: hash(workflow?.idempotencyKey ?? null),
    requestHash: hash(workflow?.requestHash ?? null),
    operation: operation(operationId),
    ...encodeMove(move),
  });
  const [row] = result.rows<CreatedRow>(0);
  if (row === undefined) throw new Error("the workflow has no outcome");
  return row;
}

function encodeMove(move: ScheduleMove | undefined) {
  return {
    scheduleId: id(move?.scheduleId ?? null),
    scheduleVersion: bigint(move?.version ?? null),
    dueAt: bigint(move?.dueAt ?? null),
    enabled: bit(move?.enabled ?? null),
    refusals: int(move?.refusals ?? null),
    firings: text(move === undefined ? null : JSON.stringify(move.log)),
    triggered: id(move?.triggered ?? null),
  };
}

/**
 * Creates all tasks or none, waiting, and hands out what can be handed out.
 *
 * @throws as assignTask, of the workflow's id and its tasks
 */
export async function createWorkflow(
  connection: Connection,
  workflow: NewWorkflow,
): Promise<CreateWorkflowReply & { duplicate: boolean }> {
  const { supervisor, tasks, workflowId } = workflow;
  const row = await create(connection, { supervisor, tasks, workflow, move: undefined });
  const refusal = refusalOfWorkflow(row, workflow);
  if (refusal !== undefined) throw refusal;
  if (row.wakes === 1) await wakeAgent(connection, supervisor);
  if (row.known_id === null) {
    return { ...createdReply({ workflowId, status: row.status ?? "running", tasks }), duplicate: false };
  }
  return { ...createdReply(await getWorkflow(connection, row.known_id)), duplicate: row.own === 0 };
}

/** Moves a schedule on and creates what it has led to. @returns whether it had that version @throws as assignTask; ID_TAKEN for a known id */
export async function fireAndHandOut(connection: Connection, move: ScheduleMove, fired: Fired): Promise<boolean> {
  const workflow = "workflow" in fired ? fired.workflow : undefined;
  const tasks = "task" in fired ? [fired.task] : fired.workflow.tasks;
  const { supervisor } = "task" in fired ? fired.task : fired.workflow;
  const row = await create(connection, { supervisor, tasks, workflow, move });
  if (row.code === "MOVED") return false;
  const refusal = "task" in fired ? refusalOfTask(row, fired.task) : refusalOfWorkflow(row, fired.workflow);
  if (refusal !== undefined) throw refusal;
  if (workflow !== undefined && row.known_id !== null) throw workflowIdTaken(workflow);
  return true;
}

function refusalOfTask({ code, subject, place }: CreatedRow, task: NewTask) {
  // The supervisor's own refusals come without the place of a task.
  return refusalOf({ code, subject: place === null && code === "AGENT_NOT_FOUND" ? "supervisor" : subject }, task);
}

const GET = procedure("get_workflow");

interface TaskRowOfWorkflow extends WorkflowTaskRow {
  depends_on: string | null;
}

/** @throws NOT_FOUND */
export async function getWorkflow(connection: Connection, workflowId: string): Promise<Workflow> {
  const result = await connection.query(GET, { workflowId: id(workflowId) });
  const [row] = result.rows<WorkflowRow>(0);
  if (row === undefined) throw workflowNotFound(workflowId);
  const tasks = result.rows<TaskRowOfWorkflow>(1);
  const dependencies = new Map(tasks.map((task) => [task.task_no, readDependsOn(task.depends_on)]));
  return readWorkflow(row, tasks, (taskNo) => dependencies.get(taskNo) ?? []);
}

const LIST = procedure("list_workflows");

/** Newest first. */
export async function listWorkflows(connection: Connection, query: ListWorkflows): Promise<Paged<WorkflowSummary>> {
  const { supervisor, status, limit } = query;
  const filters = { list: "workflows", supervisor, status };
  const before = Number(decodeCursor(filters, query.cursor, 1)?.[0] ?? Number.MAX_SAFE_INTEGER);
  const result = await connection.query(LIST, {
    supervisor: id(supervisor ?? null),
    status: word(status ?? null),
    before: bigint(before),
    limit: int(limit + 1),
  });
  const open = new Map<number, OpenCounts>();
  for (const row of result.rows<{ workflow_no: number; status: TaskStatus; tasks: number }>(1)) {
    open.set(row.workflow_no, { ...open.get(row.workflow_no), [row.status]: row.tasks });
  }
  return takePage(
    result.rows<WorkflowRow>(0),
    limit,
    (row) => readSummary(row, open.get(row.workflow_no) ?? {}),
    (last) => encodeCursor(filters, [last.workflow_no]),
  );
}

/** Cancels every task that is open; running ones are asked. Again: the same. @throws NOT_FOUND, TASK_ENDED */
export async function cancelWorkflow(
  connection: Connection,
  workflowId: string,
  reason: string | undefined,
): Promise<Workflow> {
  const found = await getWorkflow(connection, workflowId);
  if (found.endedAt !== undefined) {
    if (found.status !== "cancelled") throw workflowEnded(workflowId, found.status);
    return found;
  }
  const open = found.tasks.filter(({ status }) => !["completed", "failed", "cancelled"].includes(status));
  const detail = { tasks: open.length };
  await recordAudit(connection, [
    { action: "workflow.cancelled", subjectKind: "workflow", subjectId: workflowId, detail },
  ]);
  await cancelTasks(
    connection,
    open.map(({ taskId }) => taskId),
    reason,
  );
  await cancelOrphans(connection);
  return getWorkflow(connection, workflowId);
}

const OWNS = lookUp<{ agentId: string; workflowId: string }, number>({
  name: "owns-workflow",
  sql: procedure("owns_workflow"),
  encode: ({ agentId, workflowId }) => ({ agent_id: agentId, workflow_id: workflowId }),
});

/** Whether the agent has made the workflow. */
export async function ownsWorkflow(connection: Connection, agentId: string, workflowId: string): Promise<boolean> {
  return (await connection.run(OWNS, { agentId, workflowId })) === 1;
}
