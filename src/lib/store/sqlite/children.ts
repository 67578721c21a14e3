import type { TaskStatus } from "../../model/task.ts";
import { PRIORITIES } from "../../model/values.ts";
import type { NewChild, NewTask } from "../calls.ts";
import { beyondTree, tooManyDescendants } from "../child-refusals.ts";
import { beyondParent, CHILD_PLACES } from "../rules/children.ts";
import { agentByNo } from "./agent-rows.ts";
import { checkMember } from "./new-tasks.ts";
import type { TaskRow } from "./task-rows.ts";
import { addTask } from "./tasks.ts";
import type { Transaction } from "./transaction.ts";

/** How a task makes children. */

const PARENT = "SELECT parent_no FROM tasks WHERE task_no = ?";

/** The task above all others, and how many steps above. A parent is archived behind its children, so it is there. */
function rootOf(transaction: Transaction, taskNo: number): { rootNo: number; depth: number } {
  let rootNo = taskNo;
  for (let depth = 0; ; depth += 1) {
    const parentNo = transaction.get<{ parent_no: number | null }>(PARENT, rootNo)?.parent_no;
    if (parentNo === null || parentNo === undefined) return { rootNo, depth };
    rootNo = parentNo;
  }
}

const CHILD_TYPES = "SELECT child_types FROM task_bodies WHERE task_no = ?";
const COUNT = "UPDATE task_bodies SET descendants = descendants + ?2 WHERE task_no = ?1 AND descendants + ?2 <= ?3";

function requireChildren(transaction: Transaction, parent: TaskRow, children: readonly NewChild[]): void {
  const { maxTaskDepth, maxTasksPerRoot } = transaction.settings;
  const { rootNo, depth } = rootOf(transaction, parent.task_no);
  const body = transaction.get<{ child_types: string | null }>(CHILD_TYPES, parent.task_no);
  const childTypes: string[] = JSON.parse(body?.child_types ?? "[]");
  const priority = PRIORITIES[parent.priority] ?? "normal";
  const beyond = beyondParent({ taskId: parent.task_id, priority, childTypes, depth }, children, maxTaskDepth);
  if (beyond !== undefined) throw beyondTree(beyond);
  const counted = transaction.run(COUNT, rootNo, children.length, maxTasksPerRoot);
  if (counted.changes === 0) throw tooManyDescendants(parent.task_id, maxTasksPerRoot);
}

const WAIT = `INSERT INTO task_dependencies (task_no, position, depends_on, condition, settled, ref) VALUES (?, ?, ?, 'ended', 0, ?)`;

/**
 * Makes the children of a task that is being suspended for them; its row shows the new number of suspensions.
 *
 * @returns those that wait for an agent now
 * @throws TASK_TREE_LIMIT, ID_TAKEN, INVALID_REQUEST (expiresAt)
 */
export function makeChildren(transaction: Transaction, parent: TaskRow, children: readonly NewChild[]): TaskRow[] {
  requireChildren(transaction, parent, children);
  const supervisor = agentByNo(transaction, parent.supervisor_no);
  const siblings = new Map<string, TaskStatus>();
  return children.flatMap((child) => {
    const { ref, place, priority = PRIORITIES[parent.priority] ?? "normal", ...work } = child;
    const task: NewTask = { ...work, priority, supervisor: supervisor.agent_id, parentTaskId: parent.task_id };
    const checked = checkMember(transaction, task, supervisor, siblings);
    const added = addTask(transaction, task, checked, { parent_no: parent.task_no });
    siblings.set(task.taskId, added.status);
    transaction.run(WAIT, parent.task_no, parent.suspensions * CHILD_PLACES + place, task.taskId, ref ?? null);
    return added.status === "pending" ? [added] : [];
  });
}

const CHILDREN =
  "SELECT depends_on FROM task_dependencies WHERE task_no = ? AND position >= ? AND position < ? ORDER BY position";

/** The ids of the children that the n-th suspension of a task made, in the order of the call. */
export function childIds(transaction: Transaction, taskNo: number, suspension: number): string[] {
  const first = suspension * CHILD_PLACES;
  const rows = transaction.all<{ depends_on: string }>(CHILDREN, taskNo, first, first + CHILD_PLACES);
  return rows.map((row) => row.depends_on);
}
