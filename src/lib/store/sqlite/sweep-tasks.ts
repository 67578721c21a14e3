import { HANDOUTS_PER_TRANSACTION, MAINTENANCE_BATCH_ROWS } from "../../model/limits.ts";
import { EXPIRED } from "../rules/suspensions.ts";
import { LIVE_STATUSES, NOT_STARTED, sqlWords } from "../rules/task-outcomes.ts";
import { NOTHING_SWEPT, type SweepPosition, type TaskSweep } from "../upkeep-runs.ts";
import { agentByNo, changeAgent } from "./agent-rows.ts";
import { timeOutQuestions } from "./answers.ts";
import { cancelOrphans, leaveChildren } from "./cancel-task.ts";
import { settleDependents, settleLeft } from "./dependencies.ts";
import { handOut } from "./hand-out.ts";
import { releaseOf } from "./release-tasks.ts";
import { reopenLeft } from "./retries.ts";
import { afterAttempt, endAttempt, endTask, fateOf, type Loss, meetFate } from "./task-endings.ts";
import { isLive, TASK_COLUMNS, type TaskRow } from "./task-rows.ts";
import type { Transaction } from "./transaction.ts";

/** What the sweep does to tasks, in transactions of bounded size. */

/**
 * One bounded transaction of the sweep. Call it again with `next` until that is undefined:
 *
 * @example
 * let position: SweepPosition | undefined;
 * do { const swept = sweepTasks(transaction, position); position = swept.next; } while (position !== undefined);
 */
export function sweepTasks(transaction: Transaction, position: SweepPosition = { step: "deadlines" }): TaskSweep {
  switch (position.step) {
    case "deadlines":
      return timeOut(transaction);
    case "starts":
      return releaseUnstarted(transaction);
    case "expiries":
      return expire(transaction);
    case "questions":
      return endQuestions(transaction);
    case "orphans":
      return swept({}, { step: cancelOrphans(transaction) ? "orphans" : "dependents" });
    case "dependents":
      return tellDependents(transaction);
    case "demands":
      return handOutDemands(transaction, position.after);
    case "named":
      return handOutNamed(transaction, position.after);
  }
}

function swept(counts: Partial<Omit<TaskSweep, "next">>, next: SweepPosition | undefined): TaskSweep {
  return { ...NOTHING_SWEPT, ...counts, next };
}

/** Attempts ended in one transaction: each writes about ten rows. */
const TIMEOUTS_PER_TRANSACTION = MAINTENANCE_BATCH_ROWS / 10;

const OVERDUE = `SELECT ${TASK_COLUMNS} FROM tasks INDEXED BY tasks_deadlines
  WHERE status IN (${sqlWords(LIVE_STATUSES)}) AND deadline_at <= ? ORDER BY deadline_at LIMIT ?`;
const TIMED_OUT: Loss = { outcome: "timed_out", error: "TIMED_OUT", retryable: true };

/** Takes back attempts past their deadline. */
function timeOut(transaction: Transaction): TaskSweep {
  const overdue = transaction.all<TaskRow>(OVERDUE, transaction.now, TIMEOUTS_PER_TRANSACTION);
  const tasksRequeued = lose(transaction, overdue, () => TIMED_OUT);
  const more = overdue.length === TIMEOUTS_PER_TRANSACTION;
  return swept({ tasksTimedOut: overdue.length, tasksRequeued }, { step: more ? "deadlines" : "starts" });
}

/** Ends the attempts; dependents of what fails are left to a later step. @returns how many tasks wait again */
function lose(transaction: Transaction, tasks: readonly TaskRow[], lossOf: (task: TaskRow) => Loss): number {
  let requeued = 0;
  for (const task of tasks) {
    if (!isLive(task)) continue;
    const loss = lossOf(task);
    const fate = fateOf(task, loss);
    const agent = agentByNo(transaction, task.agent_no);
    const changes = afterAttempt(agent, task, fate.outcome, transaction.now);
    endAttempt(transaction, task, fate.outcome);
    changeAgent(transaction, agent, changes);
    meetFate(transaction, task, loss, fate);
    if (fate.status === "pending") requeued += 1;
    else settleDependents(transaction, [{ taskId: task.task_id, end: "failed" }], 0);
  }
  return requeued;
}

