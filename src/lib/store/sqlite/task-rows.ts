import type { SQLInputValue } from "node:sqlite";
import type { AttemptOutcome } from "../../model/task.ts";
import { SYSTEM_ACTOR } from "../../trace/call-context.ts";
import { TASK_ROW_COLUMNS, type TaskEventName, type TaskRow } from "../task-records.ts";
import { agentByNo } from "./agent-rows.ts";
import { audit } from "./audit.ts";
import type { Transaction } from "./transaction.ts";

export { hasEnded, isLive, type LiveTask, type TaskEventName, type TaskRow, taskNotFound } from "../task-records.ts";

/** The row of a task, and the one function that changes it, so that every count follows every change. */

/** Columns of a TaskRow, for SELECT. */
export const TASK_COLUMNS = TASK_ROW_COLUMNS.join(", ");

const BY_ID = `SELECT ${TASK_COLUMNS} FROM tasks WHERE task_id = ?`;
const BY_NO = `SELECT ${TASK_COLUMNS} FROM tasks WHERE task_no = ?`;

export function findTask(transaction: Transaction, taskId: string): TaskRow | undefined {
  return transaction.get<TaskRow>(BY_ID, taskId);
}

/** The task of a number that another row refers to, so it exists. */
export function taskByNo(transaction: Transaction, taskNo: number): TaskRow {
  const task = transaction.get<TaskRow>(BY_NO, taskNo);
  if (task === undefined) throw new Error(`task number ${taskNo} is referred to but does not exist`);
  return task;
}

/** How it is identified when it is sent again. */
export interface TaskIdentity {
  idempotencyKey?: string | undefined;
  requestHash: string;
}

const INSERTED = TASK_ROW_COLUMNS.filter((column) => column !== "task_no");
/** What is so of every task that nobody has been given yet. */
const UNTOUCHED = {
  agent_no: null,
  attempt: 0,
  retries_used: 0,
  cancel_requested: 0,
  percent: null,
  assigned_at: null,
  started_at: null,
  deadline_at: null,
  ended_at: null,
  version: 1,
  last_outcome: null,
  suspensions: 0,
} as const satisfies Partial<TaskRow>;
const SAID_OF_UNTOUCHED = INSERTED.filter((column) => !(column in UNTOUCHED));
const INSERT = insertSql(INSERTED, {});
/** A third of the columns as literals: 200 tasks of a workflow are written in a fifth less time. */
const INSERT_UNTOUCHED = insertSql(SAID_OF_UNTOUCHED, UNTOUCHED);

function insertSql(said: readonly string[], literal: Partial<TaskRow>): string {
  const columns = [...said, "idempotency_key", "request_hash", ...Object.keys(literal)];
  const values = [...said.map(() => "?"), "?", "?", ...Object.values(literal).map((value) => value ?? "NULL")];
  return `INSERT INTO tasks (${columns.join(", ")}) VALUES (${values.join(", ")})`;
}

/** Inserts the row with its counts, and gives it its number. */
export function insertTask(transaction: Transaction, row: Omit<TaskRow, "task_no">, identity: TaskIdentity): TaskRow {
  const untouched = row.attempt === 0;
  const values: SQLInputValue[] = (untouched ? SAID_OF_UNTOUCHED : INSERTED).map((column) => row[column]);
  values.push(identity.idempotencyKey ?? null, identity.requestHash);
  const inserted = transaction.run(untouched ? INSERT_UNTOUCHED : INSERT, ...values);
  const task = { ...row, task_no: inserted.lastInsertRowid };
  transaction.count(`tasks:${task.status}`, 1);
  if (waitsForAnyone(task)) addWaiting(transaction, task.demand_no, 1);
  return task;
}

/** What may change of a task. */
export type TaskChanges = Partial<
  Pick<
    TaskRow,
    | "status"
    | "agent_no"
    | "attempt"
    | "retries_used"
    | "unmet_dependencies"
    | "cancel_requested"
    | "percent"
    | "available_at"
    | "assigned_at"
    | "started_at"
    | "deadline_at"
    | "ended_at"
    | "last_outcome"
    | "suspensions"
  >
>;

/**
 * Writes the changes to the row, to `task` itself, and to every count that depends on them. Only the columns that are
 * given are named in the UPDATE: SQLite rewrites the entries of every index that a named column is in.
 */
export function changeTask(transaction: Transaction, task: TaskRow, changes: TaskChanges): void {
  const status = task.status;
  const waited = waitsForAnyone(task);
  Object.assign(task, changes, { version: task.version + 1 });
  const columns = Object.keys(changes).map((column) => `${column} = ?`);
  transaction.run(
    `UPDATE tasks SET version = version + 1, ${columns.join(", ")} WHERE task_no = ?`,
    ...Object.values(changes),
    task.task_no,
  );
  if (task.status !== status) {
    transaction.count(`tasks:${status}`, -1);
    transaction.count(`tasks:${task.status}`, 1);
  }
  const waits = waitsForAnyone(task);
  if (waits !== waited) addWaiting(transaction, task.demand_no, waits ? 1 : -1);
}

function waitsForAnyone(task: Omit<TaskRow, "task_no">): boolean {
  return task.status === "pending" && task.assign_to_no === null;
}

function addWaiting(transaction: Transaction, demandNo: number, delta: number): void {
  transaction.run("UPDATE demands SET waiting = waiting + ? WHERE demand_no = ?", delta, demandNo);
}

const EVENT = `INSERT INTO task_events (task_no, event_no, event, at, attempt, agent_no, detail)
  VALUES (?1, coalesce((SELECT max(event_no) FROM task_events WHERE task_no = ?1), 0) + 1, ?2, ?3, ?4, ?5, ?6)`;

const FIRST_EVENT = `INSERT INTO task_events (task_no, event_no, event, at, attempt, agent_no, detail)
  VALUES (?, 1, ?, ?, ?, ?, ?)`;

/** What is said of an event. */
interface EventParts {
  /** Who made it happen; left out: the switchboard, for what follows from something else. */
  actor?: string | undefined;
  /** The agent that it is about. */
  agentNo?: number | null;
  /** For the history alone: the audit keeps no words of callers. */
  detail?: string | undefined;
  /** For the audit alone: how the attempt ended that the task has lost. */
  outcome?: AttemptOutcome | undefined;
}

/** Adds to the history of a task, and to the audit. */
export function addEvent(
  transaction: Transaction,
  task: TaskRow,
  event: TaskEventName,
  { actor = SYSTEM_ACTOR, agentNo = null, detail, outcome }: EventParts = {},
): void {
  // Creation is the first of them: 200 tasks of a workflow need not be asked what their last one was.
  const sql = event === "created" ? FIRST_EVENT : EVENT;
  transaction.run(sql, task.task_no, event, transaction.now, task.attempt, agentNo, detail ?? null);
  const recorded: { attempt: number; agentId?: string; outcome?: string } = { attempt: task.attempt };
  if (agentNo !== null) recorded.agentId = agentByNo(transaction, agentNo).agent_id;
  if (outcome !== undefined) recorded.outcome = outcome;
  audit(transaction, {
    actor,
    action: `task.${event}`,
    subjectKind: "task",
    subjectId: task.task_id,
    detail: recorded,
  });
}
