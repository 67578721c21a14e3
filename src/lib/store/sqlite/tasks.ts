import { jsonTextOf } from "../../model/json-text.ts";
import type { AssignTaskReply, TaskStatus } from "../../model/task.ts";
import { PRIORITIES } from "../../model/values.ts";
import { actorOf } from "../../trace/call-context.ts";
import { meets } from "../rules/dependencies.ts";
import type { NewTask } from "../store.ts";
import { countAsHeartbeat } from "./activity.ts";
import { agentByNo } from "./agent-rows.ts";
import { assignedTo, recordAssignment, weighFor } from "./assignment.ts";
import type { Weighed } from "./candidates.ts";
import { internDemand } from "./capability-sets.ts";
import { type EndedDependency, endDependent } from "./dependencies.ts";
import { type CheckedTask, checkNewTask, type Dependency } from "./new-tasks.ts";
import { askQuestion, keepQuestion } from "./questions.ts";
import { getTask } from "./task-reading.ts";
import { addEvent, insertTask, isLive, type TaskRow } from "./task-rows.ts";
import type { Transaction } from "./transaction.ts";

export { getAssignments, getTask, getTaskHistory, listTasks } from "./task-reading.ts";

/**
 * Creates the task and gives it to the best worker that can take it, or lets it wait; one that depends on a task that did
 * not complete fails at once.
 *
 * @throws AGENT_NOT_FOUND, AGENT_DEREGISTERED, FORBIDDEN, DEPENDENCY_INVALID, ID_TAKEN, IDEMPOTENCY_MISMATCH
 */
export function assignTask(transaction: Transaction, input: NewTask): AssignTaskReply & { duplicate: boolean } {
  const checked = checkNewTask(transaction, input);
  countAsHeartbeat(transaction, checked.supervisor);
  if (checked.repeatOf !== undefined) return repeatedReply(transaction, checked.repeatOf);
  const row = newRow(transaction, input, checked, internDemand(transaction, input.requiredCapabilities));
  const weighed =
    row.status === "pending" ? weighFor(transaction, row, input.preferredCapabilities, checked.assignTo) : undefined;
  const best = weighed?.considered[0];
  if (best !== undefined) Object.assign(row, assignedTo(row, best.agent.agent_no, transaction.now));
  const task = insertTask(transaction, row, input);
  insertParts(transaction, task, input, checked.dependencies);
  const actor = actorOf(input.supervisor, transaction.call);
  addEvent(transaction, { ...task, attempt: 0 }, "created", { actor });
  if (weighed !== undefined && isLive(task)) {
    recordAssignment(transaction, task, checked.assignTo ?? agentByNo(transaction, task.agent_no), weighed, actor);
    return {
      taskId: task.task_id,
      status: task.status,
      assignedTo: chosenId(weighed),
      attempt: task.attempt,
      duplicate: false,
    };
  }
  settleNew(transaction, task, input, checked);
  return { taskId: task.task_id, status: task.status, attempt: task.attempt, duplicate: false };
}

/** What follows at once for a task that nobody was given: its gate asks, or a condition that can no longer hold ends it. */
function settleNew(transaction: Transaction, task: TaskRow, input: NewTask, checked: CheckedTask): void {
  if (input.question !== undefined) keepQuestion(transaction, task, input.question, checked.askedOf);
  const lost = lostDependency(checked.dependencies);
  if (lost !== undefined) endDependent(transaction, task, lost);
  else if (task.status === "input_required") askQuestion(transaction, task);
}

/** Where a task of a workflow, or a child, belongs. */
type Membership = Partial<Pick<TaskRow, "workflow_no" | "stops" | "parent_no">>;

/** Creates a task of a workflow, of a schedule, or a child, which waits: the caller hands it out. */
export function addTask(
  transaction: Transaction,
  input: NewTask,
  checked: CheckedTask,
  membership: Membership,
): TaskRow {
  const row = newRow(transaction, input, checked, internDemand(transaction, input.requiredCapabilities));
  const task = insertTask(transaction, { ...row, ...membership }, input);
  // What is lost already is told to it when all tasks of the workflow are there.
  const dependencies = checked.dependencies.map(({ end, ...dependency }) =>
    end === undefined || meets(end, dependency.when) ? { ...dependency, end } : { ...dependency, end: undefined },
  );
  insertParts(transaction, task, input, dependencies);
  addEvent(transaction, task, "created", { actor: actorOf(input.supervisor, transaction.call) });
  settleNew(transaction, task, input, { ...checked, dependencies });
  return task;
}

