import { MAINTENANCE_BATCH_ROWS, USAGE_RETENTION_DAYS } from "../../model/limits.ts";
import type { PairUsage, ReportUsage, ReportUsageReply, Usage, UsageLine } from "../../model/usage.ts";
import { actorOf } from "../../trace/call-context.ts";
import { DAY_MILLISECONDS, HOUR_MILLISECONDS } from "../instants.ts";
import {
  bookUsage,
  columnsOf,
  hasUsage,
  pairUsage,
  taskUsage,
  USAGE_COLUMNS,
  type UsageRow,
  usageLimit,
} from "../rules/usage.ts";
import type { Paged, UsageQuery } from "../store.ts";
import { leaseLost, type TaskCaller } from "../task-records.ts";
import type { Step } from "../upkeep-runs.ts";
import { type PairColumns, usageRowOf } from "../usage-reading.ts";
import { countAsHeartbeat } from "./activity.ts";
import { agentByNo, requireRegistered } from "./agent-rows.ts";
import { statusOfArchived } from "./archived-tasks.ts";
import { audit } from "./audit.ts";
import type { Connection } from "./connection.ts";
import { findTask, type TaskRow, taskNotFound } from "./task-rows.ts";
import type { Transaction } from "./transaction.ts";
import { sumHours } from "./usage-sums.ts";

/** What attempts have used of models: their totals, and the hours in which it was reported. */

const COLUMNS = Object.values(USAGE_COLUMNS);
const NAMES = COLUMNS.join(", ");
const PLACES = COLUMNS.map(() => "?").join(", ");
const replaced = COLUMNS.map((column) => `${column} = excluded.${column}`).join(", ");
const raised = COLUMNS.map((column) => `${column} = ${column} + excluded.${column}`).join(", ");

const OF_ATTEMPT = `SELECT provider, model, ${NAMES} FROM task_usage WHERE task_no = ? AND attempt = ? ORDER BY provider, model`;
const TOTAL = `INSERT INTO task_usage (task_no, attempt, provider, model, ${NAMES}) VALUES (?, ?, ?, ?, ${PLACES})
  ON CONFLICT DO UPDATE SET ${replaced}`;
const HOUR = `INSERT INTO usage_hours (hour, agent_id, task_type, supervisor_id, provider, model, ${NAMES})
  VALUES (?, ?, ?, ?, ?, ?, ${PLACES}) ON CONFLICT DO UPDATE SET ${raised}`;
const EVER = `UPDATE usage_totals SET ${COLUMNS.map((column) => `${column} = ${column} + ?`).join(", ")} WHERE slot = 0`;

const numbers = (row: UsageRow): number[] => Object.values(columnsOf(row));

function usageOfAttempt(transaction: Transaction, taskNo: number, attempt: number): UsageRow[] {
  return transaction.all<PairColumns>(OF_ATTEMPT, taskNo, attempt).map(usageRowOf);
}

/**
 * Books what a call reports, if it does. To be called before the call writes anything else, and after its other refusals.
 *
 * @returns whether anything was new @throws USAGE_LIMIT
 */
export function bookUsageOf(
  transaction: Transaction,
  task: TaskRow,
  { agentId, attempt, usage }: TaskCaller & { usage?: Usage | undefined },
): boolean {
  if (usage === undefined || usage.length === 0) return false;
  const booked = bookUsage(usageOfAttempt(transaction, task.task_no, attempt), usage);
  if (booked === undefined) throw usageLimit(task.task_id, attempt);
  const hour = transaction.now - (transaction.now % HOUR_MILLISECONDS);
  const supervisor = agentByNo(transaction, task.supervisor_no).agent_id;
  for (const { total, added } of booked) {
    const { provider, model } = total;
    transaction.run(TOTAL, task.task_no, attempt, provider, model, ...numbers(total));
    if (!hasUsage(added)) continue;
    transaction.run(HOUR, hour, agentId, task.task_type, supervisor, provider, model, ...numbers(added));
    transaction.run(EVER, ...numbers(added));
  }
  return booked.length > 0;
}

const ATTEMPT = "SELECT 1 FROM task_attempts WHERE task_no = ? AND attempt = ? AND agent_no = ?";

/** Books what an attempt has used: the current one, or one that has ended. Refusals are those of the contract (usage-store.ts). */
export function reportUsage(transaction: Transaction, taskId: string, report: ReportUsage): ReportUsageReply {
  const { agentId, attempt } = report;
  const agent = requireRegistered(transaction, agentId);
  const task = findTask(transaction, taskId);
  if (task === undefined && statusOfArchived(transaction, taskId) === undefined) throw taskNotFound(taskId);
  if (task === undefined || transaction.get(ATTEMPT, task.task_no, attempt, agent.agent_no) === undefined) {
    throw leaseLost(taskId, report);
  }
  const isNew = bookUsageOf(transaction, task, report);
  countAsHeartbeat(transaction, agent);
  if (isNew) {
    const actor = actorOf(agentId, transaction.call);
    const detail = { attempt, agentId };
    audit(transaction, { actor, action: "task.usage_reported", subjectKind: "task", subjectId: taskId, detail });
  }
  return { taskId, attempt, usage: usageOfAttempt(transaction, task.task_no, attempt).map(pairUsage) };
}

const OF_TASK = `SELECT provider, model, ${COLUMNS.map((column) => `total(${column}) AS ${column}`).join(", ")}
  FROM task_usage WHERE task_no = ? GROUP BY provider, model`;

/** What all attempts of a task have used; undefined: nothing was reported. */
export function usageOfTask(transaction: Transaction, taskNo: number): PairUsage[] | undefined {
  return taskUsage(transaction.all<PairColumns>(OF_TASK, taskNo).map(usageRowOf));
}

/** Sums of the hours. */
export function readUsage(connection: Connection, query: UsageQuery): Promise<Paged<UsageLine>> {
  return sumHours(connection, query);
}

const OLD = `DELETE FROM usage_hours WHERE rowid IN (SELECT rowid FROM usage_hours WHERE hour < ? ORDER BY hour LIMIT ?)`;

/** Deletes hours past their retention, the oldest first. */
export function dropOldUsage(transaction: Transaction): Step {
  const limit = transaction.now - USAGE_RETENTION_DAYS * DAY_MILLISECONDS;
  const { changes } = transaction.run(OLD, limit, MAINTENANCE_BATCH_ROWS);
  return { done: changes, more: changes === MAINTENANCE_BATCH_ROWS };
}
