-- The settlements of @items with the messages that they name; the columns of settle-messages-read.
SELECT i.[key] * 100 /* SETTLE_MAX */ + x.n AS place, i.[key] AS item, a.agent_no, m.receiver_no, m.arrival, x.attempt, x.outcome, f.acts,
  CASE WHEN f.acts = 1 THEN t.becomes
    WHEN m.arrival IS NULL THEN 'not_found'
    WHEN m.attempt <> x.attempt OR (m.receiver_no <> a.agent_no AND (m.holder IS NULL OR m.holder <> a.agent_id)) THEN 'lease_lost'
    WHEN m.settlement = 'task_ended' THEN 'completed'
    WHEN m.settlement = 'complete' AND x.outcome = 'complete' THEN 'completed'
    WHEN m.settlement = 'retry_queued' AND x.outcome = 'retry' THEN 'queued'
    WHEN m.settlement = 'retry_dead_lettered' AND x.outcome = 'retry' THEN 'dead_lettered'
    WHEN m.settlement = 'dead_letter' AND x.outcome = 'dead_letter' THEN 'dead_lettered'
    ELSE 'lease_lost' END AS status,
  CASE WHEN x.outcome <> 'retry' THEN x.outcome WHEN t.becomes = 'queued' THEN 'retry_queued' ELSE 'retry_dead_lettered' END AS settlement,
  CASE WHEN t.becomes = 'queued' AND x.delay > 0 THEN @now + x.delay ELSE m.available_at END AS available_at,
  CASE WHEN x.outcome = 'retry' AND t.becomes = 'dead_lettered' THEN COALESCE(REPLACE(REPLACE(REPLACE(REPLACE(REPLACE(x.reason COLLATE Latin1_General_100_BIN2, NCHAR(64976), NCHAR(34)), NCHAR(64977), NCHAR(92)), NCHAR(64978), NCHAR(10)), NCHAR(64979), NCHAR(13)), NCHAR(64980), NCHAR(9)), N'MAX_ATTEMPTS')
    ELSE REPLACE(REPLACE(REPLACE(REPLACE(REPLACE(x.reason COLLATE Latin1_General_100_BIN2, NCHAR(64976), NCHAR(34)), NCHAR(64977), NCHAR(92)), NCHAR(64978), NCHAR(10)), NCHAR(64979), NCHAR(13)), NCHAR(64980), NCHAR(9)) END AS reason,
  m.ordering_key,
  CASE WHEN a.agent_no IS NULL THEN 'AGENT_NOT_FOUND' WHEN a.status = 'deregistered' THEN 'AGENT_DEREGISTERED' END AS code,
  CASE WHEN h.last_heartbeat_at < @now - COALESCE(h.renewal_milliseconds, @renewalMilliseconds) THEN 1 ELSE 0 END AS stale,
  CASE WHEN a.status = 'inactive' THEN 1 ELSE 0 END AS inactive, 0 AS wakes
FROM OPENJSON(@items) AS i
CROSS APPLY OPENJSON(i.value, '$.settlements') WITH (n int, message_id varchar(128), attempt int, outcome varchar(24), delay bigint,
  reason nvarchar(max)) AS x
LEFT JOIN dbo.agents AS a ON a.agent_id = CAST(JSON_VALUE(i.value, '$.agent_id') AS varchar(128)) COLLATE Latin1_General_100_BIN2
LEFT JOIN dbo.agent_heartbeats AS h ON h.agent_no = a.agent_no
LEFT JOIN dbo.messages AS m ON m.message_id = x.message_id COLLATE Latin1_General_100_BIN2
CROSS APPLY (SELECT CASE WHEN x.outcome = 'complete' THEN 'completed' WHEN x.outcome = 'dead_letter' OR m.attempt >= m.attempt_limit
  THEN 'dead_lettered' ELSE 'queued' END AS becomes) AS t
CROSS APPLY (SELECT CASE WHEN a.status <> 'deregistered' AND (m.receiver_no = a.agent_no OR m.holder = a.agent_id)
  AND m.attempt = x.attempt AND m.status = 'leased' THEN 1 ELSE 0 END AS acts) AS f
