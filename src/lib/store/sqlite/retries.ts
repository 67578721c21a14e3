import { DEPENDENTS_PER_CALL } from "../../model/limits.ts";
import type { TaskStatus } from "../../model/task.ts";
import type { WorkflowStatus } from "../../model/workflow.ts";
import type { RetryAsk, RetryEngine } from "../retry-verbs.ts";
import { CHILD_PLACES } from "../rules/children.ts";
import type { Reopened, ReopenedRow, RetriedDependency, RetriedTask, ToldDependent } from "../rules/reopening-rows.ts";
import { decideLeft, type SeenRetry } from "../rules/retries.ts";
import { statusOfArchived } from "./archived-tasks.ts";
import type { Connection } from "./connection.ts";
import { decideWithin } from "./decide.ts";
import { handOutAfter } from "./hand-out.ts";
import { askQuestion, putTaskValue } from "./questions.ts";
import { addEvent, changeTask, type TaskRow, taskByNo } from "./task-rows.ts";
import type { Transaction } from "./transaction.ts";

/** Re-opening what has ended: rows that are read, and rows that rules/retries.ts wants written. */

/** What the verbs of retries read and write. */
export function retryEngine(connection: Connection): Pick<RetryEngine, "decide"> {
  return {
    decide: (ask, rule) =>
      connection.write((transaction) => {
        const waiting: TaskRow[] = [];
        const answer = decideWithin(transaction, subject(waiting), ask, rule);
        if (waiting.length > 0) handOutAfter(transaction, undefined, waiting);
        return answer;
      }, ask.workflowId !== undefined),
  };
}

/** The sweep: goes on with what calls have left; handing out is a later step. @returns what waits now, and whether more is left */
export function reopenLeft(transaction: Transaction): { waiting: number; more: boolean } {
  if (transaction.get(ANY_LEFT) === undefined) return { waiting: 0, more: false };
  const waiting: TaskRow[] = [];
  decideWithin(transaction, subject(waiting), {}, decideLeft);
  return { waiting: waiting.length, more: transaction.get(ANY_LEFT) !== undefined };
}

const ANY_LEFT = "SELECT 1 FROM reopened_tasks LIMIT 1";
const LEFT = `SELECT task_id FROM reopened_tasks ORDER BY task_id LIMIT ${DEPENDENTS_PER_CALL}`;

const COLUMNS = `t.task_no, t.task_id, t.status, t.attempt, t.version, t.gate, t.cancel_requested, t.expires_at, t.workflow_no,
  o.error, o.because_of, CASE WHEN t.parent_no IS NULL THEN 0 WHEN EXISTS (SELECT 1 FROM tasks p JOIN task_dependencies d ON d.task_no = p.task_no
    WHERE p.task_no = t.parent_no AND p.status = 'blocked' AND d.depends_on = t.task_id AND d.position >= p.suspensions * ${CHILD_PLACES})
    THEN 0 ELSE 1 END AS left_behind, CASE WHEN t.status = 'assigned' OR t.status = 'running' THEN t.deadline_at END AS deadline_at`;
const TASKS = "FROM tasks t LEFT JOIN task_outcomes o ON o.task_no = t.task_no";
const BY_ID = `SELECT ${COLUMNS} ${TASKS} WHERE t.task_id = ?`;
const OF_WORKFLOW = `SELECT ${COLUMNS} ${TASKS} WHERE t.workflow_no = ? AND t.status IN ('failed', 'cancelled') ORDER BY t.task_no`;
/** One more than a call looks at, and itself. */
const FOLLOWERS = `SELECT ${COLUMNS} FROM task_outcomes o INDEXED BY task_outcomes_because_of JOIN tasks t ON t.task_no = o.task_no
  WHERE o.because_of = ?1 AND t.task_id <> ?1 ORDER BY o.task_no LIMIT ${DEPENDENTS_PER_CALL + 1}`;
