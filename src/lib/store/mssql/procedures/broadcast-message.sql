-- Sends a message to every member of a channel: a copy for each, one arrival number for all.
CREATE PROCEDURE release.broadcast_message
  @items nvarchar(max),
  @maxMailbox int,
  @share int,
  @auditMessages bit,
  @renewalMilliseconds int,
  @clockOffset bigint
AS
-- include: parts/prologue.sql
-- The post, what it meets, and why it is refused: the first reason that applies, in the order of the embedded store.
DECLARE @messageId varchar(128), @sender varchar(128), @receiver varchar(128), @type varchar(64), @priority tinyint,
  @availableAt bigint, @expiresAt bigint, @maxAttempts int, @correlationId varchar(128), @replyTo varchar(128), @orderingKey varchar(128),
  @idempotencyKey varchar(64), @requestHash varchar(64), @payloadBytes int, @credential varchar(24), @senderNo int,
  @senderRole varchar(24), @senderStatus varchar(24), @channelNo int, @repeatOf varchar(128), @refusal varchar(24), @members int,
  @depth bigint, @keyVersion varchar(64), @traceparent varchar(55), @knownHash varchar(64);
SELECT @messageId = x.message_id, @sender = x.sender, @receiver = x.receiver, @type = x.type, @priority = x.priority,
  @availableAt = CASE WHEN x.deliver_at > @now THEN x.deliver_at ELSE @now + x.delay END, @expiresAt = @now + x.ttl,
  @maxAttempts = x.max_attempts, @correlationId = x.correlation_id, @replyTo = x.reply_to, @orderingKey = x.ordering_key,
  @idempotencyKey = x.idempotency_key, @requestHash = x.request_hash, @payloadBytes = x.payload_bytes, @credential = x.credential,
  @keyVersion = x.key_version, @traceparent = x.traceparent
FROM OPENJSON(@items) WITH (message_id varchar(128), sender varchar(128), receiver varchar(128), type varchar(64), priority tinyint,
  deliver_at bigint, delay bigint, ttl bigint, max_attempts int, correlation_id varchar(128), reply_to varchar(128),
  ordering_key varchar(128), idempotency_key varchar(64), request_hash varchar(64), payload_bytes int, credential varchar(24),
  key_version varchar(64), traceparent varchar(55)) AS x;
SELECT @senderNo = a.agent_no, @senderRole = a.role, @senderStatus = a.status FROM dbo.agents AS a WHERE a.agent_id = @sender;
IF @senderNo IS NULL SET @refusal = 'SENDER_UNKNOWN';
ELSE IF @senderStatus = 'deregistered' SET @refusal = 'SENDER_LEFT';
-- The key is looked up first: it names the caller's intent.
IF @refusal IS NULL
  SELECT @repeatOf = k.message_id, @knownHash = k.request_hash, @refusal = CASE WHEN k.request_hash <> @requestHash THEN 'KEY_MISMATCH' END
  FROM dbo.messages AS k WHERE k.idempotency_key = @idempotencyKey AND k.idempotency_key IS NOT NULL;
IF @refusal IS NULL AND @repeatOf IS NULL
  SELECT @repeatOf = d.message_id, @knownHash = d.request_hash, @refusal = CASE WHEN d.sender_no IS NULL OR d.sender_no <> @senderNo THEN 'ID_TAKEN'
    WHEN d.request_hash <> @requestHash THEN 'ID_MISMATCH' END
  FROM dbo.messages AS d WHERE d.message_id = @messageId;
DECLARE @copies TABLE (place int NOT NULL PRIMARY KEY, receiver_no int NOT NULL, ordering_key varchar(128) COLLATE Latin1_General_100_BIN2 NULL, held bit NOT NULL,
  joined bit NOT NULL);