/** The first condition that can no longer hold; a failure goes before what was not needed. */
function lostDependency(dependencies: readonly Dependency[]): EndedDependency | undefined {
  const lost = dependencies.flatMap(({ taskId, when, end }) =>
    end === undefined || meets(end, when) ? [] : [{ taskId, end }],
  );
  const conditional = dependencies.some(({ when }) => when !== "completed");
  return lost.find(({ end }) => end === "failed" && !conditional) ?? lost[0];
}

function chosenId(weighed: Weighed): string | undefined {
  return weighed.considered[0]?.agent.agent_id;
}

function repeatedReply(transaction: Transaction, taskId: string): AssignTaskReply & { duplicate: boolean } {
  const task = getTask(transaction, taskId);
  const reply = { taskId, status: task.status, attempt: task.attempt, duplicate: true };
  return task.assignedTo === undefined ? reply : { ...reply, assignedTo: task.assignedTo };
}

function newRow(
  transaction: Transaction,
  input: NewTask,
  checked: CheckedTask,
  demandNo: number,
): Omit<TaskRow, "task_no"> {
  const { now } = transaction;
  const unmet = checked.dependencies.filter(({ when, end }) => end === undefined || !meets(end, when)).length;
  return {
    task_id: input.taskId,
    supervisor_no: checked.supervisor.agent_no,
    task_type: input.taskType,
    priority: PRIORITIES.indexOf(input.priority),
    status: statusOfNew(unmet, input.question !== undefined),
    demand_no: demandNo,
    assign_to_no: checked.assignTo?.agent_no ?? null,
    agent_no: null,
    attempt: 0,
    retries_used: 0,
    max_retries: input.maxRetries,
    timeout_milliseconds: Math.ceil(input.timeoutSeconds * 1_000),
    start_timeout_milliseconds:
      input.startTimeoutSeconds === undefined ? null : Math.ceil(input.startTimeoutSeconds * 1_000),
    unmet_dependencies: unmet,
    cancel_requested: 0,
    percent: null,
    created_at: now,
    available_at: now,
    assigned_at: null,
    started_at: null,
    deadline_at: null,
    ended_at: null,
    parent_task_id: input.parentTaskId ?? null,
    version: 1,
    last_outcome: null,
    expires_at: checked.expiresAt,
    gate: Number(input.question !== undefined),
    suspensions: 0,
    workflow_no: null,
    stops: 0,
    parent_no: null,
  };
}

function statusOfNew(unmet: number, gate: boolean): TaskStatus {
  if (unmet > 0) return "blocked";
  return gate ? "input_required" : "pending";
}

const BODY =
  "INSERT INTO task_bodies (task_no, description, parameters, key_version, traceparent, preferred_capabilities, child_types) VALUES (?, ?, ?, ?, ?, ?, ?)";
const DEPENDENCY =
  "INSERT INTO task_dependencies (task_no, position, depends_on, condition, settled) VALUES (?, ?, ?, ?, ?)";

function insertParts(
  transaction: Transaction,
  task: TaskRow,
  input: NewTask,
  dependencies: readonly Dependency[],
): void {
  const parameters = jsonTextOf(input.parameters).text;
  const preferred = JSON.stringify([...new Set(input.preferredCapabilities)]);
  const { description, keyVersion = null, traceparent = null, children } = input;
  const childTypes = children === undefined ? null : JSON.stringify(children.taskTypes);
  transaction.run(BODY, task.task_no, description, parameters, keyVersion, traceparent, preferred, childTypes);
  for (const [position, { taskId, when, end }] of dependencies.entries()) {
    transaction.run(DEPENDENCY, task.task_no, position, taskId, when, Number(end !== undefined));
  }
}
