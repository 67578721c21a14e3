-- Puts the messages of @outbox into the mailboxes of their receivers, in order; once in a procedure. The ids are random, not
-- UUIDv7 as those made in TypeScript: their number is known only here, and T-SQL has no cheap hexadecimal text of a time;
-- they cost the index of ids a random page, as ids of callers do. The bytes of a payload outside ASCII are an upper bound
-- (3 for each UTF-16 unit): converting to UTF-8 to count costs more than the row.
SET @outboxFirst = (SELECT MIN(position) FROM @outbox);
WHILE @outboxFirst IS NOT NULL
BEGIN
  SET @outboxEnd = @outboxFirst + 4096 /* ARRIVALS_PER_NUMBER */;
  SET @outboxArrival = NEXT VALUE FOR dbo.message_arrivals;
  SET @outboxArrival = @outboxArrival * 4096 /* ARRIVALS_PER_NUMBER */ - @outboxFirst;
  INSERT INTO dbo.messages (arrival, message_id, receiver_no, type, priority, status, attempt_limit, max_attempts,
    accepted_at, available_at, task_no, task_attempt, key_version, traceparent, payload_bytes)
  SELECT @outboxArrival + o.position, LOWER(CONVERT(varchar(36), NEWID())), o.receiver_no, o.type, o.priority, 'queued',
    5 /* ATTEMPTS_DEFAULT */, 5 /* ATTEMPTS_DEFAULT */, @now, @now, o.task_no, o.task_attempt, o.key_version, o.traceparent,
    LEN(o.payload) * CASE WHEN o.payload COLLATE Latin1_General_100_BIN2 LIKE N'%[^ -~]%' THEN 3 ELSE 1 END
  FROM @outbox AS o WHERE o.position >= @outboxFirst AND o.position < @outboxEnd;
  SET @outboxWritten = @@ROWCOUNT;
  INSERT INTO dbo.message_payloads (arrival, payload)
  SELECT @outboxArrival + o.position, o.payload FROM @outbox AS o WHERE o.position >= @outboxFirst AND o.position < @outboxEnd;
  INSERT INTO @counts (name, delta) SELECT CONCAT('mailbox:', o.receiver_no), 1 FROM @outbox AS o
  WHERE o.position >= @outboxFirst AND o.position < @outboxEnd
  UNION ALL SELECT 'messages:queued', @outboxWritten;
  SET @accepted = @accepted + @outboxWritten;
  SET @outboxFirst = (SELECT MIN(position) FROM @outbox WHERE position >= @outboxEnd);
END;
INSERT INTO @deliverable (agent_no) SELECT DISTINCT o.receiver_no FROM @outbox AS o;
