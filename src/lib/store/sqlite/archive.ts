import { MAINTENANCE_BATCH_ROWS } from "../../model/limits.ts";
import { writeArchived } from "../archived-documents.ts";
import { DAY_MILLISECONDS } from "../instants.ts";
import type { Step, Walked } from "../upkeep-runs.ts";
import { readTaskValues } from "./question-reading.ts";
import { hasExtras, newestEvents, readWholeTask, storedAttempts } from "./task-reading.ts";
import { TASK_COLUMNS, type TaskRow } from "./task-rows.ts";
import type { Transaction } from "./transaction.ts";

/** Moves finished tasks past their retention to the archive, and drops what then nobody names any more. */

/** A task takes about ten rows with it. */
const TASKS_PER_TRANSACTION = MAINTENANCE_BATCH_ROWS / 10;
/** The newest events that the archive keeps of a task: one that reported progress every second has a great many. */
const EVENTS_MAX = 1_000;

const OLD = `SELECT ${TASK_COLUMNS}, idempotency_key, request_hash FROM tasks t INDEXED BY tasks_ended
  WHERE ended_at IS NOT NULL AND ended_at <= ?1
    AND NOT EXISTS (SELECT 1 FROM task_dependencies d WHERE d.depends_on = t.task_id AND d.settled = 0)
    AND (t.workflow_no IS NULL OR EXISTS (SELECT 1 FROM workflows w WHERE w.workflow_no = t.workflow_no AND w.ended_at <= ?1))
    AND (t.parent_no IS NULL OR EXISTS (SELECT 1 FROM tasks p WHERE p.task_no = t.parent_no AND p.ended_at <= ?1))
    AND NOT EXISTS (SELECT 1 FROM tasks c INDEXED BY tasks_of_parent WHERE c.parent_no = t.task_no)
  ORDER BY ended_at, task_no LIMIT ?2`;
const INSERT = `INSERT INTO task_archive (task_id, status, supervisor_id, ended_at, attempt, idempotency_key, request_hash, task,
  key_version, result_key_version, assignments, events) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`;

const INSERT_VALUE = "INSERT INTO task_archive_values (task_id, name, value, key_version) VALUES (?, ?, ?, ?)";

type OldTask = TaskRow & { idempotency_key: string | null; request_hash: string };

/** Archives finished tasks older than the retention whose dependents have all been told. */
export function archiveTasks(transaction: Transaction): Step {
  const limit = transaction.now - transaction.settings.taskRetentionDays * DAY_MILLISECONDS;
  const old = transaction.all<OldTask>(OLD, limit, TASKS_PER_TRANSACTION);
  for (const task of old) archiveTask(transaction, task);
  for (const demandNo of new Set(old.map((task) => task.demand_no))) dropDemand(transaction, demandNo);
  for (const workflowNo of new Set(old.map((task) => task.workflow_no))) {
    if (workflowNo !== null) transaction.run(DROP_WORKFLOW, workflowNo);
  }
  return { done: old.length, more: old.length === TASKS_PER_TRANSACTION };
}

function archiveTask(transaction: Transaction, row: OldTask): void {
  const stored = readWholeTask(transaction, row);
  const archived = writeArchived(stored, hasExtras(row) ? readTaskValues(transaction, row.task_no) : []);
  transaction.run(
    INSERT,
    row.task_id,
    row.status,
    stored.supervisor,
    row.ended_at,
    row.attempt,
    row.idempotency_key,
    row.request_hash,
    archived.task,
    archived.key_version,
    archived.result_key_version,
    JSON.stringify(storedAttempts(transaction, row.task_no)),
    JSON.stringify(newestEvents(transaction, row.task_no, EVENTS_MAX).reverse()),
  );
  for (const { name, value, key_version: keyVersion } of archived.values) {
    transaction.run(INSERT_VALUE, row.task_id, name, value, keyVersion);
  }
  // Its parts go with it; messages about it lose the reference and keep their text.
  transaction.run("DELETE FROM tasks WHERE task_no = ?", row.task_no);
  transaction.count(`tasks:${row.status}`, -1);
}

/** A workflow goes with its last task. */
const DROP_WORKFLOW =
  "DELETE FROM workflows WHERE workflow_no = ?1 AND NOT EXISTS (SELECT 1 FROM tasks WHERE workflow_no = ?1)";

const DROP_DEMAND =
  "DELETE FROM demands WHERE demand_no = ?1 AND NOT EXISTS (SELECT 1 FROM tasks WHERE demand_no = ?1)";

function dropDemand(transaction: Transaction, demandNo: number): void {
  transaction.run(DROP_DEMAND, demandNo);
}

const UNUSED_SETS = `SELECT set_no FROM capability_sets c WHERE set_no > ?1 AND workers = 0
  AND NOT EXISTS (SELECT 1 FROM agents a WHERE a.set_no = c.set_no) ORDER BY set_no LIMIT ?2`;

/** Drops capability sets that no agent has any more: each costs every assignment that it meets a look. */
export function dropUnusedSets(transaction: Transaction, after: number): Walked {
  const sets = transaction.all<{ set_no: number }>(UNUSED_SETS, after, TASKS_PER_TRANSACTION);
  for (const { set_no: setNo } of sets) transaction.run("DELETE FROM capability_sets WHERE set_no = ?", setNo);
  return { done: sets.length, next: sets.length === TASKS_PER_TRANSACTION ? sets.at(-1)?.set_no : undefined };
}
