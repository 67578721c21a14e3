-- Tells those of whom open questions are asked, else the supervisors; send-question-payloads comes behind all other messages of the
-- transaction. $(tasks): the tasks, t.
SET @questionArrival = NEXT VALUE FOR dbo.message_arrivals;
SET @questionArrival = @questionArrival * 4096 /* ARRIVALS_PER_NUMBER */;
INSERT INTO dbo.messages (arrival, message_id, receiver_no, type, priority, status, attempt_limit, max_attempts,
  accepted_at, available_at, task_no, task_attempt, key_version, traceparent, payload_bytes)
SELECT @questionArrival + ROW_NUMBER() OVER (ORDER BY m.question_no, m.receiver_no) - 1, LOWER(CONVERT(varchar(36), NEWID())), m.receiver_no,
  'task_question', m.priority, 'queued', 5 /* ATTEMPTS_DEFAULT */, 5 /* ATTEMPTS_DEFAULT */, @now, @now, m.task_no, m.attempt,
  m.key_version, m.traceparent, LEN(m.payload) * CASE WHEN m.payload COLLATE Latin1_General_100_BIN2 LIKE N'%[^ -~]%' THEN 3 ELSE 1 END
FROM (
  -- include: parts/question-messages.sql
) AS m;
SET @questions = @@ROWCOUNT;
INSERT INTO @counts (name, delta) SELECT CONCAT('mailbox:', m.receiver_no), 1 FROM (
  -- include: parts/question-messages.sql
) AS m UNION ALL SELECT 'messages:queued', @questions WHERE @questions > 0;
SET @accepted = @accepted + @questions;
