-- Heartbeats that change nothing, with the waiting messages and the live tasks of each agent. `changes`: an agent had
-- fallen silent, and heartbeats-with-changes has to be called.
CREATE PROCEDURE release.heartbeats
  @items nvarchar(max),
  @clockOffset bigint
AS
-- include: parts/prologue.sql
-- In the order of agents, in which their rows are locked; unknown agents are number 0.
DECLARE @beats TABLE (agent_no int NOT NULL, item int NOT NULL, status varchar(24) COLLATE Latin1_General_100_BIN2 NULL, becomes varchar(24) COLLATE Latin1_General_100_BIN2 NULL,
  was_max int NULL, max_concurrent_tasks int NULL, actor varchar(128) COLLATE Latin1_General_100_BIN2 NULL, changes bit NOT NULL, PRIMARY KEY (agent_no, item));
INSERT INTO @beats (agent_no, item, status, becomes, changes)
SELECT COALESCE(a.agent_no, 0), j.item, a.status, a.status, CASE WHEN a.status = 'inactive' THEN 1 ELSE 0 END
FROM OPENJSON(@items) WITH (item int, agent_id varchar(128) '$.agentId') AS j
LEFT JOIN dbo.agents AS a ON a.agent_id = j.agent_id COLLATE Latin1_General_100_BIN2;
-- A beat that finds its agent silenced in the meantime loses the race. It waits for nothing but another beat.
UPDATE h SET last_heartbeat_at = @now
FROM @beats AS b JOIN dbo.agent_heartbeats AS h ON h.agent_no = b.agent_no
WHERE b.changes = 0 AND b.status <> 'deregistered' AND h.beating = 1
OPTION (LOOP JOIN, FORCE ORDER);
IF @@ROWCOUNT <> (SELECT COUNT(*) FROM @beats AS b WHERE b.changes = 0 AND b.status <> 'deregistered')
BEGIN ROLLBACK TRANSACTION; RETURN 1; END;
-- Messages that could be received now, counted up to PENDING_COUNT_MAX: a walk of the four streams, never of more;
-- and of each ordering key with something due that has not joined it, and with nothing in front, one.
-- Reads the time anew: first thing before whatever a batch reads by time after a commit or a wait for a lock. What
-- others have made due meanwhile is not due at the time at which the batch began, and would be passed over by both.
SET @now = DATEDIFF_BIG(MILLISECOND, '19700101', SYSUTCDATETIME()) + @clockOffset;
SELECT b.item, CASE WHEN b.agent_no = 0 THEN 'AGENT_NOT_FOUND' WHEN b.status = 'deregistered' THEN 'AGENT_DEREGISTERED' END AS code,
  NULL AS subject, b.becomes AS status, b.changes,
  CASE WHEN p.pending + k.pending > 1000 /* PENDING_COUNT_MAX */ THEN 1000 /* PENDING_COUNT_MAX */ ELSE p.pending + k.pending END AS pending
FROM @beats AS b
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
