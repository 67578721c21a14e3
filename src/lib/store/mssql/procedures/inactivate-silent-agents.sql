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
WHERE h.beating = 1 AND h.last_heartbeat_at <= @silentSince ORDER BY h.last_heartbeat_at;
SET @found = @@ROWCOUNT;
IF @found = 0
BEGIN
  SELECT 0 AS done, 0 AS found;
  RETURN;
END;
-- Additions to counters, collected until the end of the transaction. name as in apply-counts.
DECLARE @counts TABLE (name varchar(48) COLLATE Latin1_General_100_BIN2 NOT NULL, delta bigint NOT NULL);
DECLARE @accepted bigint = 0;
DECLARE @second varchar(48);
-- Changes of status, role, capacity or capability set, each with the state that the batch read before. beats: counts
-- as a heartbeat. silent_since: a race is lost to a heartbeat later than this. actor: who changes it; NULL: the
-- switchboard. Fill it with STATUS_CHANGES_OF.
DECLARE @status_changes TABLE (agent_no int NOT NULL PRIMARY KEY,
  was_role varchar(24) COLLATE Latin1_General_100_BIN2 NOT NULL, was_status varchar(24) COLLATE Latin1_General_100_BIN2 NOT NULL, was_set_no int NOT NULL, was_max int NOT NULL,
  role varchar(24) COLLATE Latin1_General_100_BIN2 NOT NULL, status varchar(24) COLLATE Latin1_General_100_BIN2 NOT NULL, set_no int NOT NULL, max_concurrent_tasks int NOT NULL,
  beats bit NOT NULL, silent_since bigint NULL, actor varchar(128) COLLATE Latin1_General_100_BIN2 NULL, metadata_changed bit NOT NULL DEFAULT 0);
DECLARE @statusChanges int;
INSERT INTO @status_changes (agent_no, was_role, was_status, was_set_no, was_max, role, status, set_no,
  max_concurrent_tasks, beats, silent_since, actor)
SELECT a.agent_no, a.role, a.status, a.set_no, l.max_concurrent_tasks, a.role, 'inactive', a.set_no,
  l.max_concurrent_tasks, 0, @silentSince, NULL
FROM @silent AS x JOIN dbo.agents AS a ON a.agent_no = x.agent_no JOIN dbo.agent_loads AS l ON l.agent_no = a.agent_no;
-- Some may have been deregistered since.
DELETE FROM @status_changes WHERE was_status NOT IN ('active', 'draining');
BEGIN TRANSACTION;
-- include: parts/change-status.sql
-- include: parts/apply-counts.sql
COMMIT TRANSACTION;
SELECT @statusChanges AS done, @found AS found;
