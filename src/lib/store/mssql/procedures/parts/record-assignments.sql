-- Writes the attempts that @plan gives out, and the messages that tell agents of them.
INSERT INTO dbo.task_attempts (task_no, attempt, agent_no, assigned_at, explanation)
SELECT p.task_no, p.attempt, p.agent_no, @now, p.explanation FROM @plan AS p WHERE p.agent_no IS NOT NULL;
SET @messages = (SELECT COUNT(*) FROM @plan WHERE receiver_no IS NOT NULL);
IF @messages > 0
BEGIN
  SET @arrival = NEXT VALUE FOR dbo.message_arrivals;
  SET @arrival = @arrival * 4096 /* ARRIVALS_PER_NUMBER */;
  INSERT INTO dbo.messages (arrival, message_id, receiver_no, type, priority, status, attempt_limit, max_attempts,
    accepted_at, available_at, task_no, task_attempt, traceparent, payload_bytes)
  SELECT @arrival + p.place, LOWER(CONVERT(varchar(36), NEWID())), p.receiver_no, p.message_type, p.priority, 'queued',
    5 /* ATTEMPTS_DEFAULT */, 5 /* ATTEMPTS_DEFAULT */, @now, @now, CASE WHEN p.agent_no IS NOT NULL THEN p.task_no END,
    CASE WHEN p.agent_no IS NOT NULL THEN p.attempt END,
    CASE WHEN p.agent_no IS NULL THEN (SELECT b.traceparent FROM dbo.task_bodies AS b WHERE b.task_no = p.task_no) END,
    LEN(p.payload) + CASE WHEN p.agent_no IS NULL THEN 0 ELSE (SELECT LEN(j.description) * CASE WHEN j.description COLLATE Latin1_General_100_BIN2 LIKE N'%[^ -~]%' THEN 3 ELSE 1 END + LEN(j.parameters) * CASE WHEN j.parameters COLLATE Latin1_General_100_BIN2 LIKE N'%[^ -~]%' THEN 3 ELSE 1 END FROM dbo.task_bodies AS j WHERE j.task_no = p.task_no) END
  FROM @plan AS p WHERE p.receiver_no IS NOT NULL;
  INSERT INTO dbo.message_payloads (arrival, payload)
  SELECT @arrival + p.place, p.payload FROM @plan AS p WHERE p.receiver_no IS NOT NULL;
END;