const UNSTARTED = `SELECT ${TASK_COLUMNS} FROM tasks INDEXED BY tasks_unstarted
  WHERE status = 'assigned' AND start_timeout_milliseconds IS NOT NULL AND start_deadline_at <= ? ORDER BY start_deadline_at LIMIT ?`;

/** Takes back attempts that nobody started in time: as released, in their old place. */
function releaseUnstarted(transaction: Transaction): TaskSweep {
  const late = transaction.all<TaskRow>(UNSTARTED, transaction.now, TIMEOUTS_PER_TRANSACTION);
  const tasksRequeued = lose(transaction, late, (task) => releaseOf(transaction, task, NOT_STARTED));
  const more = late.length === TIMEOUTS_PER_TRANSACTION;
  return swept({ tasksNotStarted: late.length, tasksRequeued }, { step: more ? "starts" : "expiries" });
}

const firstOfPriority = (where: string) =>
  [0, 1, 2, 3]
    .map(
      (priority) =>
        `SELECT min(available_at) AS at FROM tasks INDEXED BY ${where} AND priority = ${priority} AND available_at > ?1`,
    )
    .join(" UNION ALL ");
/** The first time after ?1 at which a task may be handed out: of those of a demand, and of those that name an agent. */
const DUE_OF_DEMAND = firstOfPriority(
  "tasks_waiting WHERE status = 'pending' AND assign_to_no IS NULL AND demand_no = d.demand_no",
);
const DUE_OF_NAMED = firstOfPriority("tasks_waiting_for_agent WHERE status = 'pending' AND assign_to_no = ?2");
/** Seeks: one for what expires, one for what is not started, one for questions, four for each demand with waiting tasks. */
const NEXT_DUE = `SELECT min(at) AS at FROM (
  SELECT min(expires_at) AS at FROM tasks INDEXED BY tasks_expiring WHERE expires_at IS NOT NULL AND ended_at IS NULL
  UNION ALL SELECT min(start_deadline_at) FROM tasks INDEXED BY tasks_unstarted WHERE status = 'assigned' AND start_timeout_milliseconds IS NOT NULL
  UNION ALL SELECT min(expires_at) FROM task_questions INDEXED BY task_questions_due WHERE state = 'open' AND expires_at IS NOT NULL
  UNION ALL SELECT min((SELECT min(at) FROM (${DUE_OF_DEMAND}))) FROM demands d INDEXED BY demands_waiting WHERE d.waiting > 0)`;
/** Five for each named agent. */
const NEXT_DUE_OF_NAMED = `SELECT min(at) AS at FROM (${DUE_OF_NAMED})`;

/** When the next sweep of tasks has something to do that time alone brings about. */
export function nextTaskDue(transaction: Transaction, after: number): number | undefined {
  const first = (row: { at: number | null } | undefined) => row?.at ?? Number.POSITIVE_INFINITY;
  let due = first(transaction.get<{ at: number | null }>(NEXT_DUE, after));
  for (let agentNo = nextNamed(transaction, 0); agentNo !== undefined; agentNo = nextNamed(transaction, agentNo)) {
    due = Math.min(due, first(transaction.get<{ at: number | null }>(NEXT_DUE_OF_NAMED, after, agentNo)));
  }
  return due === Number.POSITIVE_INFINITY ? undefined : due;
}

const EXPIRING = `SELECT ${TASK_COLUMNS} FROM tasks INDEXED BY tasks_expiring
  WHERE expires_at IS NOT NULL AND ended_at IS NULL AND expires_at <= ? ORDER BY expires_at LIMIT ?`;
const TIME_OVER: Loss = { outcome: "expired", error: EXPIRED, retryable: false };

/** Ends tasks whose own time is over, wherever they are; a live attempt ends without a mark against its agent. */
function expire(transaction: Transaction): TaskSweep {
  const tasks = transaction.all<TaskRow>(EXPIRING, transaction.now, TIMEOUTS_PER_TRANSACTION);
  for (const task of tasks) {
    const fate = fateOf(task, TIME_OVER);
    if (isLive(task)) {
      const agent = agentByNo(transaction, task.agent_no);
      const changes = afterAttempt(agent, task, fate.outcome, transaction.now);
      endAttempt(transaction, task, fate.outcome);
      changeAgent(transaction, agent, changes);
      meetFate(transaction, task, TIME_OVER, fate);
    } else {
      leaveChildren(transaction, task);
      endTask(transaction, task, "failed", { error: EXPIRED });
    }
  }
  // Together, behind all ends: what the failure of one stops may be another of them.
  const ended = tasks.map((task) => ({ taskId: task.task_id, end: "failed" as const }));
  settleDependents(transaction, ended, 0);
  const more = tasks.length === TIMEOUTS_PER_TRANSACTION;
  return swept({ tasksExpired: tasks.length }, { step: more ? "expiries" : "questions" });
}

