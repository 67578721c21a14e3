import { FIRST_MILLISECONDS, JITTER_SHARE, LONGEST_MILLISECONDS } from "../../backoff.ts";
import { CHANGE_LOADS, DECLARE_LOADS } from "./agent-rows.ts";
import { DECLARE_DEPENDENTS, DECLARE_DEPENDENTS_LIMIT, SETTLE_DEPENDENTS } from "./dependencies.ts";
import {
  COMPLETE_ASSIGNMENT_MESSAGES,
  DECLARE_MOVED_ON,
  DECLARE_OUTBOX,
  WRITE_SYSTEM_MESSAGES,
} from "./system-messages.ts";
import { ADD_EVENTS, DECLARE_EVENTS } from "./task-rows.ts";
import { BIN2, BY_KEY, DECLARE_COUNTS, DECLARE_DELIVERABLE, ID, KEY_VERSION, raceUnless, WORD } from "./transaction.ts";

/**
 * How attempts end, and how tasks end: each once, with everything that follows. Set-based: one pass for the calls of a batch
 * as for the 10,000 tasks of an agent that fell silent.
 */

/**
 * Attempts and tasks to be ended, as they were read.
 *
 * - `was`, `attempt`, `cancel_requested` fence the row of the task; so does `deadline_at` where it is given.
 * - `outcome`: how the live attempt is recorded, which `agent_no` holds; both NULL when the task is not live.
 * - `becomes`: completed, failed, cancelled, or pending when it is tried again, with the `retries_used` and `available_at`
 *   that it has then.
 * - `answered`: 1 when the attempt's own agent ends it, so that its repeat gets the same answer.
 * - `result` (JSON text), the version of the key that it is encrypted under, and `error` are the task's; `detail` is for its
 *   history.
 * - `actor`: who ends it; NULL: the switchboard.
 */
export const DECLARE_ENDINGS = `DECLARE @endings TABLE (task_no bigint NOT NULL PRIMARY KEY, task_id ${ID} NOT NULL, attempt int NOT NULL,
  was ${WORD} NOT NULL, cancel_requested bit NOT NULL, deadline_at bigint NULL, agent_no int NULL, assigned_at bigint NULL,
  outcome ${WORD} NULL, becomes ${WORD} NOT NULL, retries_used int NULL, available_at bigint NULL,
  answered bit NOT NULL DEFAULT 0, result nvarchar(max) NULL, key_version ${KEY_VERSION} NULL,
  error nvarchar(max) NULL, detail nvarchar(max) NULL, actor ${ID} NULL);
DECLARE @finals int, @requeues int;
`;

/** What END_TASKS works with beside DECLARE_ENDINGS and @unblocked; a batch that declares some of it itself lists the others. */
export const DECLARE_ENDING_NEEDS = `${DECLARE_LOADS}${DECLARE_DEPENDENTS_LIMIT}${DECLARE_EVENTS}${DECLARE_MOVED_ON}${DECLARE_OUTBOX}${DECLARE_COUNTS}${DECLARE_DELIVERABLE}`;

/** Doublings after which the longest wait is reached. */
const DOUBLINGS = Math.ceil(Math.log2(LONGEST_MILLISECONDS / FIRST_MILLISECONDS));
/** A number in [0, 1), another one for each row. */
const RANDOM = "((CHECKSUM(NEWID()) & 2147483647) / 2147483648.0)";

/** backoffMilliseconds() of the embedded store, for the retry after \`retriesUsed\` others. */
function backoffMilliseconds(retriesUsed: string): string {
  const nominal = `CASE WHEN ${retriesUsed} >= ${DOUBLINGS} THEN ${LONGEST_MILLISECONDS} ELSE ${FIRST_MILLISECONDS} * POWER(2, ${retriesUsed}) END`;
  return `CAST(ROUND(${nominal} * (1 - ${JITTER_SHARE} * ${RANDOM}), 0) AS bigint)`;
}

/** How attempts were lost without completing; T-SQL expressions over the \`t\` of the source. */
export interface Loss {
  /** failed, timed_out, agent_inactive or released. */
  outcome: string;
  /** What the task fails with when no retry is left. */
  error: string;
  /** 1 or 0. */
  retryable: string;
  answered?: 0 | 1;
  /** 1 where the loss uses a retry, or 0; left out: it does. */
  costs?: string;
  /** Who gave it up; left out: the switchboard took it. */
  actor?: string;
}

/**
 * Fills @endings with the fates of live attempts that are lost. A requested cancel wins over everything, and its worker did
 * nothing wrong. What was failed or timed out waits for its backoff; what lost its agent keeps its old place.
 *
 * @param source what stands after FROM: rows \`t\` with the columns of dbo.tasks
 * @example
 * loseAttempts("@overdue_tasks AS x JOIN dbo.tasks AS t ON t.task_no = x.task_no WHERE t.deadline_at <= @now",
 *   { outcome: "'timed_out'", error: "N'TIMED_OUT'", retryable: "1" });
 */
