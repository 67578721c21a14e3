-- What the claim ids hold now: also what an earlier try of the same claim leased whose answer was lost.
SELECT c.item, m.arrival, m.message_id, s.agent_id AS sender, r.agent_id AS receiver, m.type, m.priority, m.status,
  m.attempt, m.attempt_limit, m.accepted_at, m.available_at, m.expires_at, m.lease_expires_at, m.ended_at, m.reason,
  m.correlation_id, m.reply_to, m.ordering_key, m.sender_role, m.sender_credential, m.channel, m.post_id, m.holder,
  p.payload, b.description, b.parameters, COALESCE(m.key_version, b.key_version) AS key_version,
  COALESCE(m.traceparent, b.traceparent) AS traceparent,
  -- include: parts/resume-columns.sql
FROM $(claims) AS c
JOIN dbo.messages AS m ON m.receiver_no = c.mailbox_no AND m.claim_id = c.claim_id AND m.claim_id IS NOT NULL
  AND m.status = 'leased' AND m.lease_expires_at > @now AND (c.holder IS NULL OR m.holder = c.holder)
LEFT JOIN dbo.agents AS s ON s.agent_no = m.sender_no
JOIN dbo.agents AS r ON r.agent_no = m.receiver_no
JOIN dbo.message_payloads AS p ON p.arrival = m.arrival
LEFT JOIN dbo.task_bodies AS b ON b.task_no = m.task_no AND m.type = 'task_assignment'
-- include: parts/resume-tables.sql
OPTION (LOOP JOIN, FORCE ORDER);
