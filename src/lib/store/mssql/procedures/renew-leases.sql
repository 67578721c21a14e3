-- Renews the leases of messages for their holders, by attempt. First it writes, then it reads what each message is: one that
-- is leased in the caller's attempt has been renewed. So nothing has to be kept between the two, and no race can be lost.
CREATE PROCEDURE release.renew_leases
  @items nvarchar(max),
  @renewalMilliseconds int,
  @clockOffset bigint
AS
-- include: parts/prologue.sql
UPDATE m SET lease_expires_at = @now + x.lease
FROM OPENJSON(@items) WITH (item int, agent_id varchar(128), message_id varchar(128), attempt int, lease bigint, reader varchar(128)) AS x
JOIN dbo.agents AS a ON a.agent_id = x.agent_id COLLATE Latin1_General_100_BIN2
JOIN dbo.messages AS m ON m.message_id = x.message_id COLLATE Latin1_General_100_BIN2
WHERE a.status <> 'deregistered' AND m.status = 'leased' AND m.attempt = x.attempt 
  -- The mailbox's own, or the holder of a work queue's message, who must still be allowed to read the queue where that is asked.
  AND (m.receiver_no = a.agent_no OR (m.holder = a.agent_id AND (x.reader IS NULL
    OR EXISTS (SELECT 1 FROM dbo.channel_members AS cm WHERE cm.channel_no = m.receiver_no AND cm.agent_no = a.agent_no)
    OR EXISTS (SELECT 1 FROM dbo.channel_grants AS cg WHERE cg.channel_no = m.receiver_no
      AND cg.grantee IN (a.agent_id, x.reader COLLATE Latin1_General_100_BIN2) AND cg.may_read = 1))))
OPTION (LOOP JOIN, FORCE ORDER);
-- A renewal counts as a heartbeat.
IF @@ROWCOUNT > 0
  UPDATE h SET last_heartbeat_at = @now
  FROM OPENJSON(@items) WITH (item int, agent_id varchar(128), message_id varchar(128), attempt int, lease bigint) AS x
  JOIN dbo.agents AS a ON a.agent_id = x.agent_id COLLATE Latin1_General_100_BIN2
  JOIN dbo.agent_heartbeats AS h ON h.agent_no = a.agent_no
  WHERE h.beating = 1 AND h.last_heartbeat_at < @now - COALESCE(h.renewal_milliseconds, @renewalMilliseconds)
    AND EXISTS (SELECT 1 FROM dbo.messages AS m WHERE m.message_id = x.message_id COLLATE Latin1_General_100_BIN2
      AND m.status = 'leased' AND m.attempt = x.attempt AND m.lease_expires_at = @now + x.lease)
  OPTION (LOOP JOIN, FORCE ORDER);
SELECT x.item, CASE WHEN a.agent_no IS NULL THEN 'AGENT_NOT_FOUND' WHEN a.status = 'deregistered' THEN 'AGENT_DEREGISTERED'
    WHEN m.arrival IS NULL THEN 'MESSAGE_NOT_FOUND'
    WHEN k.holds = 1 AND (m.settlement = 'task_ended' OR m.status = 'leased') THEN NULL
    ELSE 'LEASE_LOST' END AS code,
  CASE WHEN m.settlement = 'task_ended' THEN 'completed' ELSE 'leased' END AS answer, m.lease_expires_at,
  CASE WHEN a.status = 'inactive' THEN 1 ELSE 0 END AS inactive
FROM OPENJSON(@items) WITH (item int, agent_id varchar(128), message_id varchar(128), attempt int, lease bigint, reader varchar(128)) AS x
LEFT JOIN dbo.agents AS a ON a.agent_id = x.agent_id COLLATE Latin1_General_100_BIN2
LEFT JOIN dbo.messages AS m ON m.message_id = x.message_id COLLATE Latin1_General_100_BIN2
CROSS APPLY (SELECT CASE WHEN m.attempt = x.attempt AND (m.receiver_no = a.agent_no OR (m.holder = a.agent_id AND (x.reader IS NULL
    OR EXISTS (SELECT 1 FROM dbo.channel_members AS cm WHERE cm.channel_no = m.receiver_no AND cm.agent_no = a.agent_no)
    OR EXISTS (SELECT 1 FROM dbo.channel_grants AS cg WHERE cg.channel_no = m.receiver_no
      AND cg.grantee IN (a.agent_id, x.reader COLLATE Latin1_General_100_BIN2) AND cg.may_read = 1)))) THEN 1 ELSE 0 END AS holds) AS k
OPTION (LOOP JOIN, FORCE ORDER);
