-- A call with one settlement that travels alone: as settle-messages, with variables and no table of them.
-- Table order: messages, counters; then agent_heartbeats.
CREATE PROCEDURE release.settle_one_message
  @items nvarchar(max),
  @renewalMilliseconds int,
  @auditMessages bit,
  @clockOffset bigint
AS
-- include: parts/prologue.sql
DECLARE @receiverNo int, @agentNo int, @arrival bigint, @attempt int, @acts int = 0, @status varchar(24), @settlement varchar(24), @availableAt bigint,
  @reason nvarchar(max), @orderingKey varchar(128), @code varchar(24), @stale int, @inactive bit, @lost int;
SELECT @receiverNo = s.receiver_no, @agentNo = s.agent_no, @arrival = s.arrival, @attempt = s.attempt, @acts = s.acts, @status = s.status,
  @settlement = s.settlement, @availableAt = s.available_at, @reason = s.reason, @orderingKey = s.ordering_key, @code = s.code, @stale = s.stale,
  @inactive = s.inactive
FROM (
-- include: parts/find-settlements.sql
) AS s
OPTION (LOOP JOIN, FORCE ORDER);
-- The next message of its ordering key is a matter of several rows, and so is the audit.
IF @acts = 1 AND (@orderingKey IS NOT NULL OR @auditMessages = 1)
BEGIN
  EXEC @lost = release.settle_messages @items, @renewalMilliseconds, @auditMessages, @clockOffset;
  RETURN @lost;
END;
IF @acts = 1
BEGIN
  BEGIN TRANSACTION;
  UPDATE dbo.messages SET status = @status, lease_expires_at = NULL, claim_id = NULL, available_at = @availableAt,
    ended_at = CASE WHEN @status = 'queued' THEN NULL ELSE @now END, settlement = @settlement, reason = COALESCE(@reason, reason)
  WHERE arrival = @arrival AND status = 'leased' AND attempt = @attempt;
  IF @@ROWCOUNT <> 1 BEGIN ROLLBACK TRANSACTION; RETURN 1; END;
  UPDATE dbo.counters SET value = value + CASE WHEN name = CONCAT('messages:', @status) THEN 1 ELSE -1 END
  WHERE name IN ('messages:leased', CONCAT('messages:', @status), CASE WHEN @status <> 'queued' THEN CONCAT('mailbox:', @receiverNo) END)
    AND slot = @@SPID % 8;
  IF @@ROWCOUNT <> CASE WHEN @status = 'queued' THEN 2 ELSE 3 END BEGIN ROLLBACK TRANSACTION; RETURN 1; END;
  COMMIT TRANSACTION;
END;
-- An accepted call counts as a heartbeat.
IF @stale = 1 AND @code IS NULL AND @status NOT IN ('lease_lost', 'not_found')
  UPDATE h SET last_heartbeat_at = @now FROM dbo.agent_heartbeats AS h
  WHERE h.agent_no = @agentNo AND h.beating = 1 AND h.last_heartbeat_at < @now - COALESCE(h.renewal_milliseconds, @renewalMilliseconds);
SELECT 0 AS item, 0 AS n, @code AS code, @status AS status, @inactive AS inactive;
SELECT r.agent_id AS woken FROM dbo.agents AS r WHERE r.agent_no = @receiverNo AND @acts = 1 AND @status = 'queued';
