-- Messages that could be received now, counted up to PENDING_COUNT_MAX: a walk of the four streams, never of more; and of each
-- ordering key with something due that has not joined it, and with nothing in front, one.
-- include: parts/read-time-anew.sql
SELECT b.item, CASE WHEN b.agent_no = 0 THEN 'AGENT_NOT_FOUND' WHEN b.status = 'deregistered' THEN 'AGENT_DEREGISTERED' END AS code,
  NULL AS subject, b.becomes AS status, b.changes,
  CASE WHEN p.pending + k.pending > 1000 /* PENDING_COUNT_MAX */ THEN 1000 /* PENDING_COUNT_MAX */ ELSE p.pending + k.pending END AS pending,
  h.heartbeat_timeout_seconds AS own_timeout, u.urgent
FROM @beats AS b
LEFT JOIN dbo.agent_heartbeats AS h ON h.agent_no = b.agent_no
OUTER APPLY (
  -- include: parts/urgent-waits.sql
  --   agent = b.agent_no
) AS u
OUTER APPLY (SELECT COUNT(*) AS pending FROM (
  SELECT TOP (1000 /* PENDING_COUNT_MAX */) m.arrival FROM dbo.messages AS m
  WHERE m.receiver_no = b.agent_no AND m.held = 0 AND m.priority IN (0, 1, 2, 3) AND m.status = 'queued'
    AND m.available_at <= @now AND (m.expires_at IS NULL OR m.expires_at > @now)) AS x) AS p
OUTER APPLY (SELECT COUNT(DISTINCT j.ordering_key) AS pending FROM (
  SELECT TOP (1000 /* PENDING_COUNT_MAX */) m.ordering_key FROM dbo.messages AS m
  WHERE m.receiver_no = b.agent_no AND m.joined = 0 AND m.status = 'queued' AND m.available_at <= @now
    AND (m.expires_at IS NULL OR m.expires_at > @now)) AS j
  WHERE NOT EXISTS (SELECT 1 FROM dbo.ordering_keys AS o WHERE o.receiver_no = b.agent_no AND o.ordering_key = j.ordering_key)) AS k;
SELECT b.item, t.task_id, t.attempt, t.cancel_requested
FROM @beats AS b JOIN dbo.tasks AS t ON t.agent_no = b.agent_no
WHERE b.status <> 'deregistered' AND t.status IN ('assigned', 'running') ORDER BY b.item, t.task_no;
