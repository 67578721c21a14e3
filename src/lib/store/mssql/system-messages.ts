import { ATTEMPTS_DEFAULT } from "../../limits.ts";
import { BIN2, KEY_VERSION, raceUnless, TRACEPARENT, TYPE, WORD } from "./transaction.ts";

/** Messages that the switchboard writes itself: sender `system`, past any mailbox limit. */

/** Messages accepted under one number of the sequence: arrival = number × this + place. */
export const ARRIVALS_PER_NUMBER = 4_096;

/**
 * What is to be written, in order. `task_no` and `task_attempt` for task_assignment only: its payload is joined with the
 * task when it is read, and so is its `traceparent`. `payload` is JSON text, `key_version` of what is encrypted in it. Needs DECLARE_COUNTS and DECLARE_DELIVERABLE.
 */
export const DECLARE_OUTBOX = `DECLARE @outbox TABLE (position int IDENTITY NOT NULL PRIMARY KEY, receiver_no int NOT NULL,
  type ${TYPE} NOT NULL, priority tinyint NOT NULL, payload nvarchar(max) NOT NULL, task_no bigint NULL, task_attempt int NULL,
  key_version ${KEY_VERSION} NULL, traceparent ${TRACEPARENT} NULL);
DECLARE @outboxFirst int, @outboxEnd int, @outboxArrival bigint, @outboxWritten int;
`;

/** At least the bytes of a text in UTF-8. */
const textBytes = (text: string): string =>
  `LEN(${text}) * CASE WHEN ${text} ${BIN2} LIKE N'%[^ -~]%' THEN 3 ELSE 1 END`;

/** What an assignment message gets from its task when it is read, in bytes: it counts as payload. */
export function joinedBytes(taskNo: string): string {
  return `(SELECT ${textBytes("j.description")} + ${textBytes("j.parameters")} FROM dbo.task_bodies AS j WHERE j.task_no = ${taskNo})`;
}

/**
 * Puts the messages of @outbox into their mailboxes, in order; left out when the receiver is deregistered. Leaves @outbox
 * empty.
 *
 * The ids are random, not UUIDv7 as those made in TypeScript: their number is known only here, and T-SQL has no cheap
 * hexadecimal text of a time; they cost the index of ids a random page, as ids of callers do. The bytes of a payload
 * outside ASCII are an upper bound (3 for each UTF-16 unit): converting to UTF-8 to count costs more than the row.
 */
export const WRITE_SYSTEM_MESSAGES = `WHILE EXISTS (SELECT 1 FROM @outbox)
BEGIN
  SET @outboxFirst = (SELECT MIN(position) FROM @outbox);
  SET @outboxEnd = @outboxFirst + ${ARRIVALS_PER_NUMBER};
  SET @outboxArrival = NEXT VALUE FOR dbo.message_arrivals;
  SET @outboxArrival = @outboxArrival * ${ARRIVALS_PER_NUMBER} - @outboxFirst;
  DELETE o FROM @outbox AS o JOIN dbo.agents AS a ON a.agent_no = o.receiver_no WHERE a.status = 'deregistered';
  INSERT INTO dbo.messages (arrival, message_id, receiver_no, type, priority, status, attempt_limit, max_attempts,
    accepted_at, available_at, task_no, task_attempt, key_version, traceparent, payload_bytes)
  SELECT @outboxArrival + o.position, LOWER(CONVERT(varchar(36), NEWID())), o.receiver_no, o.type, o.priority, 'queued',
    ${ATTEMPTS_DEFAULT}, ${ATTEMPTS_DEFAULT}, @now, @now, o.task_no, o.task_attempt, o.key_version, o.traceparent,
    ${textBytes("o.payload")}
  FROM @outbox AS o WHERE o.position < @outboxEnd;
  SET @outboxWritten = @@ROWCOUNT;
  INSERT INTO dbo.message_payloads (arrival, payload)
  SELECT @outboxArrival + o.position, o.payload FROM @outbox AS o WHERE o.position < @outboxEnd;
  INSERT INTO @counts (name, delta) SELECT CONCAT('mailbox:', o.receiver_no), 1 FROM @outbox AS o
  WHERE o.position < @outboxEnd
  UNION ALL SELECT 'messages:queued', @outboxWritten;
  SET @accepted = @accepted + @outboxWritten;
  INSERT INTO @deliverable (agent_no)
  SELECT DISTINCT o.receiver_no FROM @outbox AS o WHERE o.position < @outboxEnd;
  DELETE FROM @outbox WHERE position < @outboxEnd;
END;
`;

/** Attempts that have started, ended or moved on, by task_no and task_attempt; the rest is filled in here. */
export const DECLARE_MOVED_ON = `DECLARE @moved_on TABLE (task_no bigint NOT NULL, task_attempt int NOT NULL, arrival bigint NULL,
  receiver_no int NULL, was ${WORD} NULL, attempt int NULL, PRIMARY KEY (task_no, task_attempt));
`;

/**
 * Completes the assignment messages of the attempts in @moved_on, in whatever state they are; they have no ordering key that
 * would have to move on. Needs DECLARE_COUNTS. Loses the race when one changes meanwhile. Leaves @moved_on empty.
 */
export const COMPLETE_ASSIGNMENT_MESSAGES = `IF EXISTS (SELECT 1 FROM @moved_on)
BEGIN
  UPDATE t SET arrival = m.arrival, receiver_no = m.receiver_no, was = m.status, attempt = m.attempt
  FROM @moved_on AS t JOIN dbo.messages AS m ON m.task_no = t.task_no AND m.task_attempt = t.task_attempt
  WHERE m.task_no IS NOT NULL AND m.type = 'task_assignment' AND m.status IN ('queued', 'leased', 'dead_lettered');
  DELETE FROM @moved_on WHERE arrival IS NULL;
  UPDATE m SET status = 'completed', lease_expires_at = NULL, claim_id = NULL, ended_at = @now, settlement = 'task_ended'
  FROM @moved_on AS t JOIN dbo.messages AS m ON m.arrival = t.arrival WHERE m.status = t.was AND m.attempt = t.attempt;
  ${raceUnless("(SELECT COUNT(*) FROM @moved_on)")}  INSERT INTO @counts (name, delta)
  SELECT c.name, c.delta FROM @moved_on AS t CROSS APPLY (VALUES (CONCAT('messages:', t.was), -1), ('messages:completed', 1),
    (CONCAT('mailbox:', t.receiver_no), CASE WHEN t.was = 'dead_lettered' THEN 0 ELSE -1 END)) AS c (name, delta);
  DELETE FROM @moved_on;
END;
`;
