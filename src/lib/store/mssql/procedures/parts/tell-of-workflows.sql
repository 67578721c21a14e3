-- The messages that tell of workflows which have ended.
SET @flowArrival = NEXT VALUE FOR dbo.message_arrivals;
SET @flowArrival = @flowArrival * 4096 /* ARRIVALS_PER_NUMBER */;
INSERT INTO dbo.messages (arrival, message_id, receiver_no, type, priority, status, attempt_limit, max_attempts,
  accepted_at, available_at, traceparent, payload_bytes)
SELECT @flowArrival + e.flow_place, LOWER(CONVERT(varchar(36), NEWID())), e.flow_receiver_no,
  'workflow_result', 1, 'queued', 5 /* ATTEMPTS_DEFAULT */, 5 /* ATTEMPTS_DEFAULT */, @now, @now, e.traceparent, LEN(e.flow_payload)
FROM @endings AS e WHERE e.flow_receiver_no IS NOT NULL;
INSERT INTO @counts (name, delta) SELECT CONCAT('mailbox:', e.flow_receiver_no), 1 FROM @endings AS e WHERE e.flow_receiver_no IS NOT NULL
UNION ALL SELECT 'messages:queued', @flows;
SET @accepted = @accepted + @flows;
