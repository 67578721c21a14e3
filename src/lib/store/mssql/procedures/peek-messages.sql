-- Each stream, free and held, from a position on (@rank, @arrival: of the last row before); then the first of all.
CREATE PROCEDURE release.peek_messages
  @agentId varchar(128),
  @limit int,
  @rank bigint,
  @arrival bigint,
  @clockOffset bigint
AS
-- include: parts/prologue.sql
DECLARE @agentNo int = (SELECT agent_no FROM dbo.agents WHERE agent_id = @agentId);
DECLARE @plan TABLE (arrival bigint NOT NULL PRIMARY KEY, rank bigint NOT NULL);
INSERT INTO @plan (arrival, rank)
SELECT TOP (@limit) h.arrival, h.rank
FROM (VALUES (0, 0), (1, 60000), (2, 600000), (3, 3600000)) AS p (priority, head_start) CROSS JOIN (VALUES (0), (1)) AS g (held)
CROSS APPLY (SELECT TOP (@limit) m.arrival, m.available_at - p.head_start AS rank FROM dbo.messages AS m
  WHERE m.receiver_no = @agentNo AND m.held = g.held AND m.status = 'queued' AND m.priority = p.priority
    AND m.available_at >= @rank + p.head_start AND (m.available_at > @rank + p.head_start OR m.arrival > @arrival)
    AND (m.expires_at IS NULL OR m.expires_at > @now)
  ORDER BY m.available_at, m.arrival) AS h
ORDER BY h.rank, h.arrival;
SELECT @agentNo AS agent_no;
SELECT m.arrival, m.message_id, s.agent_id AS sender, r.agent_id AS receiver, m.type, m.priority,
  CASE WHEN m.status = 'queued' AND m.expires_at <= @now THEN 'expired' ELSE m.status END AS status,
  m.attempt, m.attempt_limit, m.accepted_at, m.available_at, m.expires_at, m.lease_expires_at, m.ended_at, m.reason,
  m.correlation_id, m.reply_to, m.ordering_key, m.sender_role, m.sender_credential, m.channel, m.post_id, m.holder, p.payload, b.description, b.parameters,
  COALESCE(m.key_version, b.key_version) AS key_version, COALESCE(m.traceparent, b.traceparent) AS traceparent,
  -- include: parts/resume-columns.sql
  , w.found
FROM (SELECT v.arrival, COUNT(*) OVER () AS found,
    SUM(v.characters) OVER (ORDER BY v.rank, v.arrival ROWS UNBOUNDED PRECEDING) - v.characters AS characters_before
  FROM (SELECT k.*, (DATALENGTH(x.payload) + COALESCE(DATALENGTH(y.parameters) + DATALENGTH(y.description), 0)
      + COALESCE((SELECT SUM(DATALENGTH(z.value)) FROM dbo.task_values AS z WHERE z.task_no = n.task_no AND n.task_attempt > 1), 0)) / 2 AS characters
    FROM @plan AS k JOIN dbo.messages AS n ON n.arrival = k.arrival JOIN dbo.message_payloads AS x ON x.arrival = k.arrival
    LEFT JOIN dbo.task_bodies AS y ON y.task_no = n.task_no AND n.type = 'task_assignment') AS v) AS w
JOIN dbo.messages AS m ON m.arrival = w.arrival AND w.characters_before <= 4194304 /* REPLY_MAX_BYTES */ LEFT JOIN dbo.agents AS s ON s.agent_no = m.sender_no
JOIN dbo.agents AS r ON r.agent_no = m.receiver_no
JOIN dbo.message_payloads AS p ON p.arrival = m.arrival
LEFT JOIN dbo.task_bodies AS b ON b.task_no = m.task_no AND m.type = 'task_assignment'
-- include: parts/resume-tables.sql
;
