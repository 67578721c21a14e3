import type { JsonValue } from "../../json.ts";
import { REPLY_MAX_BYTES } from "../../limits.ts";
import type { MessageStatus } from "../../messages/message.ts";
import { HEAD_START_MILLISECONDS, PRIORITIES } from "../../values.ts";
import { joinTask, type MessageColumns, readColumns } from "../message-reading.ts";
import type { StoredMessage } from "../store.ts";
import { DECLARE_ENDED_KEYS, FREE_NEXT_OF_KEYS, LEAVE_KEYS } from "./ordering-keys.ts";
import { BY_KEY, ID, raceUnless, WORD } from "./transaction.ts";

/** The row of a message: how it reads, how it ends, and how its ordering key moves on. */

export type StoredSettlement = "complete" | "retry_queued" | "retry_dead_lettered" | "dead_letter" | "task_ended";

/** A row of READABLE_COLUMNS. */
export interface ReadableMessageRow extends MessageColumns {
  arrival: number;
  status: MessageStatus;
  sender: string | null;
  receiver: string;
  payload: string;
  /** Of the task, for its assignment message only. */
  description: string | null;
  parameters: string | null;
  /** Of what is encrypted in the payload. */
  key_version: string | null;
  traceparent: string | null;
}

/** What its reader sees of a row, from READABLE_TABLES. One past its time to live reads as expired. */
export const READABLE_COLUMNS = `m.arrival, m.message_id, s.agent_id AS sender, r.agent_id AS receiver, m.type, m.priority,
  CASE WHEN m.status = 'queued' AND m.expires_at <= @now THEN 'expired' ELSE m.status END AS status,
  m.attempt, m.attempt_limit, m.accepted_at, m.available_at, m.expires_at, m.lease_expires_at, m.ended_at, m.reason,
  m.correlation_id, m.reply_to, m.ordering_key, m.sender_role, m.sender_credential, m.channel, m.post_id, m.holder, p.payload, b.description, b.parameters,
  COALESCE(m.key_version, b.key_version) AS key_version, COALESCE(m.traceparent, b.traceparent) AS traceparent`;

/** The tables beside dbo.messages AS m that READABLE_COLUMNS need. */
export const READABLE_TABLES = `LEFT JOIN dbo.agents AS s ON s.agent_no = m.sender_no
JOIN dbo.agents AS r ON r.agent_no = m.receiver_no
JOIN dbo.message_payloads AS p ON p.arrival = m.arrival
LEFT JOIN dbo.task_bodies AS b ON b.task_no = m.task_no AND m.type = 'task_assignment'`;

/** The priorities with their head starts: one stream each. */
export const STREAMS = `(VALUES ${PRIORITIES.map((name, priority) => `(${priority}, ${HEAD_START_MILLISECONDS[name]})`).join(", ")}) AS p (priority, head_start)`;

/**
 * Of a table with the places of messages (arrival), those in `order` whose predecessors fit into one reply, so one more than fits
 * when they do not all fit; `found`: how many there are. Characters, not bytes: they are never more.
 */
export function fittingMessages(places: string, order: string): string {
  return `(SELECT v.arrival, COUNT(*) OVER () AS found,
    SUM(v.characters) OVER (ORDER BY ${order} ROWS UNBOUNDED PRECEDING) - v.characters AS characters_before
  FROM (SELECT k.*, (DATALENGTH(x.payload) + COALESCE(DATALENGTH(y.parameters) + DATALENGTH(y.description), 0)) / 2 AS characters
    FROM ${places} AS k JOIN dbo.messages AS n ON n.arrival = k.arrival JOIN dbo.message_payloads AS x ON x.arrival = k.arrival
    LEFT JOIN dbo.task_bodies AS y ON y.task_no = n.task_no AND n.type = 'task_assignment') AS v) AS w
JOIN dbo.messages AS m ON m.arrival = w.arrival AND w.characters_before <= ${REPLY_MAX_BYTES}`;
}

/** The message as it is stored. */
export function readMessage(row: ReadableMessageRow): StoredMessage {
  const payload = JSON.parse(row.payload) as JsonValue;
  const { sender, receiver, status, description, parameters, key_version, traceparent } = row;
  const joined =
    description === null || parameters === null ? payload : joinTask(payload, { description, parameters, key_version });
  return readColumns(row, { sender, receiver, status, payload: joined, keyVersion: key_version, traceparent });
}

/** The reason of a message whose attempts are used up. */
export const MAX_ATTEMPTS_REASON = "MAX_ATTEMPTS";

/**
 * What DECLARE_ENDED's table holds: messages to be ended, as they were read. `attempt` and `was` fence the row;
 * `lease_expires_at` does too where it is given: a lease that has ended may have been renewed since. `settlement` and
 * `reason` leave what is stored when NULL. `ordering_key` is the one that the row
 * has joined: KEY_TO_LEAVE.
 */