/** One that is archived and gone was met when the task went on. */
const DEPENDENCIES = `SELECT d.task_no, d.position, d.depends_on, d.condition, b.task_no AS depends_no, b.version,
    coalesce(b.status, z.status, 'completed') AS status, coalesce(o.error, json_extract(z.task, '$.error')) AS error
  FROM task_dependencies d LEFT JOIN tasks b ON b.task_id = d.depends_on LEFT JOIN task_outcomes o ON o.task_no = b.task_no
  LEFT JOIN task_archive z ON z.task_id = d.depends_on AND b.task_no IS NULL WHERE d.task_no = ? ORDER BY d.position`;
const TOLD = `SELECT d.depends_on, d.position, d.condition, t.task_no, t.task_id, t.status, t.attempt, t.version, t.gate,
    t.unmet_dependencies, o.because_of
  FROM task_dependencies d INDEXED BY task_dependents_told JOIN tasks t ON t.task_no = d.task_no
  LEFT JOIN task_outcomes o ON o.task_no = t.task_no
  WHERE d.depends_on = ? AND d.condition <> 'completed' AND d.settled = 1`;
/** It has not gone on yet: one that waits for its own children has, unless this is one of them. */
const STILL_WAITS = `t.status = 'blocked' AND NOT (d.position < t.suspensions * ${CHILD_PLACES} AND EXISTS (SELECT 1 FROM task_dependencies c
    WHERE c.task_no = t.task_no AND c.position >= t.suspensions * ${CHILD_PLACES} AND c.settled = 0))`;
/** One that waited for the failure and has gone on forbids the retry. */
const BEGUN = `${TOLD} AND d.condition = 'failed' AND (t.attempt > 0 OR (t.gate = 1 AND (t.status = 'input_required'
    OR t.status = 'completed' OR (t.status = 'failed' AND o.because_of IS NULL)))) LIMIT 1`;
const WAITING = `${TOLD} AND ((${STILL_WAITS}) OR (d.condition = 'failed' AND t.status = 'pending' AND t.attempt = 0))
  ORDER BY d.condition DESC, d.task_no DESC LIMIT ${DEPENDENTS_PER_CALL + 1}`;
const WORKFLOW = "SELECT workflow_no, status FROM workflows WHERE workflow_id = ?";

function see(transaction: Transaction, ask: RetryAsk): SeenRetry {
  const seen = {
    followers: (taskId: string) => transaction.all<RetriedTask>(FOLLOWERS, taskId),
    dependencies: (taskNo: number) => transaction.all<RetriedDependency>(DEPENDENCIES, taskNo),
    told: (taskId: string) => [
      ...transaction.all<ToldDependent>(BEGUN, taskId),
      ...transaction.all<ToldDependent>(WAITING, taskId),
    ],
    left: [],
  };
  if (ask.taskId !== undefined) {
    const tasks = transaction.all<RetriedTask>(BY_ID, ask.taskId);
    const archivedAs = tasks.length > 0 ? undefined : statusOfArchived(transaction, ask.taskId);
    return { ...seen, tasks, archivedAs };
  }
  if (ask.workflowId !== undefined) {
    const workflow = transaction.get<{ workflow_no: number; status: WorkflowStatus }>(WORKFLOW, ask.workflowId);
    if (workflow === undefined) return { ...seen, tasks: [] };
    return { ...seen, tasks: transaction.all(OF_WORKFLOW, workflow.workflow_no), workflow: workflow.status };
  }
  const left = transaction.all<{ task_id: string }>(LEFT).map(({ task_id: taskId }) => taskId);
  return { ...seen, tasks: left.flatMap((taskId) => transaction.all<RetriedTask>(BY_ID, taskId)), left };
}

/** @param waiting gets the tasks that wait for an agent then */
function subject(waiting: TaskRow[]) {
  return {
    see,
    write: (transaction: Transaction, change: Reopened) => write(transaction, change, waiting),
  };
}

const SETTLE = "UPDATE task_dependencies SET settled = ? WHERE task_no = ? AND position = ?";
const CAUSE = "UPDATE task_outcomes SET because_of = ? WHERE task_no = ?";
const COUNT = `UPDATE workflows SET version = version + ?1, open_tasks = open_tasks + ?1, failed = failed - ?2, cancelled = cancelled - ?3,
  not_needed = not_needed - ?4, stopped = stopped - ?5, status = 'running', ended_at = NULL WHERE workflow_no = ?6`;
