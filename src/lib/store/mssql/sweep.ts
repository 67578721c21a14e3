import { HANDOUTS_PER_CALL, MAINTENANCE_BATCH_ROWS, RELEASES_PER_TRANSACTION } from "../../limits.ts";
import type { LeaseSweep, SilenceSweep, Step } from "../upkeep-runs.ts";
import { CHANGE_STATUS, DECLARE_STATUS_CHANGES, statusChangesOf } from "./agent-rows.ts";
import { bigint } from "./batch.ts";
import type { Connection } from "./connection.ts";
import { DECLARE_HAND_OUT, HAND_OUT } from "./hand-out.ts";
import {
  DECLARE_ENDED,
  DECLARE_OVERDUE,
  DECLARE_REQUEUED,
  END_MESSAGES,
  REQUEUE_MESSAGES,
  TAKE_BACK,
} from "./message-rows.ts";
import { KEY_TO_LEAVE } from "./ordering-keys.ts";
import { DECLARE_RELEASE, RELEASE_TASKS } from "./release-tasks.ts";
import { DECLARE_ENDING_NEEDS, DECLARE_ENDINGS } from "./task-endings.ts";
import { sqlText } from "./texts.ts";
import {
  APPLY_COUNTS,
  BY_KEY,
  DECLARE_COUNTS,
  DECLARE_DELIVERABLE,
  PROLOGUE,
  raceUnless,
  SELECT_DELIVERABLE,
} from "./transaction.ts";
import { endIf, upkeepStep } from "./upkeep-step.ts";

/**
 * What the sweep does to agents and messages, in transactions of bounded size. Each returns what it did and whether to go on.
 *
 * Sweeps of several processes meet: each reads first what is due, so the later one finds rows that are no longer as it read
 * them, loses the race and reads again. What a step reports may be less than it did when its answer was lost on the way.
 */

/** Agents inactivated in one transaction, and those whose tasks are looked at in one. */
const AGENTS_PER_TRANSACTION = 100;

const INACTIVATE = upkeepStep<object, { done: number; found: number }>({
  name: "inactivate-silent-agents",
  inputs: (settings) => ({ heartbeatTimeoutMilliseconds: bigint(settings.heartbeatTimeoutSeconds * 1_000) }),
  wakes: false,
  sql: sqlText(
    "inactivate-silent-agents",
    `${PROLOGUE}DECLARE @silent TABLE (agent_no int NOT NULL PRIMARY KEY);
DECLARE @silentSince bigint = @now - @heartbeatTimeoutMilliseconds, @found int;
INSERT INTO @silent (agent_no)
SELECT TOP (${AGENTS_PER_TRANSACTION}) h.agent_no FROM dbo.agent_heartbeats AS h
WHERE h.beating = 1 AND h.last_heartbeat_at <= @silentSince ORDER BY h.last_heartbeat_at;
SET @found = @@ROWCOUNT;
${endIf("@found = 0", "0 AS done, 0 AS found")}
${DECLARE_COUNTS}${DECLARE_STATUS_CHANGES}${statusChangesOf("@silent", { becomes: "'inactive'", silentSince: "@silentSince" })}-- Some may have been deregistered since.
DELETE FROM @status_changes WHERE was_status NOT IN ('active', 'draining');
BEGIN TRANSACTION;
${CHANGE_STATUS}${APPLY_COUNTS}COMMIT TRANSACTION;
SELECT @statusChanges AS done, @found AS found;
`,
  ),
});

/** Agents whose last heartbeat is older than the timeout become inactive; the next step takes back their tasks. */
export async function inactivateSilentAgents(connection: Connection): Promise<Step> {
  const { done, found } = await connection.run(INACTIVATE, {});
  return { done, more: found === AGENTS_PER_TRANSACTION };
}

/** Agents that are inactive and still hold tasks. */
export const AGENTS_LEFT = `FROM dbo.agent_loads AS l JOIN dbo.agents AS a ON a.agent_no = l.agent_no
WHERE l.working = 0 AND l.active_tasks > 0 AND a.status = 'inactive'`;

