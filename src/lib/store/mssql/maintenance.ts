import { MAINTENANCE_BATCH_ROWS } from "../../limits.ts";
import { CREDENTIAL_USE_MILLISECONDS } from "../../security/credential.ts";
import { BEFORE_AGENTS } from "../agent-reading.ts";
import { DAY_MILLISECONDS } from "../instants.ts";
import type { StoreSettings } from "../store.ts";
import type { PurgeStep, Step, Walked } from "../upkeep-runs.ts";
import { CHANGE_STATUS, DECLARE_STATUS_CHANGES, statusChangesOf } from "./agent-rows.ts";
import { recordRows } from "./audit.ts";
import { bigint, type Inputs } from "./batch.ts";
import { LEAVE_SETS } from "./capability-sets.ts";
import { DECLARE_LEAVING, LEAVE_CHANNELS, readLeaving } from "./channel-members.ts";
import type { Connection } from "./connection.ts";
import { DECLARE_PURGED, deleteMessages } from "./dead-letters.ts";
import { sqlText } from "./texts.ts";
import { APPLY_COUNTS, BY_KEY, DECLARE_COUNTS, ID, PROLOGUE, raceUnless } from "./transaction.ts";
import { endIf, upkeepStep } from "./upkeep-step.ts";

/** The daily upkeep of messages and agents, in steps of at most MAINTENANCE_BATCH_ROWS rows. */

/** In order of arrival, so no index has to be kept for the purge: what is older than the cutoff is at the front. */
const PURGE = upkeepStep<{ after: number }, { purged: number; dead_letters: number; next: number | null }>({
  name: "purge-messages",
  encode: ({ after }) => ({ after }),
  inputs: (settings) => ({
    messageRetention: bigint(settings.messageRetentionDays * DAY_MILLISECONDS),
    deadLetterRetention: bigint(settings.deadLetterRetentionDays * DAY_MILLISECONDS),
  }),
  wakes: false,
  // What was accepted later than both cutoffs cannot have ended before them, nor can what came after it (redriven messages
  // have old acceptance times and are merely passed).
  sql: sqlText(
    "purge-messages",
    `${PROLOGUE}DECLARE @oldest TABLE (arrival bigint NOT NULL PRIMARY KEY, status varchar(13) NOT NULL, accepted_at bigint NOT NULL,
  ended_at bigint NULL);
DECLARE @after bigint = JSON_VALUE(@items, '$[0].after'), @next bigint, @read int, @stop bigint, @deadLetters int;
DECLARE @ended bigint = @now - @messageRetention, @dead bigint = @now - @deadLetterRetention;
INSERT INTO @oldest (arrival, status, accepted_at, ended_at)
SELECT TOP (${MAINTENANCE_BATCH_ROWS}) m.arrival, m.status, m.accepted_at, m.ended_at
FROM dbo.messages AS m WHERE m.arrival > @after ORDER BY m.arrival;
SET @read = @@ROWCOUNT;
SET @stop = (SELECT MIN(o.arrival) FROM @oldest AS o WHERE o.accepted_at > @ended AND o.accepted_at > @dead);
IF @stop IS NULL AND @read = ${MAINTENANCE_BATCH_ROWS} SET @next = (SELECT MAX(o.arrival) FROM @oldest AS o);
${DECLARE_PURGED}INSERT INTO @purged (arrival, status)
SELECT o.arrival, o.status FROM @oldest AS o
WHERE (@stop IS NULL OR o.arrival < @stop)
  AND ((o.status IN ('completed', 'expired') AND o.ended_at <= @ended) OR (o.status = 'dead_lettered' AND o.ended_at <= @dead));
${endIf("@@ROWCOUNT = 0", "0 AS purged, 0 AS dead_letters, @next AS next")}
SET @deadLetters = (SELECT COUNT(*) FROM @purged AS p WHERE p.status = 'dead_lettered');
${DECLARE_COUNTS}BEGIN TRANSACTION;
${deleteMessages()}${APPLY_COUNTS}COMMIT TRANSACTION;
SELECT @purgedRows - @deadLetters AS purged, @deadLetters AS dead_letters, @next AS next;
`,
  ),
});