IF @refusal IS NULL AND @repeatOf IS NULL
BEGIN
  SET @channelNo = (SELECT c.channel_no FROM dbo.channels AS c WHERE c.name = SUBSTRING(@receiver, 2, 100) COLLATE Latin1_General_100_BIN2 AND c.kind = 'broadcast');
  IF @channelNo IS NULL SET @refusal = 'RECEIVER_UNKNOWN';
  INSERT INTO @copies (place, receiver_no, ordering_key, held, joined)
  SELECT ROW_NUMBER() OVER (ORDER BY a.agent_no), a.agent_no, @orderingKey, 0, CASE WHEN @orderingKey IS NOT NULL AND (@availableAt > @now OR EXISTS (SELECT 1 FROM dbo.messages AS w
    WHERE w.receiver_no = a.agent_no AND w.ordering_key = @orderingKey AND w.joined = 0 AND w.status = 'queued' AND w.available_at <= @now)) THEN 0 ELSE 1 END
  FROM dbo.channel_members AS m JOIN dbo.agents AS a ON a.agent_no = m.agent_no
  WHERE m.channel_no = @channelNo AND a.status <> 'deregistered';
  SET @members = @@ROWCOUNT;
  IF @refusal IS NULL AND CAST(@payloadBytes AS bigint) * @members > 16777216 /* BROADCAST_MAX_BYTES */ SET @refusal = 'TOO_LARGE';
  IF @refusal IS NULL
    SELECT TOP (1) @refusal = CASE WHEN b.depth >= @maxMailbox THEN 'MAILBOX_FULL' ELSE 'SHARE_USED' END, @depth = b.depth
    FROM @copies AS s CROSS APPLY (SELECT SUM(c.value) AS depth FROM dbo.counters AS c
      WHERE c.name = CONCAT('mailbox:', s.receiver_no)) AS b
    OUTER APPLY (SELECT CASE WHEN b.depth * 2 > @maxMailbox THEN (SELECT COUNT(*) FROM (
  SELECT TOP (@share + 1) m.arrival FROM dbo.messages AS m
  WHERE m.receiver_no = s.receiver_no AND m.sender_no = @senderNo AND m.status IN ('queued', 'leased')) AS y) END AS own) AS w
    WHERE b.depth >= @maxMailbox OR w.own > @share ORDER BY s.place
    OPTION (LOOP JOIN, FORCE ORDER);
END;
-- The post first, then its copies, under one arrival number, which is taken while the keys are locked. The ids of the
-- copies are random, as those of the switchboard's own messages: their number is known only here.
IF @refusal IS NULL AND @repeatOf IS NULL
BEGIN
  DECLARE @number bigint, @second varchar(48) = CONCAT('accepted:', @now / 1000), @payload nvarchar(max);
  SET @payload = (SELECT REPLACE(REPLACE(p.value COLLATE Latin1_General_100_BIN2, NCHAR(64976), NCHAR(34)), NCHAR(64977), NCHAR(92)) FROM OPENJSON(@items) AS i CROSS APPLY OPENJSON(i.value, '$.payloads') AS p);
  BEGIN TRANSACTION;
  DECLARE @keys TABLE (receiver_no int NOT NULL, ordering_key varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL, added int NOT NULL, head int NOT NULL,
    PRIMARY KEY (receiver_no, ordering_key));
  INSERT INTO @keys (receiver_no, ordering_key, added, head)
  SELECT s.receiver_no, s.ordering_key, COUNT(*), MIN(s.place) FROM @copies AS s
  WHERE s.joined = 1 AND s.ordering_key IS NOT NULL GROUP BY s.receiver_no, s.ordering_key;
  DECLARE @keyRows int = @@ROWCOUNT, @joinedRows int;
  IF @keyRows > 0
  BEGIN
    -- include: parts/add-to-ordering-keys.sql
    UPDATE s SET held = 1
    FROM @keys AS a JOIN @copies AS s ON s.receiver_no = a.receiver_no AND s.ordering_key = a.ordering_key
    JOIN dbo.ordering_keys AS k ON k.receiver_no = a.receiver_no AND k.ordering_key = a.ordering_key
    WHERE s.joined = 1 AND (s.place > a.head OR k.unsettled > a.added);
  END;
  SET @number = NEXT VALUE FOR dbo.message_arrivals;
  SET @number = @number * 4096 /* ARRIVALS_PER_NUMBER */;
  INSERT INTO dbo.messages (arrival, message_id, sender_no, receiver_no, type, priority, status, held, attempt_limit,
    max_attempts, accepted_at, available_at, ended_at, correlation_id, reply_to, ordering_key, idempotency_key, request_hash,
    payload_bytes, sender_role, sender_credential, key_version, traceparent)
  VALUES (@number, @messageId, @senderNo, @channelNo, @type, @priority, 'completed', 0, @maxAttempts, @maxAttempts, @now,
    @availableAt, @now, @correlationId, @replyTo, @orderingKey, @idempotencyKey, @requestHash, @payloadBytes, @senderRole,
    @credential, @keyVersion, @traceparent);
  INSERT INTO dbo.messages (arrival, message_id, sender_no, receiver_no, type, priority, status, held, joined, attempt_limit,
    max_attempts, accepted_at, available_at, expires_at, correlation_id, reply_to, ordering_key, payload_bytes, sender_role,
    sender_credential, key_version, traceparent, channel, post_id)
  SELECT @number + s.place, LOWER(CONVERT(varchar(36), NEWID())), @senderNo, s.receiver_no, @type, @priority, 'queued',
    CASE WHEN s.joined = 1 THEN s.held ELSE 1 END, s.joined, @maxAttempts, @maxAttempts, @now, @availableAt, @expiresAt, @correlationId, @replyTo, @orderingKey, @payloadBytes, @senderRole,
    @credential, @keyVersion, @traceparent, SUBSTRING(@receiver, 2, 100), @messageId
  FROM @copies AS s;
  INSERT INTO dbo.message_payloads (arrival, payload) VALUES (@number, @payload);
  INSERT INTO dbo.message_payloads (arrival, payload) SELECT @number + s.place, @payload FROM @copies AS s;
  IF @auditMessages = 1