/** As many agents as it takes for RELEASES_PER_TRANSACTION tasks; of the last one there may be as many again. */
const RELEASE_LEFT = upkeepStep<object, { released: number; found: number; requeued: number; handed_out: number }>({
  name: "release-left-tasks",
  wakes: true,
  sql: sqlText(
    "release-left-tasks",
    `${PROLOGUE}DECLARE @released TABLE (agent_no int NOT NULL PRIMARY KEY);
DECLARE @found int;
INSERT INTO @released (agent_no)
SELECT c.agent_no FROM (SELECT f.agent_no, SUM(f.active_tasks) OVER (ORDER BY f.agent_no ROWS UNBOUNDED PRECEDING) - f.active_tasks AS ahead
  FROM (SELECT TOP (${AGENTS_PER_TRANSACTION}) l.agent_no, l.active_tasks ${AGENTS_LEFT} ORDER BY l.agent_no) AS f) AS c
WHERE c.ahead < ${RELEASES_PER_TRANSACTION};
SET @found = @@ROWCOUNT;
${endIf("@found = 0", "0 AS released, 0 AS found, 0 AS requeued, 0 AS handed_out")}
${DECLARE_HAND_OUT}${DECLARE_RELEASE}${DECLARE_ENDINGS}${DECLARE_ENDING_NEEDS}SET @releaseOutcome = 'agent_inactive';
BEGIN TRANSACTION;
${RELEASE_TASKS}${APPLY_COUNTS}COMMIT TRANSACTION;
SET @handOutLimit = ${HANDOUTS_PER_CALL} * @found;
${HAND_OUT}SELECT @released_tasks AS released, @found AS found, @requeued_tasks AS requeued, @handedOut AS handed_out;
${SELECT_DELIVERABLE}`,
  ),
});

/**
 * The tasks of inactive agents go to others, RELEASES_PER_TRANSACTION at a time however many one agent holds. All who fell
 * silent are inactive by then, so that none of them is handed the work of another; who comes back in between keeps what has
 * not been taken yet.
 */
export async function releaseLeftTasks(connection: Connection): Promise<SilenceSweep> {
  const { released, found, requeued, handed_out: handedOut } = await connection.run(RELEASE_LEFT, {});
  const more = released >= RELEASES_PER_TRANSACTION || found === AGENTS_PER_TRANSACTION;
  return { done: released, requeued, handedOut, more };
}

/**
 * Mailboxes with leases are found by a loose walk of the index: one seek per mailbox, whatever the number of messages. A
 * mailbox that fills the batch is visited again.
 */
const TAKE_BACK_LEASES = upkeepStep<{ after: number }, { ended: number; dead_lettered: number; next: number | null }>({
  name: "take-back-leases",
  encode: ({ after }) => ({ after }),
  wakes: true,
  sql: sqlText(
    "take-back-leases",
    `${PROLOGUE}${DECLARE_OVERDUE}DECLARE @after int = JSON_VALUE(@items, '$[0].after'), @next int, @probed int = 0, @due int = 0;
DECLARE @deadLettered int = 0, @returned int = 0;
WHILE @probed < ${MAINTENANCE_BATCH_ROWS} AND @due < ${MAINTENANCE_BATCH_ROWS}
BEGIN
  SET @next = (SELECT MIN(m.receiver_no) FROM dbo.messages AS m WHERE m.status = 'leased' AND m.receiver_no > @after);
  IF @next IS NULL BREAK;
  INSERT INTO @overdue (arrival)
  SELECT TOP (${MAINTENANCE_BATCH_ROWS} - @due) m.arrival FROM dbo.messages AS m
  WHERE m.receiver_no = @next AND m.status = 'leased' AND m.lease_expires_at <= @now ORDER BY m.lease_expires_at;
  SET @due = @due + @@ROWCOUNT;
  SET @probed = @probed + 1;
  IF @due < ${MAINTENANCE_BATCH_ROWS} SET @after = @next;
END;
SET @after = CASE WHEN @next IS NOT NULL THEN @after END;
${endIf("@due = 0", "0 AS ended, 0 AS dead_lettered, @after AS next")}
${DECLARE_COUNTS}${DECLARE_DELIVERABLE}${DECLARE_ENDED}${DECLARE_REQUEUED}${TAKE_BACK}SET @deadLettered = (SELECT COUNT(*) FROM @ended);
SET @returned = (SELECT COUNT(*) FROM @requeued);
BEGIN TRANSACTION;
${END_MESSAGES}${REQUEUE_MESSAGES}${APPLY_COUNTS}COMMIT TRANSACTION;
SELECT @deadLettered + @returned AS ended, @deadLettered AS dead_lettered, @after AS next;
${SELECT_DELIVERABLE}`,
  ),
});