export function loseAttempts(source: string, loss: Loss): string {
  const { outcome, error, retryable, answered = 0, costs = "1", actor = "NULL" } = loss;
  return `INSERT INTO @endings (task_no, task_id, attempt, was, cancel_requested, deadline_at, agent_no, assigned_at, outcome, becomes,
  retries_used, available_at, answered, error, detail, actor)
SELECT f.task_no, f.task_id, f.attempt, f.status, f.cancel_requested,
  CASE WHEN f.outcome = 'timed_out' THEN f.deadline_at END, f.agent_no, f.assigned_at,
  CASE WHEN f.becomes = 'cancelled' THEN 'cancelled' ELSE f.outcome END, f.becomes,
  f.retries_used + f.costs,
  CASE WHEN f.outcome IN ('failed', 'timed_out') THEN @now + ${backoffMilliseconds("f.retries_used")} ELSE f.available_at END, ${answered},
  CASE WHEN f.becomes = 'cancelled' THEN (SELECT o.error FROM dbo.task_outcomes AS o WHERE o.task_no = f.task_no)
    ELSE f.error END, f.error, f.actor
FROM (SELECT g.*, CASE WHEN g.cancel_requested = 1 THEN 'cancelled'
      WHEN g.retryable = 1 AND (g.costs = 0 OR g.retries_used < g.max_retries) THEN 'pending' ELSE 'failed' END AS becomes
  FROM (SELECT t.task_no, t.task_id, t.attempt, t.status, t.cancel_requested, t.deadline_at, t.agent_no, t.assigned_at,
      t.retries_used, t.max_retries, t.available_at, ${outcome} AS outcome, ${error} AS error, ${actor} AS actor,
      ${retryable} AS retryable, ${costs} AS costs
    FROM ${source}) AS g) AS f;
`;
}

/**
 * Takes the attempts of @endings from their agents' loads. An attempt that was called off or given back does not count
 * against its agent. The first part of FINISH_TASKS, for a batch that changes other tasks in between.
 */
export const LEAVE_AGENTS = `INSERT INTO @loads (agent_no, tasks, completed, failed, milliseconds)
SELECT e.agent_no, -COUNT(*), SUM(CASE WHEN e.outcome = 'completed' THEN 1 ELSE 0 END),
  SUM(CASE WHEN e.outcome IN ('failed', 'timed_out', 'agent_inactive') THEN 1 ELSE 0 END),
  SUM(CASE WHEN e.outcome = 'completed' AND e.assigned_at < @now THEN @now - e.assigned_at ELSE 0 END)
FROM @endings AS e WHERE e.outcome IS NOT NULL GROUP BY e.agent_no;
${CHANGE_LOADS}`;

const UNCHANGED = `t.status = e.was AND t.attempt = e.attempt AND t.cancel_requested = e.cancel_requested
  AND (e.deadline_at IS NULL OR t.deadline_at = e.deadline_at)`;

/**
 * The rows of the tasks. Two updates, so that the common one names few indexed columns. Live tasks cannot cross each other
 * here: whoever ends one holds the load of its agent.
 */
const CHANGE_ENDED = `SET @finals = (SELECT COUNT(*) FROM @endings AS e WHERE e.becomes <> 'pending');
IF @finals > 0
BEGIN
  UPDATE t SET status = e.becomes, ended_at = @now,
    cancel_requested = CASE WHEN e.becomes = 'cancelled' THEN 1 ELSE t.cancel_requested END
  FROM @endings AS e JOIN dbo.tasks AS t ON t.task_no = e.task_no
  WHERE e.becomes <> 'pending' AND ${UNCHANGED}
  ${BY_KEY};
  ${raceUnless("@finals")}END;
`;

const CHANGE_REQUEUED = `SET @requeues = (SELECT COUNT(*) FROM @endings AS e WHERE e.becomes = 'pending');
IF @requeues > 0
BEGIN
  UPDATE t SET status = 'pending', assigned_at = NULL, started_at = NULL, deadline_at = NULL, [percent] = NULL,
    retries_used = e.retries_used, available_at = e.available_at
  FROM @endings AS e JOIN dbo.tasks AS t ON t.task_no = e.task_no
  WHERE e.becomes = 'pending' AND ${UNCHANGED}
  ${BY_KEY};
  ${raceUnless("@requeues")}END;
`;
const FORGET_OUTCOMES = `IF @requeues > 0
  DELETE o FROM @endings AS e JOIN dbo.task_outcomes AS o ON o.task_no = e.task_no WHERE e.becomes = 'pending';
`;

/** What a task ended with. A note stays; what a cancel request left is replaced; a task that is tried again has nothing. */
const WRITE_OUTCOMES = `UPDATE o SET result = e.result, key_version = e.key_version, error = e.error
FROM @endings AS e JOIN dbo.task_outcomes AS o ON o.task_no = e.task_no
WHERE e.becomes <> 'pending';
INSERT INTO dbo.task_outcomes (task_no, result, key_version, error)
SELECT e.task_no, e.result, e.key_version, e.error FROM @endings AS e
WHERE e.becomes <> 'pending' AND (e.result IS NOT NULL OR e.error IS NOT NULL)
  AND NOT EXISTS (SELECT 1 FROM dbo.task_outcomes AS o WHERE o.task_no = e.task_no);
`;

