-- last: it holds no more tasks than one transaction takes back. An agent with more drains until then.
CREATE PROCEDURE release.deregister_agents
  @items nvarchar(max),
  @clockOffset bigint
AS
-- include: parts/prologue.sql
-- include: parts/declare-hand-out.sql
-- include: parts/declare-status-changes.sql
DECLARE @releaseOutcome varchar(24), @released_tasks int = 0, @requeued_tasks int = 0;
-- include: parts/declare-endings.sql
DECLARE @leaving TABLE (agent_no int NOT NULL, item int NOT NULL, actor varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL, PRIMARY KEY (agent_no, item));
DECLARE @released TABLE (agent_no int NOT NULL PRIMARY KEY, actor varchar(128) COLLATE Latin1_General_100_BIN2 NULL, last bit NOT NULL);
INSERT INTO @leaving (agent_no, item, actor)
SELECT COALESCE(a.agent_no, 0), j.item, j.actor
FROM OPENJSON(@items) WITH (item int, agent_id varchar(128) '$.agentId', actor varchar(128)) AS j
LEFT JOIN dbo.agents AS a ON a.agent_id = j.agent_id COLLATE Latin1_General_100_BIN2;
INSERT INTO @released (agent_no, actor, last)
SELECT a.agent_no, x.actor, CASE WHEN l.active_tasks <= 100 /* RELEASES_PER_TRANSACTION */ THEN 1 ELSE 0 END
FROM @leaving AS x JOIN dbo.agents AS a ON a.agent_no = x.agent_no JOIN dbo.agent_loads AS l ON l.agent_no = a.agent_no
WHERE a.status <> 'deregistered';
IF @@ROWCOUNT > 0
BEGIN
  SET @releaseOutcome = 'released';
  INSERT INTO @status_changes (agent_no, was_role, was_status, was_set_no, was_max, role, status, set_no,
  max_concurrent_tasks, beats, silent_since, actor)
SELECT a.agent_no, a.role, a.status, a.set_no, l.max_concurrent_tasks, a.role, CASE WHEN x.last = 1 THEN 'deregistered' ELSE 'draining' END, a.set_no,
  l.max_concurrent_tasks, 0, NULL, x.actor
FROM @released AS x JOIN dbo.agents AS a ON a.agent_no = x.agent_no JOIN dbo.agent_loads AS l ON l.agent_no = a.agent_no;
  BEGIN TRANSACTION;
  -- include: parts/change-status.sql
  -- include: parts/release-tasks.sql
  -- One more was assigned since its tasks were counted.
  IF EXISTS (SELECT 1 FROM @released AS r JOIN dbo.agent_loads AS l ON l.agent_no = r.agent_no
    WHERE r.last = 1 AND l.active_tasks > 0)
-- include: parts/give-up.sql
  -- include: parts/apply-counts.sql
  COMMIT TRANSACTION;
  -- include: parts/leave-sets.sql
  SET @handOutLimit = 10 /* HANDOUTS_PER_CALL */ * @statusChanges;
  EXEC @handedOut = release.hand_out @freed, @unblocked, @handOutLimit, @clockOffset;
  IF @handedOut < 0 RETURN 1;
END;
SELECT x.item, CASE WHEN x.agent_no = 0 THEN 'AGENT_NOT_FOUND' END AS code, NULL AS subject,
  CASE WHEN EXISTS (SELECT 1 FROM @released AS r WHERE r.agent_no = x.agent_no AND r.last = 0) THEN 1 ELSE 0 END AS unfinished
FROM @leaving AS x;
SELECT DISTINCT a.agent_id AS woken FROM @endings AS e JOIN dbo.agents AS a ON a.agent_no = COALESCE(e.flow_receiver_no, e.receiver_no);
SELECT x.item, a.agent_no, a.agent_id, a.role, a.status, c.capabilities, l.max_concurrent_tasks, l.active_tasks,
  a.registered_at, h.last_heartbeat_at, h.heartbeat_timeout_seconds, l.completed, l.failed, l.lost, l.released, l.completed_milliseconds, l.p95_milliseconds, m.metadata
FROM @leaving AS x JOIN dbo.agents AS a ON a.agent_no = x.agent_no
JOIN dbo.agent_loads AS l ON l.agent_no = a.agent_no
JOIN dbo.agent_heartbeats AS h ON h.agent_no = a.agent_no
JOIN dbo.capability_sets AS c ON c.set_no = a.set_no
LEFT JOIN dbo.agent_metadata AS m ON m.agent_no = a.agent_no;
