-- Deregisters agents that have been inactive for longer than the retention.
CREATE PROCEDURE release.deregister_inactive
  @inactiveRetention bigint,
  @clockOffset bigint
AS
-- include: parts/prologue.sql
DECLARE @inactive TABLE (agent_no int NOT NULL PRIMARY KEY);
DECLARE @found int;
INSERT INTO @inactive (agent_no)
SELECT TOP (1000 /* MAINTENANCE_BATCH_ROWS */) a.agent_no FROM dbo.agents AS a
WHERE a.status = 'inactive' AND a.status_changed_at <= @now - @inactiveRetention
  AND NOT EXISTS (SELECT 1 FROM dbo.agent_loads AS l WHERE l.agent_no = a.agent_no AND l.active_tasks > 0)
ORDER BY a.status_changed_at;
SET @found = @@ROWCOUNT;
IF @found = 0
BEGIN
  SELECT 0 AS done, 0 AS found;
  RETURN;
END;
-- include: parts/declare-status-changes.sql
-- include: parts/declare-counts.sql
INSERT INTO @status_changes (agent_no, was_role, was_status, was_set_no, was_max, role, status, set_no,
  max_concurrent_tasks, beats, silent_since, actor)
SELECT a.agent_no, a.role, a.status, a.set_no, l.max_concurrent_tasks, a.role, 'deregistered', a.set_no,
  l.max_concurrent_tasks, 0, NULL, NULL
FROM @inactive AS x JOIN dbo.agents AS a ON a.agent_no = x.agent_no JOIN dbo.agent_loads AS l ON l.agent_no = a.agent_no;
-- Some may have come back since.
DELETE FROM @status_changes WHERE was_status <> 'inactive';
BEGIN TRANSACTION;
-- include: parts/change-status.sql
-- include: parts/apply-counts.sql
COMMIT TRANSACTION;
-- include: parts/leave-sets.sql
SELECT @statusChanges AS done, @found AS found;
