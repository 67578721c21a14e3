-- Leases due messages by rank, then arrival: as many and as large as each claim may take; the first is never held back.
-- A claim names its agent's own mailbox, or a work queue (`channel`) of which the agent is to get leases. Its id says
-- what an earlier try has leased whose answer was lost. `upkeep`: the claim has met ended leases, messages that are to
-- join their ordering keys, or expired ones, and has taken nothing: claim-messages-after-upkeep comes next.
-- Recordsets: item, code, inactive, upkeep; the messages of each item.
-- Table order: messages, counters; then agent_heartbeats, after the commit.
CREATE PROCEDURE release.claim_messages
  @items nvarchar(max),
  @renewalMilliseconds int,
  @auditMessages bit,
  @tended bit,
  @clockOffset bigint
AS
-- include: parts/prologue.sql
-- `mailbox_no`: of the agent or the queue. `holder`: who holds what is leased from a queue. `ready`: may lease now.
-- `overdue`: something has to be worked off first.
DECLARE @claims TABLE (item int NOT NULL PRIMARY KEY, mailbox_no int NULL, member_no int NULL,
  holder varchar(128) COLLATE Latin1_General_100_BIN2 NULL, max_messages int NOT NULL, max_bytes bigint NOT NULL,
  lease bigint NOT NULL, types nvarchar(max) NULL, claim_id varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL,
  code varchar(24) COLLATE Latin1_General_100_BIN2 NULL, ready bit NOT NULL, overdue bit NOT NULL, due_beat bit NOT NULL,
  inactive bit NOT NULL);
INSERT INTO @claims (item, mailbox_no, member_no, holder, max_messages, max_bytes, lease, types, claim_id, code, ready,
  overdue, due_beat, inactive)
-- include: parts/find-claims.sql
OPTION (LOOP JOIN, FORCE ORDER);

-- The due heads of each mailbox's streams, one per priority, merged by rank; read from the index alone, so the cost does
-- not grow with what is delayed, held, leased or done. Two claims of one mailbox pass over each other's rows instead of
-- waiting (READPAST needs READCOMMITTEDLOCK under row versions). A claim that meets an expired message takes nothing:
-- that has to be recorded first, since it may free the next of its key.
DECLARE @heads TABLE (arrival bigint NOT NULL PRIMARY KEY, item int NOT NULL, expired bit NOT NULL);
DECLARE @picked int;
BEGIN TRANSACTION;
IF EXISTS (SELECT 1 FROM @claims AS c WHERE c.types IS NULL)
  INSERT INTO @heads (arrival, item, expired)
  -- include: parts/heads-of-streams.sql
  --   claims = (SELECT y.item, y.mailbox_no, y.max_messages, y.max_bytes FROM @claims AS y
  --     WHERE y.types IS NULL AND y.ready = 1 AND (y.overdue = 0 OR @tended = 1))
  OPTION (LOOP JOIN, FORCE ORDER);
