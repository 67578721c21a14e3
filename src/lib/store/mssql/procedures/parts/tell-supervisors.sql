-- Puts what prepare-results has prepared into the mailboxes of the supervisors, in the order of the tasks. At most 4,096 in a transaction: all
-- have one number of the sequence. The ids are random, not UUIDv7 as those made in TypeScript: their number is known only here, and T-SQL has no cheap
-- hexadecimal text of a time.
SET @results = (SELECT COUNT(*) FROM @endings AS e WHERE e.receiver_no IS NOT NULL);
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
  INSERT INTO @counts (name, delta) SELECT CONCAT('mailbox:', e.receiver_no), 1 FROM @endings AS e WHERE e.receiver_no IS NOT NULL
  UNION ALL SELECT 'messages:queued', @results;
  SET @accepted = @accepted + @results;
END;
IF @flows > 0
BEGIN
  -- include: parts/tell-of-workflows.sql
END;
-- Payloads come behind all messages.
IF @results > 0
  INSERT INTO dbo.message_payloads (arrival, payload)
  SELECT @resultArrival + ROW_NUMBER() OVER (ORDER BY e.task_no) - 1, e.payload FROM @endings AS e WHERE e.receiver_no IS NOT NULL;
IF @flows > 0
  INSERT INTO dbo.message_payloads (arrival, payload)
  SELECT @flowArrival + e.flow_place, e.flow_payload FROM @endings AS e WHERE e.flow_receiver_no IS NOT NULL;