const WRITE_ATTEMPTS = `UPDATE a SET ended_at = @now, outcome = e.outcome, answer = CASE WHEN e.answered = 1 THEN CONCAT(
    '{"status":"', e.becomes, '","cancelRequested":', CASE WHEN e.cancel_requested = 1 THEN 'true' ELSE 'false' END, '}') END
FROM @endings AS e JOIN dbo.task_attempts AS a ON a.task_no = e.task_no AND a.attempt = e.attempt
WHERE e.outcome IS NOT NULL AND a.ended_at IS NULL
${BY_KEY};
${raceUnless("(SELECT COUNT(*) FROM @endings WHERE outcome IS NOT NULL)")}`;

/** The assignment message of a running task was completed when it started. */
const FILL_MESSAGES = `INSERT INTO @moved_on (task_no, task_attempt)
SELECT e.task_no, e.attempt FROM @endings AS e WHERE e.was = 'assigned';
INSERT INTO @outbox (receiver_no, type, priority, key_version, traceparent, payload)
SELECT t.supervisor_no, 'task_result', t.priority, e.key_version, b.traceparent, CONCAT(N'{"taskId":"' ${BIN2}, t.task_id,
  N'","taskType":"', t.task_type, N'","status":"', e.becomes, N'","attempt":', e.attempt, N',"result":' + e.result,
  CASE WHEN e.key_version IS NOT NULL THEN N',"sensitive":true' END,
  N',"error":"' + STRING_ESCAPE(e.error, 'json') + N'"', N'}')
FROM @endings AS e JOIN dbo.tasks AS t ON t.task_no = e.task_no JOIN dbo.task_bodies AS b ON b.task_no = e.task_no
WHERE e.becomes <> 'pending' ORDER BY e.task_no;
`;

/**
 * What follows from @endings once the rows of the tasks are changed: outcomes, attempts, histories, counts, and the
 * supervisors' task_result. Writes what else @events, @moved_on and @outbox hold. @endings stays, for the caller to read.
 */
export const RECORD_ENDINGS = `${WRITE_OUTCOMES}${WRITE_ATTEMPTS}INSERT INTO @events (task_no, event, attempt, agent_no, detail, actor, outcome)
SELECT e.task_no, CASE WHEN e.becomes = 'pending' THEN 'requeued' ELSE e.becomes END, e.attempt, e.agent_no, e.detail, e.actor,
  CASE WHEN e.becomes <> 'completed' THEN e.outcome END
FROM @endings AS e;
${ADD_EVENTS}INSERT INTO @counts (name, delta)
SELECT c.name, SUM(c.delta) FROM @endings AS e CROSS APPLY (VALUES (CONCAT('tasks:', e.was), -1), (CONCAT('tasks:', e.becomes), 1),
  (CASE e.becomes WHEN 'completed' THEN 'tasks:completed_total' WHEN 'failed' THEN 'tasks:failed_total' END, 1)) AS c (name, delta)
WHERE c.name IS NOT NULL GROUP BY c.name;
${FILL_MESSAGES}${COMPLETE_ASSIGNMENT_MESSAGES}${WRITE_SYSTEM_MESSAGES}`;

const TELL_DEPENDENTS = `IF EXISTS (SELECT 1 FROM @endings AS e JOIN dbo.task_dependencies AS d ON d.depends_on = e.task_id
  WHERE e.becomes <> 'pending' AND d.settled = 0)
BEGIN
${DECLARE_DEPENDENTS}INSERT INTO @ended_tasks (task_id, completed, level)
SELECT e.task_id, CASE WHEN e.becomes = 'completed' THEN 1 ELSE 0 END, 0 FROM @endings AS e WHERE e.becomes <> 'pending';
${SETTLE_DEPENDENTS}END;
`;

/** The rows of tasks that end, none of which is tried again, and those of their dependents. */
export const FINISH_TASK_ROWS = `${CHANGE_ENDED}${TELL_DEPENDENTS}`;

/**
 * Ends what is in @endings, with everything that follows, dependents included. Inside the transaction; loses the race when a
 * task is no longer as it was read. The caller applies the counts, commits, counts the callers' heartbeats and hands out:
 * @unblocked holds the dependents that wait for an agent now. Needs DECLARE_ENDINGS, DECLARE_ENDING_NEEDS and
 * @unblocked (DECLARE_HAND_OUT).
 */
export const END_TASKS = `${LEAVE_AGENTS}${CHANGE_ENDED}${CHANGE_REQUEUED}${TELL_DEPENDENTS}${FORGET_OUTCOMES}${RECORD_ENDINGS}`;

/** END_TASKS for verbs after which nothing is tried again: a shorter text. */
export const FINISH_TASKS = `${LEAVE_AGENTS}${FINISH_TASK_ROWS}${RECORD_ENDINGS}`;
