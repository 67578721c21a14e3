import { ATTEMPTS_DEFAULT } from "../../limits.ts";
import { END_MESSAGES } from "./message-rows.ts";
import { TYPE } from "./transaction.ts";

/** Messages that the switchboard writes itself: sender `system`, past any mailbox limit. */

/** Messages accepted under one number of the sequence: arrival = number × this + place. */
export const ARRIVALS_PER_NUMBER = 4_096;

/**
 * What is to be written, in order. `task_no` and `task_attempt` for task_assignment only: its payload is joined with the
 * task when it is read. `payload` is JSON text. Needs DECLARE_COUNTS and DECLARE_DELIVERABLE.
 */
export const DECLARE_OUTBOX = `DECLARE @outbox TABLE (position int IDENTITY NOT NULL PRIMARY KEY, receiver_no int NOT NULL,
  type ${TYPE} NOT NULL, priority tinyint NOT NULL, payload nvarchar(max) NOT NULL, task_no bigint NULL, task_attempt int NULL);
DECLARE @outboxFirst int, @outboxArrival bigint, @outboxWritten int;
`;

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
  SET @outboxArrival = NEXT VALUE FOR dbo.message_arrivals;
  SET @outboxArrival = @outboxArrival * ${ARRIVALS_PER_NUMBER} - @outboxFirst;
  DELETE o FROM @outbox AS o JOIN dbo.agents AS a ON a.agent_no = o.receiver_no WHERE a.status = 'deregistered';
  INSERT INTO dbo.messages (arrival, message_id, receiver_no, type, priority, status, attempt_limit, max_attempts,
    accepted_at, available_at, task_no, task_attempt, payload_bytes)
  SELECT @outboxArrival + o.position, LOWER(CONVERT(varchar(36), NEWID())), o.receiver_no, o.type, o.priority, 'queued',
    ${ATTEMPTS_DEFAULT}, ${ATTEMPTS_DEFAULT}, @now, @now, o.task_no, o.task_attempt,
    LEN(o.payload) * CASE WHEN o.payload COLLATE Latin1_General_100_BIN2 LIKE N'%[^ -~]%' THEN 3 ELSE 1 END
  FROM @outbox AS o WHERE o.position < @outboxFirst + ${ARRIVALS_PER_NUMBER};
  SET @outboxWritten = @@ROWCOUNT;
  INSERT INTO dbo.message_payloads (arrival, payload)
  SELECT @outboxArrival + o.position, o.payload FROM @outbox AS o WHERE o.position < @outboxFirst + ${ARRIVALS_PER_NUMBER};
  INSERT INTO @counts (name, delta) SELECT CONCAT('mailbox:', o.receiver_no), 1 FROM @outbox AS o
  WHERE o.position < @outboxFirst + ${ARRIVALS_PER_NUMBER}
  UNION ALL SELECT 'messages:queued', @outboxWritten;
  SET @accepted = @accepted + @outboxWritten;
  INSERT INTO @deliverable (agent_no)
  SELECT DISTINCT o.receiver_no FROM @outbox AS o WHERE o.position < @outboxFirst + ${ARRIVALS_PER_NUMBER};
  DELETE FROM @outbox WHERE position < @outboxFirst + ${ARRIVALS_PER_NUMBER};
END;
`;

/** Attempts that have started, ended or moved on. */
export const DECLARE_MOVED_ON =
  "DECLARE @moved_on TABLE (task_no bigint NOT NULL, task_attempt int NOT NULL, PRIMARY KEY (task_no, task_attempt));\n";

/**
 * Completes the assignment messages of the attempts in @moved_on, in whatever state they are. Needs DECLARE_ENDED,
 * DECLARE_COUNTS and DECLARE_DELIVERABLE. Leaves @moved_on empty (and ends what @ended already holds).
 */
export const COMPLETE_ASSIGNMENT_MESSAGES = `IF EXISTS (SELECT 1 FROM @moved_on)
BEGIN
  INSERT INTO @ended (arrival, receiver_no, was, attempt, becomes, settlement)
  SELECT m.arrival, m.receiver_no, m.status, m.attempt, 'completed', 'task_ended'
  FROM @moved_on AS t JOIN dbo.messages AS m ON m.task_no = t.task_no AND m.task_attempt = t.task_attempt
  WHERE m.task_no IS NOT NULL AND m.type = 'task_assignment' AND m.status IN ('queued', 'leased', 'dead_lettered');
  DELETE FROM @moved_on;
  ${END_MESSAGES}END;
`;
