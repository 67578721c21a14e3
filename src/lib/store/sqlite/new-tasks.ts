import { distinctDependencies, type TaskDependency } from "../../model/dependency.ts";
import type { TaskStatus } from "../../model/task.ts";
import { requireExpiry } from "../question-refusals.ts";
import { type DependencyEnd, NOT_NEEDED } from "../rules/dependencies.ts";
import type { NewTask } from "../store.ts";
import { assigneeNotFound, dependencyInvalid, mayNotAssign, taskIdTaken, taskMismatch } from "../task-refusals.ts";
import { type AgentRow, findAgent, requireRegistered } from "./agent-rows.ts";
import { findAskedOf } from "./questions.ts";
import type { Transaction } from "./transaction.ts";

/** Whether a task may be created, and whether it has been already; reads only. */

/** What a new task depends on, in the order given, each once. */
export interface Dependency extends TaskDependency {
  /** How it has ended; undefined while it has not. */
  end: DependencyEnd | undefined;
}

/** A task that may be created, or a repeat of one that was. */
export interface CheckedTask {
  supervisor: AgentRow;
  /** The id of the task that this request created before. */
  repeatOf: string | undefined;
  assignTo: AgentRow | undefined;
  dependencies: Dependency[];
  /** Of a gate, those whom its question is asked of. */
  askedOf: number[];
  /** Milliseconds since 1970. */
  expiresAt: number | null;
}

/**
 * All refusals of assignTask. A repeat is recognised before the things that the request names are looked up: they may
 * have gone since.
 *
 * @throws AGENT_NOT_FOUND, AGENT_DEREGISTERED, FORBIDDEN, ID_TAKEN, IDEMPOTENCY_MISMATCH, DEPENDENCY_INVALID, INVALID_REQUEST (expiresAt)
 */
export function checkNewTask(transaction: Transaction, task: NewTask): CheckedTask {
  const supervisor = requireSupervisor(transaction, task);
  const repeatOf = findRepeat(transaction, task, supervisor);
  if (repeatOf !== undefined)
    return { supervisor, repeatOf, assignTo: undefined, dependencies: [], askedOf: [], expiresAt: null };
  return checkParts(transaction, task, supervisor);
}

/** @throws AGENT_NOT_FOUND, AGENT_DEREGISTERED, FORBIDDEN */
export function requireSupervisor(transaction: Transaction, made: Pick<NewTask, "supervisor">): AgentRow {
  const supervisor = requireRegistered(transaction, made.supervisor);
  if (supervisor.role !== "supervisor" && supervisor.role !== "admin") throw mayNotAssign(made, supervisor.role);
  return supervisor;
}

/** Tasks that the same call has created, by their ids: they need not be read. */
export type Siblings = ReadonlyMap<string, TaskStatus>;

/**
 * A task of a workflow, or a child: it is no repeat of another call. Its supervisor is that of the whole, and may have left.
 *
 * @throws ID_TAKEN, DEPENDENCY_INVALID, AGENT_NOT_FOUND, INVALID_REQUEST (expiresAt)
 */
export function checkMember(
  transaction: Transaction,
  task: NewTask,
  supervisor: AgentRow,
  siblings: Siblings,
): CheckedTask {
  if (siblings.has(task.taskId) || findKnown(transaction, task) !== undefined) throw taskIdTaken(task);
  return checkParts(transaction, task, supervisor, siblings);
}

function checkParts(
  transaction: Transaction,
  task: NewTask,
  supervisor: AgentRow,
  siblings: Siblings = new Map(),
): CheckedTask {
  const assignTo = task.assignTo === undefined ? undefined : requireAssignee(transaction, task.assignTo);
  const dependencies = findDependencies(transaction, task, siblings);
  const askedOf = task.question === undefined ? [] : findAskedOf(transaction, task.question);
  const expiresAt = expiryOf(transaction, task);
  return { supervisor, repeatOf: undefined, assignTo, dependencies, askedOf, expiresAt };
}

function expiryOf(transaction: Transaction, { expiresAt: text }: NewTask): number | null {
  if (text === undefined) return null;
  const expiresAt = Date.parse(text);
  requireExpiry(expiresAt, transaction.now);
  return expiresAt;
}

function requireAssignee(transaction: Transaction, agentId: string): AgentRow {
  const agent = findAgent(transaction, agentId);
  if (agent === undefined || agent.status === "deregistered") throw assigneeNotFound(agentId);
  return agent;
}

interface Known {
  task_id: string;
  supervisor_id: string;
  request_hash: string;
  /** Of an archived task. */
  ended_at: number | null;
}

const KEPT = `SELECT t.task_id, a.agent_id AS supervisor_id, t.request_hash, NULL AS ended_at
  FROM tasks t CROSS JOIN agents a ON a.agent_no = t.supervisor_no`;
const ARCHIVED = "SELECT task_id, supervisor_id, request_hash, ended_at FROM task_archive";

function findKnown(transaction: Transaction, task: NewTask): Known | undefined {
  const { idempotencyKey: key, taskId, hasNewId } = task;
  if (key !== undefined) {
    const byKey =
      transaction.get<Known>(`${KEPT} WHERE t.idempotency_key = ?`, key) ??
      transaction.get<Known>(`${ARCHIVED} WHERE idempotency_key = ?`, key);
    if (byKey !== undefined) return byKey;
  }
  if (hasNewId === true) return undefined;
  return (
    transaction.get<Known>(`${KEPT} WHERE t.task_id = ?`, taskId) ??
    transaction.get<Known>(`${ARCHIVED} WHERE task_id = ?`, taskId)
  );
}

/** A name that was free in between is another agent's now: who was registered after the task had ended did not create it. */
function findRepeat(transaction: Transaction, task: NewTask, supervisor: AgentRow): string | undefined {
  const known = findKnown(transaction, task);
  if (known === undefined) return undefined;
  const later = known.ended_at !== null && supervisor.registered_at > known.ended_at;
  if (later || known.supervisor_id !== task.supervisor) throw taskIdTaken(task);
  if (known.request_hash !== task.requestHash) throw taskMismatch(task, known.request_hash);
  return known.task_id;
}

function findDependencies(transaction: Transaction, task: NewTask, siblings: Siblings): Dependency[] {
  return distinctDependencies(task.dependsOn).map((dependency) => {
    const { taskId } = dependency;
    // One that has ended already, because of a dependency of its own, is read: its error says how.
    const sibling = siblings.get(taskId);
    if (sibling !== undefined && sibling !== "failed" && sibling !== "cancelled")
      return { ...dependency, end: undefined };
    const found = taskId === task.taskId ? undefined : findState(transaction, taskId);
    if (found === undefined) throw dependencyInvalid(task, taskId);
    return { ...dependency, end: endOf(found) };
  });
}

interface State {
  status: TaskStatus;
  error: string | null;
}

const STATE =
  "SELECT t.status, o.error FROM tasks t LEFT JOIN task_outcomes o ON o.task_no = t.task_no WHERE t.task_id = ?";
const ARCHIVED_STATE = "SELECT status, json_extract(task, '$.error') AS error FROM task_archive WHERE task_id = ?";

function findState(transaction: Transaction, taskId: string): State | undefined {
  return transaction.get<State>(STATE, taskId) ?? transaction.get<State>(ARCHIVED_STATE, taskId);
}

function endOf({ status, error }: State): DependencyEnd | undefined {
  if (status === "cancelled" && error === NOT_NEEDED) return "not_needed";
  if (status === "completed") return "completed";
  return status === "failed" || status === "cancelled" ? "failed" : undefined;
}
