-- Renews the leases of messages for their holders, by attempt.
CREATE PROCEDURE release.renew_leases
  @items nvarchar(max),
  @renewalMilliseconds int,
  @clockOffset bigint
AS
-- include: parts/prologue.sql
DECLARE @renewals TABLE (item int NOT NULL PRIMARY KEY, agent_no int NULL, arrival bigint NULL, attempt int NOT NULL,
  lease_expires_at bigint NOT NULL, answer varchar(24) COLLATE Latin1_General_100_BIN2 NULL, code varchar(24) COLLATE Latin1_General_100_BIN2 NULL, stale bit NOT NULL, inactive bit NOT NULL);
INSERT INTO @renewals (item, agent_no, arrival, attempt, lease_expires_at, answer, code, stale, inactive)
SELECT x.item, a.agent_no, m.arrival, x.attempt, @now + x.lease,
  CASE WHEN k.holds = 1
    THEN CASE WHEN m.settlement = 'task_ended' THEN 'completed' WHEN m.status = 'leased' THEN 'leased' END END,
  CASE WHEN a.agent_no IS NULL THEN 'AGENT_NOT_FOUND' WHEN a.status = 'deregistered' THEN 'AGENT_DEREGISTERED'
    WHEN m.arrival IS NULL THEN 'MESSAGE_NOT_FOUND'
    WHEN k.holds = 1 AND (m.settlement = 'task_ended' OR m.status = 'leased') THEN NULL
    ELSE 'LEASE_LOST' END,
  CASE WHEN h.last_heartbeat_at < @now - @renewalMilliseconds THEN 1 ELSE 0 END, CASE WHEN a.status = 'inactive' THEN 1 ELSE 0 END
FROM OPENJSON(@items) WITH (item int, agent_id varchar(128), message_id varchar(128), attempt int, lease bigint, reader varchar(128)) AS x
LEFT JOIN dbo.agents AS a ON a.agent_id = x.agent_id COLLATE Latin1_General_100_BIN2
LEFT JOIN dbo.agent_heartbeats AS h ON h.agent_no = a.agent_no
LEFT JOIN dbo.messages AS m ON m.message_id = x.message_id COLLATE Latin1_General_100_BIN2
-- The mailbox's own, or the holder of a work queue's message, who must still be allowed to read the queue where that is asked.
CROSS APPLY (SELECT CASE WHEN m.attempt = x.attempt AND (m.receiver_no = a.agent_no OR (m.holder = a.agent_id AND (x.reader IS NULL
    OR EXISTS (SELECT 1 FROM dbo.channel_members AS cm WHERE cm.channel_no = m.receiver_no AND cm.agent_no = a.agent_no)
    OR EXISTS (SELECT 1 FROM dbo.channel_grants AS cg WHERE cg.channel_no = m.receiver_no
      AND cg.grantee IN (a.agent_id, x.reader COLLATE Latin1_General_100_BIN2) AND cg.may_read = 1)))) THEN 1 ELSE 0 END AS holds) AS k
OPTION (LOOP JOIN, FORCE ORDER);
DECLARE @renewed int = (SELECT COUNT(*) FROM @renewals WHERE code IS NULL AND answer = 'leased');
IF @renewed > 0
BEGIN
  BEGIN TRANSACTION;
  UPDATE m SET lease_expires_at = r.lease_expires_at
  FROM @renewals AS r JOIN dbo.messages AS m ON m.arrival = r.arrival
  WHERE r.code IS NULL AND r.answer = 'leased' AND m.status = 'leased' AND m.attempt = r.attempt
  OPTION (LOOP JOIN, FORCE ORDER);
  IF @@ROWCOUNT <> @renewed BEGIN ROLLBACK TRANSACTION; RETURN 1; END;
  COMMIT TRANSACTION;
  UPDATE h SET last_heartbeat_at = @now
  FROM @renewals AS r JOIN dbo.agent_heartbeats AS h ON h.agent_no = r.agent_no
  WHERE r.stale = 1 AND r.code IS NULL AND r.answer = 'leased' AND h.beating = 1
    AND h.last_heartbeat_at < @now - @renewalMilliseconds;
END;
SELECT r.item, r.code, r.answer, r.lease_expires_at, r.inactive FROM @renewals AS r;
