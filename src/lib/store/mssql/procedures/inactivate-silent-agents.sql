-- The sweep: agents whose heartbeat is overdue become inactive. Their tasks are released by release-left-tasks.
CREATE PROCEDURE release.inactivate_silent_agents
  @heartbeatTimeoutMilliseconds bigint,
  @clockOffset bigint
AS
-- include: parts/prologue.sql
DECLARE @silent TABLE (agent_no int NOT NULL PRIMARY KEY);
DECLARE @silentSince bigint = @now - @heartbeatTimeoutMilliseconds, @found int;
INSERT INTO @silent (agent_no)
SELECT TOP (100 /* AGENTS_PER_TRANSACTION */) h.agent_no FROM dbo.agent_heartbeats AS h
WHERE h.beating = 1 AND h.heartbeat_timeout_seconds IS NULL AND h.last_heartbeat_at <= @silentSince ORDER BY h.last_heartbeat_at;
SET @found = @@ROWCOUNT;
-- Those with a timeout of their own.
INSERT INTO @silent (agent_no)
SELECT TOP (100 /* AGENTS_PER_TRANSACTION */) h.agent_no FROM dbo.agent_heartbeats AS h
WHERE h.beating = 1 AND h.heartbeat_timeout_seconds IS NOT NULL AND h.silent_at <= @now ORDER BY h.silent_at;
SET @found = @found + @@ROWCOUNT;
IF @found = 0
BEGIN
  SELECT 0 AS done, 0 AS found;
  RETURN;
END;
-- include: parts/declare-counts.sql
-- include: parts/declare-status-changes.sql
INSERT INTO @status_changes (agent_no, was_role, was_status, was_set_no, was_max, role, status, set_no,
  max_concurrent_tasks, beats, silent_since, actor)
SELECT a.agent_no, a.role, a.status, a.set_no, l.max_concurrent_tasks, a.role, 'inactive', a.set_no,
  l.max_concurrent_tasks, 0, COALESCE(@now - h.heartbeat_timeout_seconds * CAST(1000 AS bigint), @silentSince), NULL
FROM @silent AS x JOIN dbo.agents AS a ON a.agent_no = x.agent_no JOIN dbo.agent_loads AS l ON l.agent_no = a.agent_no
JOIN dbo.agent_heartbeats AS h ON h.agent_no = a.agent_no;
-- Some may have been deregistered since.
DELETE FROM @status_changes WHERE was_status NOT IN ('active', 'draining');
BEGIN TRANSACTION;
-- include: parts/change-status.sql
-- include: parts/apply-counts.sql
COMMIT TRANSACTION;
SELECT @statusChanges AS done, @found AS found;