/** Purges completed and expired messages, and dead letters, past their retention. */
export async function purgeMessages(connection: Connection, after: number): Promise<PurgeStep> {
  const { purged, dead_letters: deadLetters, next } = await connection.run(PURGE, { after });
  return { purged, deadLetters, next: next ?? undefined };
}

const inactiveRetention = ({ inactiveRetentionDays }: StoreSettings): Inputs => ({
  inactiveRetention: bigint(inactiveRetentionDays * DAY_MILLISECONDS),
});

const DEREGISTER_INACTIVE = upkeepStep<object, { done: number; found: number }>({
  name: "deregister-inactive",
  inputs: inactiveRetention,
  wakes: false,
  sql: sqlText(
    "deregister-inactive",
    `${PROLOGUE}DECLARE @inactive TABLE (agent_no int NOT NULL PRIMARY KEY);
DECLARE @found int;
INSERT INTO @inactive (agent_no)
SELECT TOP (${MAINTENANCE_BATCH_ROWS}) a.agent_no FROM dbo.agents AS a
WHERE a.status = 'inactive' AND a.status_changed_at <= @now - @inactiveRetention
  AND NOT EXISTS (SELECT 1 FROM dbo.agent_loads AS l WHERE l.agent_no = a.agent_no AND l.active_tasks > 0)
ORDER BY a.status_changed_at;
SET @found = @@ROWCOUNT;
${endIf("@found = 0", "0 AS done, 0 AS found")}
${DECLARE_STATUS_CHANGES}${DECLARE_COUNTS}${statusChangesOf("@inactive", { becomes: "'deregistered'" })}-- Some may have come back since.
DELETE FROM @status_changes WHERE was_status <> 'inactive';
BEGIN TRANSACTION;
${CHANGE_STATUS}${APPLY_COUNTS}COMMIT TRANSACTION;
${LEAVE_SETS}SELECT @statusChanges AS done, @found AS found;
`,
  ),
});

/** Deregisters agents that have been inactive for longer than the retention; the sweep has taken their tasks already. */
export async function deregisterInactive(connection: Connection): Promise<Step> {
  const { done, found } = await connection.run(DEREGISTER_INACTIVE, {});
  return { done, more: found === MAINTENANCE_BATCH_ROWS };
}

/** In order of issue; a key that is used up ended with its last use. What has ended does not come back. */
const DELETE_ENDED_CREDENTIALS = upkeepStep<{ after: number }, { done: number; next: number | null }>({
  name: "delete-ended-credentials",
  encode: ({ after }) => ({ after }),
  inputs: inactiveRetention,
  wakes: false,
  sql: sqlText(
    "delete-ended-credentials",
    `${PROLOGUE}DECLARE @aging TABLE (credential_no int NOT NULL PRIMARY KEY, ended bit NOT NULL);
DECLARE @after int = JSON_VALUE(@items, '$[0].after'), @next int, @read int, @limit bigint = @now - @inactiveRetention;
INSERT INTO @aging (credential_no, ended)
SELECT TOP (${MAINTENANCE_BATCH_ROWS}) c.credential_no, CASE WHEN c.expires_at <= @limit OR c.revoked_at <= @limit
  OR (c.kind <> 'enrolment' AND COALESCE(c.last_used_at, c.created_at) <= @limit - ${CREDENTIAL_USE_MILLISECONDS}
    - CAST(c.idle_days AS bigint) * ${DAY_MILLISECONDS})
  OR (c.uses_left = 0 AND c.last_used_at <= @limit) THEN 1 ELSE 0 END
FROM dbo.credentials AS c WHERE c.credential_no > @after ORDER BY c.credential_no;
SET @read = @@ROWCOUNT;
IF @read = ${MAINTENANCE_BATCH_ROWS} SET @next = (SELECT MAX(a.credential_no) FROM @aging AS a);
DELETE c FROM @aging AS a JOIN dbo.credentials AS c ON c.credential_no = a.credential_no WHERE a.ended = 1
${BY_KEY};
SELECT @@ROWCOUNT AS done, @next AS next;
`,
  ),
});

/** Deletes credentials that ended longer ago than the retention. They are few: a walk once a day needs no index. */
export async function deleteEndedCredentials(connection: Connection, after: number): Promise<Walked> {
  const { done, next } = await connection.run(DELETE_ENDED_CREDENTIALS, { after });
  return { done, next: next ?? undefined };
}

