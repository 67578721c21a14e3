import { MAINTENANCE_BATCH_ROWS } from "../../limits.ts";
import type { SweepPosition, TaskSweep } from "../upkeep-runs.ts";
import type { Connection } from "./connection.ts";
import { SETTLE_LEFT } from "./dependencies.ts";
import { DECLARE_HAND_OUT, DECLARE_SOURCES, HAND_OUT_SOURCES } from "./hand-out.ts";
import { DECLARE_ENDING_NEEDS, DECLARE_ENDINGS, END_TASKS, loseAttempts, RECORD_ENDINGS } from "./task-endings.ts";
import { sqlText } from "./texts.ts";
import { APPLY_COUNTS, DECLARE_COUNTS, DECLARE_DELIVERABLE, PROLOGUE, SELECT_DELIVERABLE } from "./transaction.ts";
import { endIf, upkeepStep } from "./upkeep-step.ts";

/** What the sweep does to tasks, in transactions of bounded size. */

/**
 * One bounded transaction of the sweep. Call it again with `next` until that is undefined:
 *
 * @example
 * let position: SweepPosition | undefined;
 * do { const swept = await sweepTasks(connection, position); position = swept.next; } while (position !== undefined);
 */
export function sweepTasks(
  connection: Connection,
  position: SweepPosition = { step: "deadlines" },
): Promise<TaskSweep> {
  switch (position.step) {
    case "deadlines":
      return timeOut(connection);
    case "dependents":
      return tellDependents(connection);
    case "demands":
      return handOutDemands(connection, position.after);
    case "named":
      return handOutNamed(connection, position.after);
  }
}

function swept(counts: Partial<Omit<TaskSweep, "next">>, next: SweepPosition | undefined): TaskSweep {
  return { tasksTimedOut: 0, tasksRequeued: 0, tasksUnblocked: 0, tasksAssigned: 0, ...counts, next };
}

/** Attempts ended in one transaction: each writes about ten rows. */
const TIMEOUTS_PER_TRANSACTION = MAINTENANCE_BATCH_ROWS / 10;

const TIME_OUT = upkeepStep<object, { found: number; timed_out: number; requeued: number }>({
  name: "time-out-tasks",
  wakes: true,
  // Leaves the dependents of those that fail to the next step.
  sql: sqlText(
    "time-out-tasks",
    `${PROLOGUE}DECLARE @overdue_tasks TABLE (task_no bigint NOT NULL PRIMARY KEY);
DECLARE @found int, @timedOut int = 0, @requeued int = 0;
INSERT INTO @overdue_tasks (task_no)
SELECT TOP (${TIMEOUTS_PER_TRANSACTION}) t.task_no FROM dbo.tasks AS t
WHERE t.status IN ('assigned', 'running') AND t.deadline_at <= @now ORDER BY t.deadline_at;
SET @found = @@ROWCOUNT;
${endIf("@found = 0", "0 AS found, 0 AS timed_out, 0 AS requeued")}${DECLARE_HAND_OUT}${DECLARE_ENDINGS}${DECLARE_ENDING_NEEDS}${loseAttempts(
  `@overdue_tasks AS x JOIN dbo.tasks AS t ON t.task_no = x.task_no
  WHERE t.status IN ('assigned', 'running') AND t.deadline_at <= @now`,
  { outcome: "'timed_out'", error: "N'TIMED_OUT'", retryable: "1" },
)}SELECT @timedOut = COUNT(*), @requeued = COUNT(CASE WHEN e.becomes = 'pending' THEN 1 END) FROM @endings AS e;
SET @dependentsLimit = 0;
BEGIN TRANSACTION;
${END_TASKS}${APPLY_COUNTS}COMMIT TRANSACTION;
SELECT @found AS found, @timedOut AS timed_out, @requeued AS requeued;
${SELECT_DELIVERABLE}`,
  ),
});

/** Takes back attempts past their deadline. */
async function timeOut(connection: Connection): Promise<TaskSweep> {
  const { found, timed_out: tasksTimedOut, requeued: tasksRequeued } = await connection.run(TIME_OUT, {});
  const more = found === TIMEOUTS_PER_TRANSACTION;
  return swept({ tasksTimedOut, tasksRequeued }, { step: more ? "deadlines" : "dependents" });
}

const TELL_DEPENDENTS = upkeepStep<object, { unblocked: number; more: boolean }>({
  name: "tell-dependents",
  wakes: true,
  sql: sqlText(
    "tell-dependents",
    `${PROLOGUE}${endIf("NOT EXISTS (SELECT 1 FROM dbo.ended_dependencies)", "0 AS unblocked, CAST(0 AS bit) AS more")}
${DECLARE_HAND_OUT}${DECLARE_ENDINGS}${DECLARE_ENDING_NEEDS}BEGIN TRANSACTION;
${SETTLE_LEFT}${RECORD_ENDINGS}${APPLY_COUNTS}COMMIT TRANSACTION;
SELECT (SELECT COUNT(*) FROM @unblocked) AS unblocked, CAST(CASE WHEN EXISTS (SELECT 1 FROM dbo.ended_dependencies) THEN 1 ELSE 0 END AS bit) AS more;
${SELECT_DELIVERABLE}`,
  ),
});