/** Ends the leases that have run out, mailbox by mailbox from `after` on. */
export async function takeBackLeases(connection: Connection, after: number): Promise<LeaseSweep> {
  const { ended, dead_lettered: deadLettered, next } = await connection.run(TAKE_BACK_LEASES, { after });
  return { ended, deadLettered, next: next ?? undefined };
}

const EXPIRE = upkeepStep<object, { done: number }>({
  name: "expire-messages",
  wakes: true,
  sql: sqlText(
    "expire-messages",
    `${PROLOGUE}${DECLARE_ENDED}DECLARE @done int;
INSERT INTO @ended (arrival, receiver_no, was, attempt, becomes, ordering_key)
SELECT TOP (${MAINTENANCE_BATCH_ROWS}) m.arrival, m.receiver_no, m.status, m.attempt, 'expired', ${KEY_TO_LEAVE}
FROM dbo.messages AS m WHERE m.status = 'queued' AND m.expires_at IS NOT NULL AND m.expires_at <= @now ORDER BY m.expires_at;
SET @done = @@ROWCOUNT;
${endIf("@done = 0", "0 AS done")}
${DECLARE_COUNTS}${DECLARE_DELIVERABLE}BEGIN TRANSACTION;
${END_MESSAGES}${APPLY_COUNTS}COMMIT TRANSACTION;
SELECT @done AS done;
${SELECT_DELIVERABLE}`,
  ),
});

/** Records messages past their time to live. */
export async function expireMessages(connection: Connection): Promise<Step> {
  const { done } = await connection.run(EXPIRE, {});
  return { done, more: done === MAINTENANCE_BATCH_ROWS };
}

/** A send that was under way when its receiver deregistered has ended by then, one way or the other. */
export const SEND_UNDER_WAY_MILLISECONDS = 60_000;
/** Whether something is in a mailbox. Two seeks: each filtered index names one status. */
export function unsettledOf(agentNo: string): string {
  return `(EXISTS (SELECT 1 FROM dbo.messages AS m WHERE m.receiver_no = ${agentNo} AND m.status = 'queued')
    OR EXISTS (SELECT 1 FROM dbo.messages AS m WHERE m.receiver_no = ${agentNo} AND m.status = 'leased'))`;
}

/** Mailboxes looked at in one transaction. */
const MAILBOXES_PER_TRANSACTION = 100;

/**
 * The rows of the agents are updated first, so that none of them registers again while its messages end. A mailbox counts as
 * emptied once nothing is in it and no send can be under way any more: senders do not lock their receiver.
 */
