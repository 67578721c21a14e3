-- Newest first by the time of dead-lettering. (Equality of text passes over blanks at the end: the lengths do not.)
-- A filter that is NULL is none. The plan is made for the filters that are there (RECOMPILE), so that each has its index.
CREATE PROCEDURE release.list_dead_letters
  @receiver varchar(128),
  @limit int,
  @type varchar(64),
  @reason nvarchar(max),
  @endedAt bigint,
  @arrival bigint,
  @clockOffset bigint
AS
-- include: parts/prologue.sql
DECLARE @listed TABLE (arrival bigint NOT NULL PRIMARY KEY, ended_at bigint NOT NULL);
INSERT INTO @listed (arrival, ended_at)
SELECT TOP (@limit) m.arrival, m.ended_at FROM dbo.messages AS m
WHERE m.status = 'dead_lettered'
  AND (@receiver IS NULL OR m.receiver_no = (SELECT a.agent_no FROM dbo.agents AS a WHERE a.agent_id = @receiver))
  AND (@type IS NULL OR m.type = @type)
  AND (@reason IS NULL OR (m.reason = @reason COLLATE Latin1_General_100_BIN2 AND DATALENGTH(m.reason) = DATALENGTH(@reason)))
  AND m.ended_at <= @endedAt AND (m.ended_at < @endedAt OR m.arrival < @arrival)
ORDER BY m.ended_at DESC, m.arrival DESC
OPTION (RECOMPILE);
SELECT m.arrival, m.message_id, s.agent_id AS sender, r.agent_id AS receiver, m.type, m.priority,
  CASE WHEN m.status = 'queued' AND m.expires_at <= @now THEN 'expired' ELSE m.status END AS status,
  m.attempt, m.attempt_limit, m.accepted_at, m.available_at, m.expires_at, m.lease_expires_at, m.ended_at, m.reason,
  m.correlation_id, m.reply_to, m.ordering_key, m.sender_role, m.sender_credential, m.channel, m.post_id, m.holder, p.payload, b.description, b.parameters,
  COALESCE(m.key_version, b.key_version) AS key_version, COALESCE(m.traceparent, b.traceparent) AS traceparent,
  -- include: parts/resume-columns.sql
  , w.found
FROM (SELECT v.arrival, COUNT(*) OVER () AS found,
    SUM(v.characters) OVER (ORDER BY v.ended_at DESC, v.arrival DESC ROWS UNBOUNDED PRECEDING) - v.characters AS characters_before
  FROM (SELECT k.*, (DATALENGTH(x.payload) + COALESCE(DATALENGTH(y.parameters) + DATALENGTH(y.description), 0)) / 2 AS characters
    FROM @listed AS k JOIN dbo.messages AS n ON n.arrival = k.arrival JOIN dbo.message_payloads AS x ON x.arrival = k.arrival
    LEFT JOIN dbo.task_bodies AS y ON y.task_no = n.task_no AND n.type = 'task_assignment') AS v) AS w
JOIN dbo.messages AS m ON m.arrival = w.arrival AND w.characters_before <= 4194304 /* REPLY_MAX_BYTES */ LEFT JOIN dbo.agents AS s ON s.agent_no = m.sender_no
JOIN dbo.agents AS r ON r.agent_no = m.receiver_no
JOIN dbo.message_payloads AS p ON p.arrival = m.arrival
LEFT JOIN dbo.task_bodies AS b ON b.task_no = m.task_no AND m.type = 'task_assignment'
-- include: parts/resume-tables.sql
;
