-- A claim of all types that travels alone: as claim-messages, with variables and no table of them. What it takes it writes at once, and
-- reads it by its claim id. Recordsets and `upkeep` as there. Table order: messages, counters; then agent_heartbeats, after the commit.
CREATE PROCEDURE release.claim_one_mailbox
  @items nvarchar(max),
  @renewalMilliseconds int,
  @auditMessages bit,
  @clockOffset bigint
AS
-- include: parts/prologue.sql
DECLARE @mailboxNo int, @memberNo int, @holder varchar(128), @maxMessages int, @maxBytes bigint, @lease bigint, @claimId varchar(128), @code varchar(24),
  @ready int, @overdue int, @dueBeat int, @inactive bit, @picked int, @left int, @expired int = 0, @lost int;
IF @auditMessages = 1
BEGIN
  EXEC @lost = release.claim_messages @items, @renewalMilliseconds, @auditMessages, 0, @clockOffset;
  RETURN @lost;
END;
SELECT @mailboxNo = c.mailbox_no, @memberNo = c.member_no, @holder = c.holder, @maxMessages = c.max_messages, @maxBytes = c.max_bytes,
  @lease = c.lease, @claimId = c.claim_id, @code = c.code, @ready = c.ready, @overdue = c.overdue, @dueBeat = c.due_beat, @inactive = c.inactive
FROM (
-- include: parts/find-claims.sql
) AS c
OPTION (LOOP JOIN, FORCE ORDER);
IF @ready = 1 AND @overdue = 0
BEGIN
  BEGIN TRANSACTION;
  UPDATE m SET status = 'leased', attempt = m.attempt + 1, lease_expires_at = @now + @lease, claim_id = @claimId, settlement = NULL, holder = @holder
  FROM (
  -- include: parts/heads-of-streams.sql
  --   claims = (SELECT 0 AS item, @mailboxNo AS mailbox_no, @maxMessages AS max_messages, @maxBytes AS max_bytes)
  ) AS h
  JOIN dbo.messages AS m WITH (UPDLOCK, READPAST, ROWLOCK, READCOMMITTEDLOCK) ON m.arrival = h.arrival
  WHERE h.expired = 0 AND m.status = 'queued' AND m.held = 0 AND m.available_at <= @now
  OPTION (LOOP JOIN, FORCE ORDER);
  SET @picked = @@ROWCOUNT;
  -- Nothing: because nothing is due, because something has expired, or because another claim was faster and there is more.
  IF @picked = 0
  BEGIN
    -- include: parts/read-time-anew.sql
    SELECT @left = COUNT(*), @expired = COALESCE(MAX(h.expired), 0)
    FROM (
    -- include: parts/heads-of-streams.sql
    --   claims = (SELECT 0 AS item, @mailboxNo AS mailbox_no, @maxMessages AS max_messages, @maxBytes AS max_bytes)
    ) AS h
    OPTION (LOOP JOIN, FORCE ORDER);
    IF @left > 0 AND @expired = 0 BEGIN ROLLBACK TRANSACTION; RETURN 1; END;
  END;
  IF @picked > 0
    UPDATE dbo.counters SET value = value + CASE name WHEN 'messages:leased' THEN @picked ELSE -@picked END
    WHERE name IN ('messages:leased', 'messages:queued') AND slot = @@SPID % 8;
  COMMIT TRANSACTION;
END;
-- An accepted claim counts as a heartbeat.
IF @dueBeat = 1
  UPDATE h SET last_heartbeat_at = @now FROM dbo.agent_heartbeats AS h
  WHERE h.agent_no = @memberNo AND h.beating = 1 AND h.last_heartbeat_at < @now - COALESCE(h.renewal_milliseconds, @renewalMilliseconds);
SELECT 0 AS item, @code AS code, @inactive AS inactive, CASE WHEN @overdue = 1 OR @expired = 1 THEN 1 ELSE 0 END AS upkeep;
-- include: parts/claimed-messages.sql
--   claims = (SELECT 0 AS item, @mailboxNo AS mailbox_no, @claimId AS claim_id, @holder AS holder)