/** Works off the dependents that calls have left; handing out what that unblocks is the next step. */
async function tellDependents(connection: Connection): Promise<TaskSweep> {
  const { unblocked: tasksUnblocked, more } = await connection.run(TELL_DEPENDENTS, {});
  return swept({ tasksUnblocked }, more ? { step: "dependents" } : { step: "demands", after: 0 });
}

/** Demands, or named agents, looked at in one batch; and tasks handed out in one, each in a transaction of its own. */
const SOURCES_PER_BATCH = 250;
const HANDOUTS_PER_BATCH = 100;

interface HandedOut {
  handed_out: number;
  /** The last demand or agent that was looked at; null when there were none. */
  last: number | null;
  /** Whether there may be more behind it. */
  full: boolean;
}

const LAST_AND_FULL = "@last AS last, CAST(CASE WHEN @source IS NULL THEN 0 ELSE 1 END AS bit) AS [full]";

/**
 * Walks over waiting tasks by a loose walk of an index: one seek per demand or named agent, whatever the number of tasks.
 *
 * @param column of dbo.tasks AS t that the streams are kept by
 * @param waiting the literal conditions of their index
 * @param source what is put into @sources for @source, if somebody is free to take a task of it
 */
function handOutText(name: string, column: string, waiting: string, source: string) {
  return sqlText(
    name,
    `${PROLOGUE}${DECLARE_SOURCES}DECLARE @after int = JSON_VALUE(@items, '$[0].after'), @source int, @last int, @probed int = 0;
WHILE @probed < ${SOURCES_PER_BATCH}
BEGIN
  SET @source = (SELECT MIN(t.${column}) FROM dbo.tasks AS t WHERE ${waiting} AND t.${column} > @after);
  IF @source IS NULL BREAK;
  ${source}
  SET @last = @source;
  SET @after = @source;
  SET @probed = @probed + 1;
END;
${endIf("NOT EXISTS (SELECT 1 FROM @sources)", `0 AS handed_out, ${LAST_AND_FULL}`)}
${DECLARE_COUNTS}${DECLARE_DELIVERABLE}${DECLARE_HAND_OUT}SET @handOutLimit = ${HANDOUTS_PER_BATCH};
${HAND_OUT_SOURCES}SELECT @handedOut AS handed_out, ${LAST_AND_FULL};
${SELECT_DELIVERABLE}`,
  );
}

/** Demands that somebody free can meet. */
const HAND_OUT_DEMANDS = upkeepStep<{ after: number }, HandedOut>({
  name: "hand-out-demands",
  encode: ({ after }) => ({ after }),
  wakes: true,
  sql: handOutText(
    "hand-out-demands",
    "demand_no",
    "t.status = 'pending' AND t.assign_to_no IS NULL",
    `INSERT INTO @sources (demand_no) SELECT @source
  WHERE EXISTS (SELECT 1 FROM dbo.demand_sets AS s JOIN dbo.agent_loads AS l ON l.set_no = s.set_no AND l.assignable = 1
    WHERE s.demand_no = @source);`,
  ),
});

async function handOutDemands(connection: Connection, after: number): Promise<TaskSweep> {
  const { handed_out: tasksAssigned, last, full } = await connection.run(HAND_OUT_DEMANDS, { after });
  // Stopped at the limit: the same demands again, for they may have more.
  if (tasksAssigned === HANDOUTS_PER_BATCH) return swept({ tasksAssigned }, { step: "demands", after });
  return swept(
    { tasksAssigned },
    full && last !== null ? { step: "demands", after: last } : { step: "named", after: 0 },
  );
}

/** Agents that waiting tasks name and that have room. */
const HAND_OUT_NAMED = upkeepStep<{ after: number }, HandedOut>({
  name: "hand-out-named",
  encode: ({ after }) => ({ after }),
  wakes: true,
  sql: handOutText(
    "hand-out-named",
    "assign_to_no",
    "t.status = 'pending' AND t.assign_to_no IS NOT NULL",
    `INSERT INTO @sources (named_no) SELECT l.agent_no FROM dbo.agent_loads AS l WHERE l.agent_no = @source AND l.assignable = 1;`,
  ),
});

async function handOutNamed(connection: Connection, after: number): Promise<TaskSweep> {
  const { handed_out: tasksAssigned, last, full } = await connection.run(HAND_OUT_NAMED, { after });
  if (tasksAssigned === HANDOUTS_PER_BATCH) return swept({ tasksAssigned }, { step: "named", after });
  return swept({ tasksAssigned }, full && last !== null ? { step: "named", after: last } : undefined);
}