function endQuestions(transaction: Transaction): TaskSweep {
  const { done, more } = timeOutQuestions(transaction);
  return swept({ questionsTimedOut: done }, { step: more ? "questions" : "orphans" });
}

/** Works off the dependents that calls have left, of tasks that were re-opened first; handing out what that unblocks is the next step. */
function tellDependents(transaction: Transaction): TaskSweep {
  const reopened = reopenLeft(transaction);
  const { unblocked, more } = settleLeft(transaction);
  const next: SweepPosition = more || reopened.more ? { step: "dependents" } : { step: "demands", after: 0 };
  return swept({ tasksUnblocked: unblocked.length + reopened.waiting }, next);
}

/** Demands, or named agents, looked at in one transaction. */
const SOURCES_PER_TRANSACTION = 250;

/** Demands with a task that is due and somebody free to take it: a few seeks per demand with waiting tasks. */
const TAKEABLE = `SELECT d.demand_no FROM demands d INDEXED BY demands_waiting
  WHERE d.waiting > 0 AND d.demand_no > ?1
    AND EXISTS (SELECT 1 FROM demand_sets s CROSS JOIN capability_sets c ON c.set_no = s.set_no
      WHERE s.demand_no = d.demand_no AND c.free_workers > 0)
    AND (${[0, 1, 2, 3].map(dueWithPriority).join(" OR ")})
  ORDER BY d.demand_no LIMIT ?3`;

function dueWithPriority(priority: number): string {
  return `EXISTS (SELECT 1 FROM tasks t INDEXED BY tasks_waiting WHERE t.demand_no = d.demand_no AND t.priority = ${priority}
    AND t.status = 'pending' AND t.assign_to_no IS NULL AND t.available_at <= ?2)`;
}

function handOutDemands(transaction: Transaction, after: number): TaskSweep {
  const rows = transaction.all<{ demand_no: number }>(TAKEABLE, after, transaction.now, SOURCES_PER_TRANSACTION);
  const demandNos = rows.map((row) => row.demand_no);
  const tasksAssigned = handOut(transaction, { demandNos, namedNos: [] }, HANDOUTS_PER_TRANSACTION);
  const last = demandNos.at(-1);
  // Stopped at the limit: the same demands again, for they may have more.
  if (tasksAssigned === HANDOUTS_PER_TRANSACTION) return swept({ tasksAssigned }, { step: "demands", after });
  const through = last === undefined || demandNos.length < SOURCES_PER_TRANSACTION;
  return swept({ tasksAssigned }, through ? { step: "named", after: 0 } : { step: "demands", after: last });
}

/** Agents that waiting tasks name, by a loose walk of the index: one seek per agent, whatever the number of tasks. */
const NEXT_NAMED = `SELECT min(assign_to_no) AS agent_no FROM tasks INDEXED BY tasks_waiting_for_agent
  WHERE status = 'pending' AND assign_to_no > ?`;

function nextNamed(transaction: Transaction, after: number): number | undefined {
  return transaction.get<{ agent_no: number | null }>(NEXT_NAMED, after)?.agent_no ?? undefined;
}

function handOutNamed(transaction: Transaction, after: number): TaskSweep {
  const namedNos: number[] = [];
  let last = after;
  while (namedNos.length < SOURCES_PER_TRANSACTION) {
    const agentNo = nextNamed(transaction, last);
    if (agentNo === undefined) break;
    namedNos.push(agentNo);
    last = agentNo;
  }
  const tasksAssigned = handOut(transaction, { demandNos: [], namedNos }, HANDOUTS_PER_TRANSACTION);
  if (tasksAssigned === HANDOUTS_PER_TRANSACTION) return swept({ tasksAssigned }, { step: "named", after });
  return swept(
    { tasksAssigned },
    namedNos.length < SOURCES_PER_TRANSACTION ? undefined : { step: "named", after: last },
  );
}
