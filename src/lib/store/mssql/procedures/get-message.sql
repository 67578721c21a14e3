-- A message with its payload; of an assignment with the description and parameters of its task.
CREATE PROCEDURE release.get_message
  @messageId varchar(128),
  @clockOffset bigint
AS
-- include: parts/prologue.sql
SELECT m.arrival, m.message_id, s.agent_id AS sender, r.agent_id AS receiver, m.type, m.priority,
  CASE WHEN m.status = 'queued' AND m.expires_at <= @now THEN 'expired' ELSE m.status END AS status,
  m.attempt, m.attempt_limit, m.accepted_at, m.available_at, m.expires_at, m.lease_expires_at, m.ended_at, m.reason,
  m.correlation_id, m.reply_to, m.ordering_key, m.sender_role, m.sender_credential, m.channel, m.post_id, m.holder, p.payload, b.description, b.parameters,
  COALESCE(m.key_version, b.key_version) AS key_version, COALESCE(m.traceparent, b.traceparent) AS traceparent,
  -- include: parts/resume-columns.sql
FROM dbo.messages AS m LEFT JOIN dbo.agents AS s ON s.agent_no = m.sender_no
JOIN dbo.agents AS r ON r.agent_no = m.receiver_no
JOIN dbo.message_payloads AS p ON p.arrival = m.arrival
LEFT JOIN dbo.task_bodies AS b ON b.task_no = m.task_no AND m.type = 'task_assignment'
-- include: parts/resume-tables.sql
WHERE m.message_id = @messageId;
