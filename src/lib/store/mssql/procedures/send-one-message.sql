-- A call of one message without an ordering key that travels alone: as send-message, with variables and no table of them, since such a
-- table is the dearest part of a short procedure. Table order: messages, message_payloads, counters; then agent_heartbeats, after the commit.
CREATE PROCEDURE release.send_one_message
  @items nvarchar(max),
  @maxMailbox int,
  @share int,
  @auditMessages bit,
  @renewalMilliseconds int,
  @clockOffset bigint
AS
-- include: parts/prologue.sql
DECLARE @senderNo int, @receiverNo int, @receiver varchar(128), @role varchar(24), @availableAt bigint, @knownHash varchar(64), @repeatOf varchar(128),
  @depth bigint, @refusal varchar(24), @accepted int = 0, @wakes bit, @arrival bigint, @second varchar(48), @lost int;
IF @auditMessages = 1
BEGIN
  EXEC @lost = release.send_message @items, @maxMailbox, @share, @auditMessages, @renewalMilliseconds, @clockOffset;
  RETURN @lost;
END;
SELECT @senderNo = s.sender_no, @receiverNo = s.receiver_no, @receiver = s.receiver, @role = s.sender_role, @availableAt = s.available_at,
  @knownHash = s.known_hash, @repeatOf = s.repeat_of, @depth = s.depth, @refusal = s.refusal, @accepted = s.accepted, @wakes = s.wakes
FROM (
-- include: parts/find-sends.sql
) AS s
OPTION (LOOP JOIN, FORCE ORDER);
IF @accepted = 1
BEGIN
  SET @second = CONCAT('accepted:', @now / 1000);
  BEGIN TRANSACTION;
  SET @arrival = NEXT VALUE FOR dbo.message_arrivals;
  SET @arrival = @arrival * 4096 /* ARRIVALS_PER_NUMBER */;
  INSERT INTO dbo.messages (arrival, message_id, sender_no, receiver_no, type, priority, status, attempt_limit, max_attempts, accepted_at,
    available_at, expires_at, correlation_id, reply_to, idempotency_key, request_hash, payload_bytes, sender_role, sender_credential,
    key_version, traceparent)
  SELECT @arrival, x.message_id, @senderNo, @receiverNo, x.type, x.priority, 'queued', x.max_attempts, x.max_attempts, @now, @availableAt,
    @now + x.ttl, x.correlation_id, x.reply_to, x.idempotency_key, x.request_hash, x.payload_bytes, @role, x.credential, x.key_version,
    x.traceparent
  FROM OPENJSON(@items, '$[0].messages') WITH (message_id varchar(128), type varchar(64), priority tinyint, ttl bigint, max_attempts int,
    correlation_id varchar(128), reply_to varchar(128), idempotency_key varchar(64), request_hash varchar(64), payload_bytes int,
    credential varchar(24), key_version varchar(64), traceparent varchar(55)) AS x;
  INSERT INTO dbo.message_payloads (arrival, payload)
  SELECT @arrival, REPLACE(REPLACE(p.value COLLATE Latin1_General_100_BIN2, NCHAR(64976), NCHAR(34)), NCHAR(64977), NCHAR(92))
  FROM OPENJSON(@items, '$[0].payloads') AS p;
  UPDATE dbo.counters SET value = value + 1
  WHERE name IN (CONCAT('mailbox:', @receiverNo), 'messages:queued') AND slot = @@SPID % 8;
  IF @@ROWCOUNT <> 2 BEGIN ROLLBACK TRANSACTION; RETURN 1; END;
  UPDATE dbo.counters SET value = value + 1 WHERE name = @second AND slot = @@SPID;
  IF @@ROWCOUNT = 0 INSERT INTO dbo.counters (name, slot, value) VALUES (@second, @@SPID, 1);
  COMMIT TRANSACTION;
END;
-- An accepted call counts as a heartbeat of its sender. (One that was read as inactive is woken by a call of its own.)
IF @refusal IS NULL
  UPDATE h SET last_heartbeat_at = @now FROM dbo.agent_heartbeats AS h
  WHERE h.agent_no = @senderNo AND h.beating = 1 AND h.last_heartbeat_at < @now - COALESCE(h.renewal_milliseconds, @renewalMilliseconds);
SELECT 0 AS item, 0 AS n, @refusal AS refusal, @repeatOf AS repeat_of, @depth AS depth, @share AS share, @knownHash AS known_hash, @wakes AS wakes;
-- include: parts/read-time-anew.sql
SELECT @receiver AS woken WHERE @accepted = 1 AND @availableAt <= @now;
