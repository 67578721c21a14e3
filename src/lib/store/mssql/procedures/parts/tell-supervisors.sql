-- Puts the task_result of each task of @endings that has ended into the mailbox of its supervisor, in the order of the tasks;
-- none for a supervisor that is deregistered, and of a task that was
-- not needed. At most 4,096 in a transaction: all have one number of the sequence. The ids
-- are random, not UUIDv7 as those made in TypeScript: their number is known only here, and T-SQL has no cheap hexadecimal
-- text of a time. The bytes of a payload outside ASCII are an upper bound (3 for each UTF-16 unit): converting to UTF-8 to
-- count costs more than the row.
UPDATE e SET receiver_no = s.agent_no, priority = t.priority, traceparent = b.traceparent,
  payload = CONCAT(N'{"taskId":"' COLLATE Latin1_General_100_BIN2, t.task_id, N'","taskType":"', t.task_type, N'","status":"', e.becomes,
    N'","attempt":', e.attempt, N',"version":', t.version, N',"result":' + e.result, CASE WHEN e.key_version IS NOT NULL THEN N',"sensitive":true' END,
    N',"error":"' + STRING_ESCAPE(e.error, 'json') + N'"', N'}')
FROM @endings AS e JOIN dbo.tasks AS t ON t.task_no = e.task_no JOIN dbo.task_bodies AS b ON b.task_no = e.task_no
JOIN dbo.agents AS s ON s.agent_no = t.supervisor_no AND s.status <> 'deregistered'
WHERE e.becomes NOT IN ('pending', 'input_required') AND (e.because_of IS NULL OR e.error <> N'NOT_NEEDED')
OPTION (LOOP JOIN, FORCE ORDER);
SET @results = @@ROWCOUNT;
IF @results > 0
BEGIN
  SET @resultArrival = NEXT VALUE FOR dbo.message_arrivals;
  SET @resultArrival = @resultArrival * 4096 /* ARRIVALS_PER_NUMBER */;
  INSERT INTO dbo.messages (arrival, message_id, receiver_no, type, priority, status, attempt_limit, max_attempts,
    accepted_at, available_at, key_version, traceparent, payload_bytes)
  SELECT @resultArrival + ROW_NUMBER() OVER (ORDER BY e.task_no) - 1, LOWER(CONVERT(varchar(36), NEWID())), e.receiver_no,
    'task_result', e.priority, 'queued', 5 /* ATTEMPTS_DEFAULT */, 5 /* ATTEMPTS_DEFAULT */, @now, @now, e.key_version, e.traceparent,
    LEN(e.payload) * CASE WHEN e.payload COLLATE Latin1_General_100_BIN2 LIKE N'%[^ -~]%' THEN 3 ELSE 1 END
  FROM @endings AS e WHERE e.receiver_no IS NOT NULL;
  INSERT INTO dbo.message_payloads (arrival, payload)
  SELECT @resultArrival + ROW_NUMBER() OVER (ORDER BY e.task_no) - 1, e.payload FROM @endings AS e WHERE e.receiver_no IS NOT NULL;
  INSERT INTO @counts (name, delta) SELECT CONCAT('mailbox:', e.receiver_no), 1 FROM @endings AS e WHERE e.receiver_no IS NOT NULL
  UNION ALL SELECT 'messages:queued', @results;
  SET @accepted = @accepted + @results;
END;
