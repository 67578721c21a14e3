-- Completes the messages of the questions that the tasks of @endings had asked. Loses the race when one of them changes meanwhile.
DECLARE @question_messages TABLE (arrival bigint NOT NULL PRIMARY KEY, receiver_no int NOT NULL,
  was varchar(24) COLLATE Latin1_General_100_BIN2 NOT NULL, attempt int NOT NULL);
INSERT INTO @question_messages (arrival, receiver_no, was, attempt)
SELECT m.arrival, m.receiver_no, m.status, m.attempt
FROM @endings AS e JOIN dbo.messages AS m ON m.task_no = e.task_no AND m.task_attempt = e.attempt
WHERE e.was = 'input_required' AND m.task_no IS NOT NULL AND m.type = 'task_question' AND m.status IN ('queued', 'leased');
UPDATE m SET status = 'completed', lease_expires_at = NULL, claim_id = NULL, ended_at = @now, settlement = 'task_ended'
FROM @question_messages AS d JOIN dbo.messages AS m ON m.arrival = d.arrival WHERE m.status = d.was AND m.attempt = d.attempt;
IF @@ROWCOUNT <> (SELECT COUNT(*) FROM @question_messages) BEGIN ROLLBACK TRANSACTION; RETURN 1; END;
INSERT INTO @counts (name, delta)
SELECT c.name, c.delta FROM @question_messages AS d CROSS APPLY (VALUES (CONCAT('messages:', d.was), -1), ('messages:completed', 1),
  (CONCAT('mailbox:', d.receiver_no), -1)) AS c (name, delta);
