-- Writes what was accepted, with its audit and its counters.
SET @number = NEXT VALUE FOR dbo.message_arrivals;
INSERT INTO dbo.messages (arrival, message_id, sender_no, receiver_no, type, priority, status, held, joined, attempt_limit,
  max_attempts, accepted_at, available_at, expires_at, correlation_id, reply_to, ordering_key, idempotency_key, request_hash,
  payload_bytes, sender_role, sender_credential, key_version, traceparent)
SELECT @number * 4096 /* ARRIVALS_PER_NUMBER */ + s.place, s.message_id, s.sender_no, s.receiver_no, s.type, s.priority, 'queued', CASE WHEN s.joined = 1 THEN s.held ELSE 1 END,
  s.joined, s.max_attempts, s.max_attempts, @now, s.available_at, s.expires_at, s.correlation_id, s.reply_to, s.ordering_key,
  s.idempotency_key, s.request_hash, s.payload_bytes, s.sender_role, s.sender_credential,
  s.key_version, s.traceparent
FROM @sends AS s WHERE s.accepted = 1;
INSERT INTO dbo.message_payloads (arrival, payload)
SELECT @number * 4096 /* ARRIVALS_PER_NUMBER */ + s.place, REPLACE(REPLACE(p.value COLLATE Latin1_General_100_BIN2, NCHAR(64976), NCHAR(34)), NCHAR(64977), NCHAR(92))
FROM OPENJSON(@items) AS i CROSS APPLY OPENJSON(i.value, '$.payloads') AS p
JOIN @sends AS s ON s.place = i.[key] * 100 /* BATCH_MAX_MESSAGES */ + p.[key] WHERE s.accepted = 1;
IF @auditMessages = 1
INSERT INTO audit.entries (at, actor, action, subject_kind, subject_id, detail)
SELECT @now, COALESCE(COALESCE((SELECT CAST(JSON_VALUE(i.value, '$.actor') AS varchar(128)) FROM OPENJSON(@items) AS i
  WHERE CAST(i.[key] AS int) = s.item) COLLATE Latin1_General_100_BIN2, a.agent_id), 'system'), 'message.sent', 'message', s.message_id, CONCAT('{"sender":"' + a.agent_id + '"', ',"receiver":"' + s.receiver + '"', ',"type":"' + s.type + '"', '}')
FROM @sends AS s JOIN dbo.agents AS a ON a.agent_no = s.sender_no WHERE s.accepted = 1 ORDER BY s.place;
UPDATE c SET value = c.value + d.delta
FROM (SELECT CONCAT('mailbox:', s.receiver_no) AS name, COUNT(*) AS delta FROM @sends AS s WHERE s.accepted = 1
  GROUP BY s.receiver_no UNION ALL SELECT 'messages:queued', @accepted) AS d
JOIN dbo.counters AS c ON c.name = d.name AND c.slot = @@SPID % 8
OPTION (LOOP JOIN, FORCE ORDER);
IF @@ROWCOUNT <> (SELECT COUNT(DISTINCT s.receiver_no) + 1 FROM @sends AS s WHERE s.accepted = 1)
BEGIN ROLLBACK TRANSACTION; RETURN 1; END;
UPDATE dbo.counters SET value = value + @accepted WHERE name = @second AND slot = @@SPID;
IF @@ROWCOUNT = 0 INSERT INTO dbo.counters (name, slot, value) VALUES (@second, @@SPID, @accepted);
