-- The messages of @items with what is known of them; the columns of read-sends.
SELECT i.[key] * 100 /* BATCH_MAX_MESSAGES */ + x.n AS place, i.[key] AS item, x.message_id, s.agent_no AS sender_no, r.agent_no AS receiver_no, x.receiver, x.type, x.priority,
  v.available_at, @now + x.ttl AS expires_at, x.max_attempts, x.correlation_id,
  x.reply_to, x.ordering_key, x.idempotency_key, x.request_hash, x.payload_bytes, s.role AS sender_role, x.credential AS sender_credential,
  x.key_version, x.traceparent, COALESCE(k.request_hash, d.request_hash) AS known_hash, e.repeat_of, b.depth, w.own, f.refusal,
  CASE WHEN e.repeat_of IS NULL AND f.refusal IS NULL THEN 1 ELSE 0 END AS accepted, 0 AS held, CASE WHEN x.ordering_key COLLATE Latin1_General_100_BIN2 IS NOT NULL AND (v.available_at > @now OR EXISTS (SELECT 1 FROM dbo.messages AS w
    WHERE w.receiver_no = r.agent_no AND w.ordering_key = x.ordering_key COLLATE Latin1_General_100_BIN2 AND w.joined = 0 AND w.status = 'queued' AND w.available_at <= @now)) THEN 0 ELSE 1 END AS joined,
  CASE WHEN s.status = 'inactive' THEN 1 ELSE 0 END AS wakes
FROM OPENJSON(@items) AS i
CROSS APPLY OPENJSON(i.value, '$.messages') WITH (n int, message_id varchar(128), sender varchar(128), receiver varchar(128), type varchar(64),
  priority tinyint, deliver_at bigint, delay bigint, ttl bigint, max_attempts int, correlation_id varchar(128),
  reply_to varchar(128), ordering_key varchar(128), idempotency_key varchar(64), request_hash varchar(64), twin bit,
  twin_refusal varchar(24), payload_bytes int, credential varchar(24),
  key_version varchar(64), traceparent varchar(55)) AS x
LEFT JOIN dbo.agents AS s ON s.agent_id = x.sender COLLATE Latin1_General_100_BIN2
LEFT JOIN dbo.agents AS r ON r.agent_id = x.receiver COLLATE Latin1_General_100_BIN2
LEFT JOIN dbo.messages AS k ON k.idempotency_key = x.idempotency_key COLLATE Latin1_General_100_BIN2 AND k.idempotency_key IS NOT NULL
LEFT JOIN dbo.messages AS d ON d.message_id = x.message_id COLLATE Latin1_General_100_BIN2
OUTER APPLY (SELECT SUM(c.value) AS depth FROM dbo.counters AS c WHERE c.name = CONCAT('mailbox:', r.agent_no)) AS b
OUTER APPLY (SELECT CASE WHEN b.depth * 2 > @maxMailbox THEN (SELECT COUNT(*) FROM (
  SELECT TOP (@share + 1) m.arrival FROM dbo.messages AS m
  WHERE m.receiver_no = r.agent_no AND m.sender_no = s.agent_no AND m.status IN ('queued', 'leased')) AS y) END AS own) AS w
CROSS APPLY (SELECT CASE WHEN x.deliver_at > @now THEN x.deliver_at ELSE @now + x.delay END AS available_at) AS v
CROSS APPLY (SELECT CASE WHEN x.twin = 1 THEN x.message_id COLLATE Latin1_General_100_BIN2 ELSE COALESCE(k.message_id, d.message_id) END AS repeat_of) AS e
CROSS APPLY (SELECT CASE
  WHEN k.arrival IS NULL AND d.arrival IS NULL AND x.twin_refusal IS NOT NULL THEN x.twin_refusal COLLATE Latin1_General_100_BIN2
  WHEN s.agent_no IS NULL THEN 'SENDER_UNKNOWN'
  WHEN s.status = 'deregistered' THEN 'SENDER_LEFT'
  -- The key is looked up first: it names the caller's intent.
WHEN k.arrival IS NOT NULL THEN CASE WHEN k.request_hash <> x.request_hash COLLATE Latin1_General_100_BIN2 THEN 'KEY_MISMATCH' END
WHEN d.arrival IS NOT NULL THEN CASE WHEN d.sender_no IS NULL OR d.sender_no <> s.agent_no THEN 'ID_TAKEN'
  WHEN d.request_hash <> x.request_hash COLLATE Latin1_General_100_BIN2 THEN 'ID_MISMATCH' END
-- A repeat gets the first result even when the receiver has gone since.
WHEN r.agent_no IS NULL THEN 'RECEIVER_UNKNOWN'
WHEN x.receiver LIKE '#%' AND NOT EXISTS (SELECT 1 FROM dbo.channels AS q WHERE q.channel_no = r.agent_no
  AND q.kind = 'work_queue') THEN 'RECEIVER_UNKNOWN'
WHEN r.status = 'deregistered' THEN 'RECEIVER_LEFT'
WHEN x.twin = 0 AND b.depth >= @maxMailbox THEN 'MAILBOX_FULL' WHEN x.twin = 0 AND w.own > @share THEN 'SHARE_USED' END AS refusal) AS f