const LEFT_BEHIND = upkeepStep<object, { done: number; more: boolean }>({
  name: "dead-letter-left-behind",
  wakes: true,
  sql: sqlText(
    "dead-letter-left-behind",
    `${PROLOGUE}DECLARE @left TABLE (agent_no int NOT NULL PRIMARY KEY, emptied bit NOT NULL);
DECLARE @agents int, @done int = 0;
INSERT INTO @left (agent_no, emptied)
SELECT TOP (${MAILBOXES_PER_TRANSACTION}) a.agent_no, CASE WHEN u.unsettled = 1 THEN 0 ELSE 1 END
FROM dbo.agents AS a CROSS APPLY (SELECT CASE WHEN ${unsettledOf("a.agent_no")} THEN 1 ELSE 0 END AS unsettled) AS u
WHERE a.mailbox_left = 1 AND (u.unsettled = 1 OR a.status_changed_at <= @now - ${SEND_UNDER_WAY_MILLISECONDS})
ORDER BY a.agent_no;
SET @agents = @@ROWCOUNT;
${endIf("@agents = 0", "0 AS done, CAST(0 AS bit) AS more")}
${DECLARE_DELIVERABLE}${DECLARE_COUNTS}${DECLARE_ENDED}INSERT INTO @ended (arrival, receiver_no, was, attempt, becomes, reason, ordering_key)
SELECT TOP (${MAINTENANCE_BATCH_ROWS}) m.arrival, l.agent_no, m.status, m.attempt, 'dead_lettered', N'RECEIVER_DEREGISTERED',
  ${KEY_TO_LEAVE}
FROM @left AS l CROSS APPLY (
  SELECT q.arrival, q.status, q.attempt, q.joined, q.ordering_key FROM dbo.messages AS q WHERE q.receiver_no = l.agent_no AND q.status = 'leased'
  UNION ALL
  SELECT q.arrival, q.status, q.attempt, q.joined, q.ordering_key FROM dbo.messages AS q WHERE q.receiver_no = l.agent_no AND q.status = 'queued'
) AS m
WHERE l.emptied = 0;
SET @done = @@ROWCOUNT;
BEGIN TRANSACTION;
UPDATE a SET mailbox_left = CASE WHEN l.emptied = 1 THEN 0 ELSE 1 END
FROM @left AS l JOIN dbo.agents AS a ON a.agent_no = l.agent_no
WHERE a.status = 'deregistered' AND a.mailbox_left = 1
${BY_KEY};
${raceUnless("@agents")}${END_MESSAGES}${APPLY_COUNTS}COMMIT TRANSACTION;
SELECT @done AS done, CAST(CASE WHEN @done = ${MAINTENANCE_BATCH_ROWS} OR @agents = ${MAILBOXES_PER_TRANSACTION} THEN 1 ELSE 0 END AS bit) AS more;
${SELECT_DELIVERABLE}`,
  ),
});

/** Dead-letters the mailboxes of deregistered agents. */
export async function deadLetterLeftBehind(connection: Connection): Promise<Step> {
  return connection.run(LEFT_BEHIND, {});
}

/** Seconds after which no rate looks at a second any more. */
const RATE_SECONDS = 120;
/** Milliseconds after which nobody asks for an answer again. */
const ANSWER_MILLISECONDS = 600_000;

const DROP_OLD_RATES = upkeepStep<object, { done: number }>({
  name: "drop-old-rates",
  wakes: false,
  // Seconds have 10 digits until the year 2286, so their names order as the numbers do.
  sql: sqlText(
    "drop-old-rates",
    `${PROLOGUE}DECLARE @oldest varchar(48) = CONCAT('accepted:', @now / 1000 - ${RATE_SECONDS}), @rows int = ${MAINTENANCE_BATCH_ROWS};
WHILE @rows = ${MAINTENANCE_BATCH_ROWS}
BEGIN
  DELETE TOP (${MAINTENANCE_BATCH_ROWS}) FROM dbo.counters WHERE name >= 'accepted:' AND name < @oldest;
  SET @rows = @@ROWCOUNT;
END;
SET @rows = ${MAINTENANCE_BATCH_ROWS};
WHILE @rows = ${MAINTENANCE_BATCH_ROWS}
BEGIN
  DELETE TOP (${MAINTENANCE_BATCH_ROWS}) FROM dbo.operation_answers WHERE answered_at < @now - ${ANSWER_MILLISECONDS};
  SET @rows = @@ROWCOUNT;
END;
SELECT @rows AS done;
`,
  ),
});

/** Drops the rate's seconds that no minute looks at any more, and answers that nobody asks for again. */
export async function dropOldRates(connection: Connection): Promise<void> {
  await connection.run(DROP_OLD_RATES, {});
}
