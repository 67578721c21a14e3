-- Calls of one message each without an ordering key: nearly all.
CREATE PROCEDURE release.send_message
  @items nvarchar(max),
  @maxMailbox int,
  @share int,
  @auditMessages bit,
  @clockOffset bigint
AS
-- include: parts/prologue.sql
DECLARE @sends TABLE (place int NOT NULL PRIMARY KEY, item int NOT NULL, message_id varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL, sender_no int NULL,
  receiver_no int NULL, receiver varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL, type varchar(64) COLLATE Latin1_General_100_BIN2 NOT NULL, priority tinyint NOT NULL, available_at bigint NOT NULL,
  expires_at bigint NULL, max_attempts int NOT NULL, correlation_id varchar(128) COLLATE Latin1_General_100_BIN2 NULL, reply_to varchar(128) COLLATE Latin1_General_100_BIN2 NULL, ordering_key varchar(128) COLLATE Latin1_General_100_BIN2 NULL,
  idempotency_key varchar(64) COLLATE Latin1_General_100_BIN2 NULL, request_hash varchar(64) COLLATE Latin1_General_100_BIN2 NOT NULL, payload_bytes int NOT NULL, sender_role varchar(24) COLLATE Latin1_General_100_BIN2 NULL,
  sender_credential varchar(24) COLLATE Latin1_General_100_BIN2 NOT NULL, key_version varchar(64) COLLATE Latin1_General_100_BIN2 NULL, traceparent varchar(55) COLLATE Latin1_General_100_BIN2 NULL, known_hash varchar(64) COLLATE Latin1_General_100_BIN2 NULL,
  repeat_of varchar(128) COLLATE Latin1_General_100_BIN2 NULL, depth bigint NULL, own int NULL, refusal varchar(24) COLLATE Latin1_General_100_BIN2 NULL, accepted bit NOT NULL, held bit NOT NULL,
  joined bit NOT NULL);
INSERT INTO @sends (place, item, message_id, sender_no, receiver_no, receiver, type, priority, available_at, expires_at,
  max_attempts, correlation_id, reply_to, ordering_key, idempotency_key, request_hash, payload_bytes, sender_role,
  sender_credential, key_version, traceparent, known_hash, repeat_of, depth, own, refusal, accepted, held, joined)
SELECT i.[key] * 100 /* BATCH_MAX_MESSAGES */ + x.n, i.[key], x.message_id, s.agent_no, r.agent_no, x.receiver, x.type, x.priority,
  v.available_at, @now + x.ttl, x.max_attempts, x.correlation_id,
  x.reply_to, x.ordering_key, x.idempotency_key, x.request_hash, x.payload_bytes, s.role, x.credential,
  x.key_version, x.traceparent, COALESCE(k.request_hash, d.request_hash), e.repeat_of, b.depth, w.own, f.refusal,
  CASE WHEN e.repeat_of IS NULL AND f.refusal IS NULL THEN 1 ELSE 0 END, 0, 1
FROM OPENJSON(@items) AS i
CROSS APPLY OPENJSON(i.value, '$.messages') WITH (n int, message_id varchar(128), sender varchar(128), receiver varchar(128), type varchar(64),
  priority tinyint, deliver_at bigint, delay bigint, ttl bigint, max_attempts int, correlation_id varchar(128),
  reply_to varchar(128), ordering_key varchar(128), idempotency_key varchar(64), request_hash varchar(64), twin bit,
  twin_refusal varchar(24), payload_bytes int, credential varchar(24),
  key_version varchar(64), traceparent varchar(55)) AS x
LEFT JOIN dbo.agents AS s ON s.agent_id = x.sender COLLATE Latin1_General_100_BIN2
LEFT JOIN dbo.agents AS r ON r.agent_id = x.receiver COLLATE Latin1_General_100_BIN2
LEFT JOIN dbo.messages AS k ON k.idempotency_key = x.idempotency_key COLLATE Latin1_General_100_BIN2 AND k.idempotency_key IS NOT NULL
LEFT JOIN dbo.messages AS d ON d.message_id = x.message_id COLLATE Latin1_General_100_BIN2
OUTER APPLY (SELECT SUM(c.value) AS depth FROM dbo.counters AS c WHERE c.name = CONCAT('mailbox:', r.agent_no)) AS b
OUTER APPLY (SELECT CASE WHEN b.depth * 2 > @maxMailbox THEN (SELECT COUNT(*) FROM (
  SELECT TOP (@share + 1) m.arrival FROM dbo.messages AS m
  WHERE m.receiver_no = r.agent_no AND m.sender_no = s.agent_no AND m.status IN ('queued', 'leased')) AS y) END AS own) AS w
CROSS APPLY (SELECT CASE WHEN x.deliver_at > @now THEN x.deliver_at ELSE @now + x.delay END AS available_at) AS v
CROSS APPLY (SELECT CASE WHEN x.twin = 1 THEN x.message_id COLLATE Latin1_General_100_BIN2 ELSE COALESCE(k.message_id, d.message_id) END AS repeat_of) AS e
CROSS APPLY (SELECT CASE
  WHEN k.arrival IS NULL AND d.arrival IS NULL AND x.twin_refusal IS NOT NULL THEN x.twin_refusal COLLATE Latin1_General_100_BIN2
  WHEN s.agent_no IS NULL THEN 'SENDER_UNKNOWN'
  WHEN s.status = 'deregistered' THEN 'SENDER_LEFT'
  -- The key is looked up first: it names the caller's intent.
WHEN k.arrival IS NOT NULL THEN CASE WHEN k.request_hash <> x.request_hash COLLATE Latin1_General_100_BIN2 THEN 'KEY_MISMATCH' END
WHEN d.arrival IS NOT NULL THEN CASE WHEN d.sender_no IS NULL OR d.sender_no <> s.agent_no THEN 'ID_TAKEN'
  WHEN d.request_hash <> x.request_hash COLLATE Latin1_General_100_BIN2 THEN 'ID_MISMATCH' END
-- A repeat gets the first result even when the receiver has gone since.
WHEN r.agent_no IS NULL THEN 'RECEIVER_UNKNOWN'
WHEN r.status = 'deregistered' THEN 'RECEIVER_LEFT'
WHEN x.twin = 0 AND b.depth >= @maxMailbox THEN 'MAILBOX_FULL' WHEN x.twin = 0 AND w.own > @share THEN 'SHARE_USED' END AS refusal) AS f
OPTION (LOOP JOIN, FORCE ORDER);
DECLARE @accepted bigint = (SELECT COUNT(*) FROM @sends WHERE accepted = 1);
IF @accepted > 0
BEGIN
  DECLARE @number bigint, @second varchar(48) = CONCAT('accepted:', @now / 1000);
  BEGIN TRANSACTION;
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
  COMMIT TRANSACTION;
END;
SELECT s.item, s.place % 100 /* BATCH_MAX_MESSAGES */ AS n, s.refusal, s.repeat_of, s.depth, @share AS share, s.known_hash FROM @sends AS s ORDER BY s.place;
-- Reads the time anew: first thing before whatever a batch reads by time after a commit or a wait for a lock. What
-- others have made due meanwhile is not due at the time at which the batch began, and would be passed over by both.
SET @now = DATEDIFF_BIG(MILLISECOND, '19700101', SYSUTCDATETIME()) + @clockOffset;
SELECT DISTINCT s.receiver AS woken FROM @sends AS s WHERE s.accepted = 1 AND s.held = 0 AND s.available_at <= @now;
