-- The settlements of all calls with the messages that they name. acts: of the current attempt of the mailbox's own
-- agent, or of the member that holds a channel's message, and leased, so it settles. status is the answer; the repeat
-- of an earlier settlement gets that one's.
DECLARE @settles TABLE (place int NOT NULL PRIMARY KEY, item int NOT NULL, agent_no int NULL, receiver_no int NULL,
  arrival bigint NULL, attempt int NOT NULL, outcome varchar(24) COLLATE Latin1_General_100_BIN2 NOT NULL, acts bit NOT NULL, status varchar(24) COLLATE Latin1_General_100_BIN2 NOT NULL,
  settlement varchar(24) COLLATE Latin1_General_100_BIN2 NULL, available_at bigint NULL, reason nvarchar(max) NULL, ordering_key varchar(128) COLLATE Latin1_General_100_BIN2 NULL, code varchar(24) COLLATE Latin1_General_100_BIN2 NULL,
  stale bit NOT NULL, inactive bit NOT NULL, wakes bit NOT NULL);
INSERT INTO @settles (place, item, agent_no, receiver_no, arrival, attempt, outcome, acts, status, settlement, available_at, reason,
  ordering_key, code, stale, inactive, wakes)
SELECT i.[key] * 100 /* SETTLE_MAX */ + x.n, i.[key], a.agent_no, m.receiver_no, m.arrival, x.attempt, x.outcome, f.acts,
  CASE WHEN f.acts = 1 THEN t.becomes
    WHEN m.arrival IS NULL THEN 'not_found'
    WHEN m.attempt <> x.attempt OR (m.receiver_no <> a.agent_no AND (m.holder IS NULL OR m.holder <> a.agent_id)) THEN 'lease_lost'
    WHEN m.settlement = 'task_ended' THEN 'completed'
    WHEN m.settlement = 'complete' AND x.outcome = 'complete' THEN 'completed'
    WHEN m.settlement = 'retry_queued' AND x.outcome = 'retry' THEN 'queued'
    WHEN m.settlement = 'retry_dead_lettered' AND x.outcome = 'retry' THEN 'dead_lettered'
    WHEN m.settlement = 'dead_letter' AND x.outcome = 'dead_letter' THEN 'dead_lettered'
    ELSE 'lease_lost' END,
  CASE WHEN x.outcome <> 'retry' THEN x.outcome WHEN t.becomes = 'queued' THEN 'retry_queued' ELSE 'retry_dead_lettered' END,
  CASE WHEN t.becomes = 'queued' AND x.delay > 0 THEN @now + x.delay ELSE m.available_at END,
  CASE WHEN x.outcome = 'retry' AND t.becomes = 'dead_lettered' THEN COALESCE(REPLACE(REPLACE(REPLACE(REPLACE(REPLACE(x.reason COLLATE Latin1_General_100_BIN2, NCHAR(64976), NCHAR(34)), NCHAR(64977), NCHAR(92)), NCHAR(64978), NCHAR(10)), NCHAR(64979), NCHAR(13)), NCHAR(64980), NCHAR(9)), N'MAX_ATTEMPTS')
    ELSE REPLACE(REPLACE(REPLACE(REPLACE(REPLACE(x.reason COLLATE Latin1_General_100_BIN2, NCHAR(64976), NCHAR(34)), NCHAR(64977), NCHAR(92)), NCHAR(64978), NCHAR(10)), NCHAR(64979), NCHAR(13)), NCHAR(64980), NCHAR(9)) END,
  m.ordering_key,
  CASE WHEN a.agent_no IS NULL THEN 'AGENT_NOT_FOUND' WHEN a.status = 'deregistered' THEN 'AGENT_DEREGISTERED' END,
  CASE WHEN h.last_heartbeat_at < @now - COALESCE(h.renewal_milliseconds, @renewalMilliseconds) THEN 1 ELSE 0 END, CASE WHEN a.status = 'inactive' THEN 1 ELSE 0 END, 0
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
OPTION (LOOP JOIN, FORCE ORDER);
