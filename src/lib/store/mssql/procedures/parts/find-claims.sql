-- The claims of @items with the mailboxes that they name; the columns of claim-messages.
SELECT x.item, b.mailbox_no, a.agent_no AS member_no, CASE WHEN x.channel IS NOT NULL THEN x.agent_id END AS holder, x.max_messages, x.max_bytes,
  x.lease, x.types, x.claim_id,
  CASE WHEN a.agent_no IS NULL THEN 'AGENT_NOT_FOUND' WHEN a.status = 'deregistered' THEN 'AGENT_DEREGISTERED'
    WHEN b.mailbox_no IS NULL THEN 'CHANNEL_NOT_FOUND' END AS code,
  CASE WHEN a.status <> 'deregistered' AND r.arrival IS NULL AND b.mailbox_no IS NOT NULL THEN 1 ELSE 0 END AS ready,
  CASE WHEN a.status <> 'deregistered' AND r.arrival IS NULL AND (EXISTS (SELECT 1 FROM dbo.messages AS m
      WHERE m.receiver_no = b.mailbox_no AND m.status = 'leased' AND m.lease_expires_at <= @now)
    OR EXISTS (SELECT 1 FROM dbo.messages AS m WHERE m.receiver_no = b.mailbox_no AND m.joined = 0 AND m.status = 'queued'
      AND m.available_at <= @now)) THEN 1 ELSE 0 END AS overdue,
  CASE WHEN a.status <> 'deregistered' AND h.last_heartbeat_at < @now - COALESCE(h.renewal_milliseconds, @renewalMilliseconds) AND b.mailbox_no IS NOT NULL
    THEN 1 ELSE 0 END AS due_beat,
  CASE WHEN a.status = 'inactive' THEN 1 ELSE 0 END AS inactive
FROM OPENJSON(@items) WITH (item int, agent_id varchar(128), channel varchar(100), max_messages int, max_bytes bigint,
  lease bigint, types nvarchar(max) AS JSON, claim_id varchar(128)) AS x
LEFT JOIN dbo.agents AS a ON a.agent_id = x.agent_id COLLATE Latin1_General_100_BIN2
LEFT JOIN dbo.agent_heartbeats AS h ON h.agent_no = a.agent_no
LEFT JOIN dbo.channels AS q ON q.name = x.channel COLLATE Latin1_General_100_BIN2 AND q.kind = 'work_queue'
CROSS APPLY (SELECT CASE WHEN x.channel IS NULL THEN a.agent_no ELSE q.channel_no END AS mailbox_no) AS b
OUTER APPLY (SELECT TOP (1) m.arrival FROM dbo.messages AS m WHERE m.receiver_no = b.mailbox_no
  AND m.claim_id = x.claim_id COLLATE Latin1_General_100_BIN2 AND m.status = 'leased' AND m.claim_id IS NOT NULL
  AND m.lease_expires_at > @now
  AND (x.channel IS NULL OR m.holder = x.agent_id COLLATE Latin1_General_100_BIN2)) AS r
