import { BROUGHT_RESULTS_MAX_BYTES, DEPENDENCIES_MAX, DEPENDENCY_FIELDS_BYTES } from "../../model/limits.ts";
import { buildDependencies, type DependencyRow, ResultRoom } from "../dependency-results.ts";
import { CHILD_PLACES } from "../rules/children.ts";
import type { StoredDependency } from "../store.ts";
import { findTask, isLive, taskNotFound } from "./task-rows.ts";
import type { Transaction } from "./transaction.ts";

/** What has become of the tasks that a task depends on. */

/** ?1: the number of a task. Its dependencies, and the children of its last suspension, in the archive, too, and what their ends take in bytes. */
const ENDS = `SELECT d.position, d.depends_on AS task_id, coalesce(d.ref, w.ref) AS ref, coalesce(t.status, z.status) AS status, o.task_no AS ended_no,
    z.task_id AS archived_id, coalesce(o.key_version, z.result_key_version) AS result_key,
    coalesce(octet_length(o.result), 0) + coalesce(octet_length(o.error), 0)
      + coalesce(octet_length(z.task -> '$.result'), 0) + coalesce(octet_length(z.task ->> '$.error'), 0) AS bytes
  FROM task_dependencies d LEFT JOIN tasks t ON t.task_id = d.depends_on
  LEFT JOIN task_outcomes o ON o.task_no = t.task_no AND t.ended_at IS NOT NULL
  LEFT JOIN task_archive z ON z.task_id = d.depends_on AND t.task_no IS NULL
  LEFT JOIN workflow_tasks w ON w.task_no = t.task_no
    AND w.workflow_no = (SELECT m.workflow_no FROM tasks m WHERE m.task_no = d.task_no)
  WHERE d.task_no = ?1 AND (d.position < ${DEPENDENCIES_MAX} OR d.position >= (SELECT iif(m.suspensions > 0, m.suspensions, 2000)
    FROM tasks m WHERE m.task_no = ?1) * ${CHILD_PLACES})`;

/** Read last, so that no text is looked at that there is no room for. */
function textOf(column: string, archived: string): string {
  return `iif(used <= ?2, coalesce((SELECT ${column} FROM task_outcomes WHERE task_no = ended_no),
    (SELECT ${archived} FROM task_archive WHERE task_id = archived_id)), NULL) AS ${column}`;
}

/** ?2: bytes that there is room for. */
const READ = `SELECT position, task_id, ref, status, result_key, ${textOf("result", "task -> '$.result'")},
    ${textOf("error", "task ->> '$.error'")}, bytes > 0 AND used > ?2 AS left_out
  FROM (SELECT *, sum(bytes) OVER (ORDER BY position) AS used FROM (${ENDS}))`;
const SUM = `SELECT count(*) AS tasks, coalesce(sum(bytes), 0) AS bytes FROM (${ENDS})`;
const ANY = `SELECT 1 FROM task_dependencies WHERE task_no = ? AND position < ${DEPENDENCIES_MAX} LIMIT 1`;

/** Whether a task depends on others. */
export function hasDependencies(transaction: Transaction, taskNo: number): boolean {
  return transaction.get(ANY, taskNo) !== undefined;
}

/** Bytes that its dependencies take in the assignment of a task. */
export function dependencyBytes(transaction: Transaction, taskNo: number): number {
  const { tasks = 0, bytes = 0 } = transaction.get<{ tasks: number; bytes: number }>(SUM, taskNo) ?? {};
  return tasks * DEPENDENCY_FIELDS_BYTES + Math.min(bytes, BROUGHT_RESULTS_MAX_BYTES);
}

/** The dependencies of a task in their order, with results and errors as far as there is room. */
export function readDependencies(transaction: Transaction, taskNo: number, room: ResultRoom): StoredDependency[] {
  return buildDependencies(transaction.all<DependencyRow>(READ, taskNo, room.left), room);
}

/** The same of a task by its id; results and errors only while somebody works on it. @throws TASK_NOT_FOUND, also of an archived one, which nobody works on */
export function getDependencies(transaction: Transaction, taskId: string): StoredDependency[] {
  const task = findTask(transaction, taskId);
  if (task === undefined) throw taskNotFound(taskId);
  const room = isLive(task) ? new ResultRoom() : new ResultRoom(0);
  return readDependencies(transaction, task.task_no, room);
}