INSERT INTO audit.entries (at, actor, action, subject_kind, subject_id, detail)
SELECT @now, COALESCE(COALESCE((SELECT CAST(JSON_VALUE(i.value, '$.actor') AS varchar(128)) FROM OPENJSON(@items) AS i
    WHERE CAST(i.[key] AS int) = 0) COLLATE Latin1_General_100_BIN2, @sender), 'system'), 'message.sent', 'message', @messageId, CONCAT('{"sender":"' + @sender + '"', ',"receiver":"' + @receiver + '"', ',"type":"' + @type + '"', '}');
  UPDATE c SET value = c.value + d.delta
    FROM (SELECT CONCAT('mailbox:', s.receiver_no) AS name, 1 AS delta FROM @copies AS s
      UNION ALL SELECT 'messages:queued', @members UNION ALL SELECT 'messages:completed', 1) AS d
    JOIN dbo.counters AS c ON c.name = d.name AND c.slot = @@SPID % 8
    OPTION (LOOP JOIN, FORCE ORDER);
  IF @@ROWCOUNT <> @members + 2 BEGIN ROLLBACK TRANSACTION; RETURN 1; END;
  UPDATE dbo.counters SET value = value + @members + 1 WHERE name = @second AND slot = @@SPID;
  IF @@ROWCOUNT = 0 INSERT INTO dbo.counters (name, slot, value) VALUES (@second, @@SPID, @members + 1);
  COMMIT TRANSACTION;
END;
-- An accepted call counts as a heartbeat of its sender. (One that was read as inactive is woken by a call of its own.)
IF @refusal IS NULL
  UPDATE h SET last_heartbeat_at = @now FROM dbo.agent_heartbeats AS h
  WHERE h.agent_no = @senderNo AND h.beating = 1 AND h.last_heartbeat_at < @now - COALESCE(h.renewal_milliseconds, @renewalMilliseconds);
-- Nobody is woken by a repeat: its @copies are empty.
SELECT 0 AS item, @refusal AS refusal, @repeatOf AS repeat_of, @depth AS depth, @share AS share, @members AS members,
  @knownHash AS known_hash, CASE WHEN @senderStatus = 'inactive' THEN 1 ELSE 0 END AS wakes;
-- include: parts/read-time-anew.sql
SELECT a.agent_id AS woken FROM @copies AS s JOIN dbo.agents AS a ON a.agent_no = s.receiver_no
WHERE @refusal IS NULL AND s.held = 0 AND @availableAt <= @now
OPTION (LOOP JOIN, FORCE ORDER);