export const DECLARE_ENDED = `DECLARE @ended TABLE (arrival bigint NOT NULL PRIMARY KEY, receiver_no int NOT NULL,
  was ${WORD} NOT NULL, attempt int NOT NULL, becomes ${WORD} NOT NULL, settlement ${WORD} NULL, reason nvarchar(max) NULL,
  ordering_key ${ID} NULL, lease_expires_at bigint NULL);
DECLARE @endedRows int;
${DECLARE_ENDED_KEYS}`;

/**
 * Ends all messages of @ended, once: the rows, the counts, the mailboxes, and the next of their ordering keys. Inside the
 * transaction; loses the race when one is no longer as it was read. Leaves @ended empty.
 */
export const END_MESSAGES = `SET @endedRows = (SELECT COUNT(*) FROM @ended);
IF @endedRows > 0
BEGIN
INSERT INTO @ended_keys (receiver_no, ordering_key, ended)
SELECT e.receiver_no, e.ordering_key, COUNT(*) FROM @ended AS e
WHERE e.ordering_key IS NOT NULL AND e.was IN ('queued', 'leased') GROUP BY e.receiver_no, e.ordering_key;
${LEAVE_KEYS}UPDATE m SET status = e.becomes, held = 0, lease_expires_at = NULL, claim_id = NULL, ended_at = @now,
  settlement = COALESCE(e.settlement, m.settlement), reason = COALESCE(e.reason, m.reason)
FROM @ended AS e JOIN dbo.messages AS m ON m.arrival = e.arrival
WHERE m.status = e.was AND m.attempt = e.attempt AND (e.lease_expires_at IS NULL OR m.lease_expires_at = e.lease_expires_at)
${BY_KEY};
${raceUnless("@endedRows")}${FREE_NEXT_OF_KEYS}INSERT INTO @counts (name, delta)
SELECT c.name, c.delta FROM @ended AS e CROSS APPLY (VALUES (CONCAT('messages:', e.was), -1), (CONCAT('messages:', e.becomes), 1),
  (CONCAT('mailbox:', e.receiver_no), CASE WHEN e.was IN ('queued', 'leased') THEN -1 ELSE 0 END)) AS c (name, delta);
DELETE FROM @ended;
END;
`;

/** Leased messages to be returned to their mailboxes, as they were read; see DECLARE_ENDED. */
export const DECLARE_REQUEUED = `DECLARE @requeued TABLE (arrival bigint NOT NULL PRIMARY KEY, receiver_no int NOT NULL,
  attempt int NOT NULL, available_at bigint NOT NULL, settlement ${WORD} NULL, reason nvarchar(max) NULL,
  lease_expires_at bigint NULL);
DECLARE @requeuedRows int;
`;

/** Returns the messages of @requeued to their mailboxes, to become available at `available_at`. Leaves @requeued empty. */
export const REQUEUE_MESSAGES = `SET @requeuedRows = (SELECT COUNT(*) FROM @requeued);
IF @requeuedRows > 0
BEGIN
UPDATE m SET status = 'queued', lease_expires_at = NULL, claim_id = NULL, available_at = q.available_at,
  settlement = q.settlement, reason = COALESCE(q.reason, m.reason)
FROM @requeued AS q JOIN dbo.messages AS m ON m.arrival = q.arrival
WHERE m.status = 'leased' AND m.attempt = q.attempt AND (q.lease_expires_at IS NULL OR m.lease_expires_at = q.lease_expires_at)
${BY_KEY};
${raceUnless("@requeuedRows")}INSERT INTO @counts (name, delta) VALUES ('messages:leased', -@requeuedRows), ('messages:queued', @requeuedRows);
INSERT INTO @deliverable (agent_no) SELECT DISTINCT q.receiver_no FROM @requeued AS q;
DELETE FROM @requeued;
END;
`;

/** Messages whose lease may have ended. */
export const DECLARE_OVERDUE = "DECLARE @overdue TABLE (arrival bigint NOT NULL PRIMARY KEY);\n";

/**
 * Sorts the messages of @overdue into @requeued (to their old place) and @ended (after their last attempt); those whose
 * lease has not ended are passed over. A read, best before the transaction; END_MESSAGES and REQUEUE_MESSAGES do the rest,
 * in this order, because ordering keys are locked before messages.
 */
export const TAKE_BACK = `INSERT INTO @ended (arrival, receiver_no, was, attempt, becomes, reason, ordering_key, lease_expires_at)
SELECT m.arrival, m.receiver_no, m.status, m.attempt, 'dead_lettered', N'${MAX_ATTEMPTS_REASON}', m.ordering_key, m.lease_expires_at
FROM @overdue AS o JOIN dbo.messages AS m ON m.arrival = o.arrival
WHERE m.status = 'leased' AND m.lease_expires_at <= @now AND m.attempt >= m.attempt_limit
${BY_KEY};
INSERT INTO @requeued (arrival, receiver_no, attempt, available_at, lease_expires_at)
SELECT m.arrival, m.receiver_no, m.attempt, m.available_at, m.lease_expires_at
FROM @overdue AS o JOIN dbo.messages AS m ON m.arrival = o.arrival
WHERE m.status = 'leased' AND m.lease_expires_at <= @now AND m.attempt < m.attempt_limit
${BY_KEY};
DELETE FROM @overdue;
`;
