-- The messages, their keys and their counts.
DECLARE @settled int, @keyed int, @stale int;
SELECT @settled = COALESCE(SUM(CAST(acts AS int)), 0), @keyed = SUM(CASE WHEN acts = 1 AND ordering_key IS NOT NULL
  AND status <> 'queued' THEN 1 ELSE 0 END), @stale = SUM(CAST(stale AS int)) FROM @settles;
IF @settled > 0
BEGIN
  BEGIN TRANSACTION;
  IF @keyed > 0
  BEGIN
    DECLARE @deliverable TABLE (agent_no int NOT NULL);
    -- How many messages of which ordering keys end.
    DECLARE @ended_keys TABLE (receiver_no int NOT NULL, ordering_key varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL, ended int NOT NULL,
      PRIMARY KEY (receiver_no, ordering_key));
    DECLARE @endedKeys int;
    INSERT INTO @ended_keys (receiver_no, ordering_key, ended)
        SELECT s.receiver_no, s.ordering_key, COUNT(*) FROM @settles AS s
        WHERE s.acts = 1 AND s.ordering_key IS NOT NULL AND s.status <> 'queued' GROUP BY s.receiver_no, s.ordering_key;
    -- include: parts/leave-keys.sql
  END;
  UPDATE m SET status = s.status, lease_expires_at = NULL, claim_id = NULL, available_at = s.available_at,
    ended_at = CASE WHEN s.status = 'queued' THEN NULL ELSE @now END, settlement = s.settlement, reason = COALESCE(s.reason, m.reason)
  FROM @settles AS s JOIN dbo.messages AS m ON m.arrival = s.arrival
  WHERE s.acts = 1 AND m.status = 'leased' AND m.attempt = s.attempt
  OPTION (LOOP JOIN, FORCE ORDER);
  IF @@ROWCOUNT <> @settled BEGIN ROLLBACK TRANSACTION; RETURN 1; END;
  IF @auditMessages = 1
INSERT INTO audit.entries (at, actor, action, subject_kind, subject_id, detail)
SELECT @now, COALESCE(COALESCE((SELECT CAST(JSON_VALUE(i.value, '$.actor') AS varchar(128)) FROM OPENJSON(@items) AS i
    WHERE CAST(i.[key] AS int) = s.item) COLLATE Latin1_General_100_BIN2, a.agent_id), 'system'), 'message.settled', 'message', m.message_id, CONCAT('{"attempt":' + CAST(s.attempt AS varchar(20)), ',"agentId":"' + a.agent_id + '"', ',"status":"' + s.status + '"', '}')
FROM @settles AS s JOIN dbo.messages AS m ON m.arrival = s.arrival JOIN dbo.agents AS a ON a.agent_no = s.agent_no
  WHERE s.acts = 1 ORDER BY s.place
  OPTION (LOOP JOIN, FORCE ORDER);
  IF @keyed > 0
  BEGIN
    -- include: parts/free-next-of-keys.sql
    UPDATE s SET wakes = 1 FROM @settles AS s JOIN @deliverable AS d ON d.agent_no = s.receiver_no;
  END;
  UPDATE c SET value = c.value + d.delta
  FROM (SELECT CONCAT('mailbox:', s.receiver_no) AS name, -COUNT(*) AS delta FROM @settles AS s
      WHERE s.acts = 1 AND s.status <> 'queued' GROUP BY s.receiver_no
    UNION ALL SELECT CONCAT('messages:', s.status), COUNT(*) FROM @settles AS s WHERE s.acts = 1 GROUP BY s.status
    UNION ALL SELECT 'messages:leased', -@settled) AS d
  JOIN dbo.counters AS c ON c.name = d.name AND c.slot = @@SPID % 8
  OPTION (LOOP JOIN, FORCE ORDER);
  IF @@ROWCOUNT <> (SELECT COUNT(DISTINCT s.status) + COUNT(DISTINCT CASE WHEN s.status <> 'queued' THEN s.receiver_no END) + 1
    FROM @settles AS s WHERE s.acts = 1)
BEGIN ROLLBACK TRANSACTION; RETURN 1; END;
  COMMIT TRANSACTION;
END;