const NOT_LEFT = "DELETE FROM reopened_tasks WHERE task_id = ?";
const NOT_ENDED = "DELETE FROM ended_dependencies WHERE task_id = ?";
const LEAVE = `INSERT INTO reopened_tasks (task_id) SELECT ?1
  WHERE EXISTS (SELECT 1 FROM task_outcomes o INDEXED BY task_outcomes_because_of JOIN tasks t ON t.task_no = o.task_no
      WHERE o.because_of = ?1 AND t.task_id <> ?1)
    OR EXISTS (SELECT 1 FROM task_dependencies d INDEXED BY task_dependents_told JOIN tasks t ON t.task_no = d.task_no
      JOIN tasks b ON b.task_id = d.depends_on WHERE d.depends_on = ?1 AND d.condition <> 'completed' AND d.settled = 1
        AND b.ended_at IS NULL AND ((${STILL_WAITS}) OR (d.condition = 'failed' AND t.status = 'pending' AND t.attempt = 0)))`;

function write(transaction: Transaction, change: Reopened, waiting: TaskRow[]): void {
  for (const { task_no, position, settled } of change.settlements) {
    transaction.run(SETTLE, settled, task_no, position);
  }
  for (const { task_no, because_of } of change.causes) transaction.run(CAUSE, because_of, task_no);
  for (const row of change.workflows) {
    const { reopened, failed, cancelled, not_needed, stopped, workflow_no } = row;
    transaction.run(COUNT, reopened, failed, cancelled, not_needed, stopped, workflow_no);
  }
  for (const { name, delta } of change.totals) transaction.count(name, delta);
  for (const row of change.tasks) {
    if (row.step === "hold") continue;
    const task = taskByNo(transaction, row.task_no);
    if (row.step === "wait") changeTask(transaction, task, { status: row.becomes, unmet_dependencies: row.unmet });
    else reopen(transaction, task, row);
    if (row.becomes === "pending") waiting.push(task);
  }
  for (const taskId of [...change.visited, ...change.dropped]) transaction.run(NOT_LEFT, taskId);
  for (const taskId of change.visited) {
    if (change.tasks.some(({ task_id: id, step }) => id === taskId && step === "reopen")) {
      transaction.run(NOT_ENDED, taskId);
    }
    transaction.run(LEAVE, taskId);
  }
}

const CLEAR = "DELETE FROM task_outcomes WHERE task_no = ?";
/** One that was cancelled while it waited goes on from its checkpoint, and with the children that it waited for. */
const WAKE = `UPDATE task_suspensions SET resumed_by = iif(EXISTS (SELECT 1 FROM task_dependencies d
    WHERE d.task_no = ?1 AND d.position >= ?2), 'children_ended', 'time') WHERE task_no = ?1 AND resumed_by IS NULL`;
const NO_ORPHANS = "DELETE FROM ended_parents WHERE task_no = ?";
const ASK_ANEW = `UPDATE task_questions SET state = 'waiting', asked_version = 0, asked_at = NULL, expires_at = NULL, answer_hash = NULL,
  answered_by = NULL, answered_at = NULL WHERE task_no = ? AND attempt = 0`;

function reopen(transaction: Transaction, task: TaskRow, { becomes, unmet, actor, detail }: ReopenedRow): void {
  const status: TaskStatus = becomes;
  changeTask(transaction, task, {
    status,
    unmet_dependencies: unmet,
    retries_used: 0,
    cancel_requested: 0,
    percent: null,
    available_at: transaction.now,
    assigned_at: null,
    started_at: null,
    deadline_at: null,
    ended_at: null,
  });
  transaction.run(CLEAR, task.task_no);
  if (task.suspensions > 0) transaction.run(WAKE, task.task_no, task.suspensions * CHILD_PLACES);
  if (task.suspensions > 0) transaction.run(NO_ORPHANS, task.task_no);
  addEvent(transaction, task, "reopened", { actor, detail });
  if (task.gate === 0) return;
  transaction.run(ASK_ANEW, task.task_no);
  putTaskValue(transaction, task.task_no, "answer", undefined);
  if (status === "input_required") askQuestion(transaction, task);
}