/**
 * Every reference to an agent has an index, so each probe is a seek. Holders of messages of work queues are named by their ids: a name
 * that were free while a message names it would make its next bearer the holder.
 */
const NAMED = `EXISTS (SELECT 1 FROM dbo.messages AS m WHERE m.sender_no = a.agent_no)
  OR EXISTS (SELECT 1 FROM dbo.messages AS m WHERE m.receiver_no = a.agent_no)
  OR EXISTS (SELECT 1 FROM dbo.messages AS m WHERE m.holder = a.agent_id AND m.holder IS NOT NULL)
  OR EXISTS (SELECT 1 FROM dbo.tasks AS t WHERE t.supervisor_no = a.agent_no)
  OR EXISTS (SELECT 1 FROM dbo.tasks AS t WHERE t.agent_no = a.agent_no)
  OR EXISTS (SELECT 1 FROM dbo.tasks AS t WHERE t.assign_to_no = a.agent_no)
  OR EXISTS (SELECT 1 FROM dbo.task_attempts AS x WHERE x.agent_no = a.agent_no)
  OR EXISTS (SELECT 1 FROM dbo.task_events AS e WHERE e.agent_no = a.agent_no)
  OR EXISTS (SELECT 1 FROM dbo.credentials AS c WHERE c.agent_no = a.agent_no)`;

/**
 * What they have in channels goes first, then the loads, as everywhere: who registers again at this moment waits there, finds
 * nothing, and tries again. What else belongs to an agent goes with its row. A reference that comes up meanwhile is a lost race (a foreign key). The mailboxes
 * of deleted channels go likewise, but are not counted.
 */
const DELETE_GONE = upkeepStep<{ after: number }, { done: number; next: number | null }>({
  name: "delete-gone",
  encode: ({ after }) => ({ after }),
  inputs: inactiveRetention,
  wakes: false,
  sql: sqlText(
    "delete-gone",
    `${PROLOGUE}DECLARE @gone TABLE (agent_no int NOT NULL PRIMARY KEY, agent_id ${ID} NOT NULL);
DECLARE @after int = JSON_VALUE(@items, '$[0].after'), @next int, @found int, @done int;
INSERT INTO @gone (agent_no, agent_id)
SELECT TOP (${MAINTENANCE_BATCH_ROWS}) a.agent_no, a.agent_id FROM dbo.agents AS a
WHERE a.status = 'deregistered' AND a.status_changed_at <= @now - @inactiveRetention AND a.agent_no > @after ORDER BY a.agent_no;
SET @found = @@ROWCOUNT;
IF @found = ${MAINTENANCE_BATCH_ROWS} SET @next = (SELECT MAX(g.agent_no) FROM @gone AS g);
DELETE a FROM @gone AS a WHERE ${NAMED};
SET @done = @found - @@ROWCOUNT;
${endIf("@done = 0", "0 AS done, @next AS next")}
${DECLARE_LEAVING}${readLeaving("@gone")}BEGIN TRANSACTION;
${recordRows({
  action: "'agent.deleted'",
  subjectKind: "'agent'",
  subjectId: "g.agent_id",
  from: `FROM @gone AS g WHERE g.agent_id > '${BEFORE_AGENTS}'`,
})}${LEAVE_CHANNELS}DELETE l FROM @gone AS g JOIN dbo.agent_loads AS l ON l.agent_no = g.agent_no
${BY_KEY};
${raceUnless("@done")}DELETE a FROM @gone AS g JOIN dbo.agents AS a ON a.agent_no = g.agent_no
WHERE a.status = 'deregistered' AND a.status_changed_at <= @now - @inactiveRetention
${BY_KEY};
${raceUnless("@done")}DELETE c FROM @gone AS g JOIN dbo.counters AS c ON c.name = CONCAT('mailbox:', g.agent_no)
${BY_KEY};
COMMIT TRANSACTION;
SELECT (SELECT COUNT(*) FROM @gone AS g WHERE g.agent_id > '${BEFORE_AGENTS}') AS done, @next AS next;
`,
  ),
});

/** Deletes agents deregistered for longer than the retention that no row names. */
export async function deleteGone(connection: Connection, after: number): Promise<Walked> {
  const { done, next } = await connection.run(DELETE_GONE, { after });
  return { done, next: next ?? undefined };
}