-- By type there is a stream for each type and priority.
IF EXISTS (SELECT 1 FROM @claims AS c WHERE c.types IS NOT NULL)
  INSERT INTO @heads (arrival, item, expired)
  SELECT r.arrival, r.item, r.expired
  FROM (SELECT h.arrival, c.item, c.max_messages, c.max_bytes,
      ROW_NUMBER() OVER (PARTITION BY c.item ORDER BY h.rank, h.arrival) AS nth,
      SUM(CAST(h.payload_bytes AS bigint)) OVER (PARTITION BY c.item ORDER BY h.rank, h.arrival ROWS UNBOUNDED PRECEDING) AS bytes,
      MAX(CASE WHEN h.expires_at <= @now THEN 1 ELSE 0 END) OVER (PARTITION BY c.item) AS expired
    FROM @claims AS c CROSS JOIN (VALUES (0, 0), (1, 60000), (2, 600000), (3, 3600000)) AS p (priority, head_start)
    CROSS APPLY OPENJSON(c.types) AS t
    CROSS APPLY (SELECT TOP (c.max_messages) m.arrival, m.available_at - p.head_start AS rank, m.expires_at, m.payload_bytes
      FROM dbo.messages AS m WITH (UPDLOCK, READPAST, ROWLOCK, READCOMMITTEDLOCK)
      WHERE m.receiver_no = c.mailbox_no AND m.held = 0 AND m.status = 'queued' AND m.priority = p.priority
        AND m.type = CAST(t.value AS varchar(64)) COLLATE Latin1_General_100_BIN2 AND m.available_at <= @now
      ORDER BY m.available_at, m.arrival) AS h
    WHERE c.ready = 1 AND (c.overdue = 0 OR @tended = 1)) AS r
  WHERE r.nth <= r.max_messages AND (r.nth = 1 OR (r.bytes <= r.max_bytes
    AND r.bytes + r.nth * 5120 /* MESSAGE_FIELDS_BYTES */ <= 4194304 /* REPLY_MAX_BYTES */))
  OPTION (LOOP JOIN, FORCE ORDER);

SET @picked = (SELECT COUNT(*) FROM @heads WHERE expired = 0);
IF @picked > 0
BEGIN
  UPDATE m SET status = 'leased', attempt = m.attempt + 1, lease_expires_at = @now + c.lease, claim_id = c.claim_id,
    settlement = NULL, holder = c.holder
  FROM @heads AS h JOIN @claims AS c ON c.item = h.item
  JOIN dbo.messages AS m WITH (UPDLOCK, READPAST, ROWLOCK, READCOMMITTEDLOCK) ON m.arrival = h.arrival
  WHERE h.expired = 0 AND m.status = 'queued' AND m.held = 0 AND m.available_at <= @now
  OPTION (LOOP JOIN, FORCE ORDER);
  IF @@ROWCOUNT <> @picked BEGIN ROLLBACK TRANSACTION; RETURN 1; END;
  IF @auditMessages = 1
    INSERT INTO audit.entries (at, actor, action, subject_kind, subject_id, detail)
    SELECT @now, COALESCE((SELECT CAST(JSON_VALUE(i.value, '$.actor') AS varchar(128)) FROM OPENJSON(@items) AS i
        WHERE CAST(i.[key] AS int) = h.item) COLLATE Latin1_General_100_BIN2, a.agent_id),
      'message.received', 'message', m.message_id,
      CONCAT('{"attempt":' + CAST(m.attempt AS varchar(20)), ',"agentId":"' + a.agent_id + '"', '}')
    FROM @heads AS h JOIN @claims AS c ON c.item = h.item JOIN dbo.messages AS m ON m.arrival = h.arrival
    JOIN dbo.agents AS a ON a.agent_no = c.member_no WHERE h.expired = 0 ORDER BY h.arrival
    OPTION (LOOP JOIN, FORCE ORDER);
  UPDATE dbo.counters SET value = value + CASE name WHEN 'messages:leased' THEN @picked ELSE -@picked END
  WHERE name IN ('messages:leased', 'messages:queued') AND slot = @@SPID % 8;
END;
COMMIT TRANSACTION;

-- An accepted claim counts as a heartbeat.
IF EXISTS (SELECT 1 FROM @claims WHERE due_beat = 1)
  UPDATE h SET last_heartbeat_at = @now
  FROM @claims AS c JOIN dbo.agent_heartbeats AS h ON h.agent_no = c.member_no
  WHERE c.due_beat = 1 AND h.beating = 1 AND h.last_heartbeat_at < @now - COALESCE(h.renewal_milliseconds, @renewalMilliseconds);

SELECT c.item, c.code, c.inactive, CASE WHEN (c.overdue = 1 AND @tended = 0) OR EXISTS (SELECT 1 FROM @heads AS h
  WHERE h.item = c.item AND h.expired = 1) THEN 1 ELSE 0 END AS upkeep FROM @claims AS c;
-- include: parts/claimed-messages.sql
--   claims = @claims
