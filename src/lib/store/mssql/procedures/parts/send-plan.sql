-- The messages that tell agents what @plan gives out, and supervisors what it ends; send-plan-payloads comes behind all other messages.
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
      + CASE WHEN p.attempt = 1 THEN 0 ELSE (SELECT COALESCE(SUM(LEN(v.value) * CASE WHEN v.value COLLATE Latin1_General_100_BIN2 LIKE N'%[^ -~]%' THEN 3 ELSE 1 END), 0)
        FROM dbo.task_values AS v WHERE v.task_no = p.task_no AND v.name IN ('checkpoint', 'answer', 'default_answer')) END
      + CASE WHEN p.depends = 0 OR p.agent_no IS NULL THEN 0 ELSE
      -- include: parts/dependency-bytes.sql
      END
  FROM @plan AS p WHERE p.receiver_no IS NOT NULL;
END;
