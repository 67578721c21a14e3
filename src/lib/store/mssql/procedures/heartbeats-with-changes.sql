-- Heartbeats that change a status or a capacity, or wake an agent that had fallen silent; then hands out what waits for
-- its room.
-- Table order: agent_loads, agents, agent_heartbeats, counters.
CREATE PROCEDURE release.heartbeats_with_changes
  @items nvarchar(max),
  @clockOffset bigint
AS
-- include: parts/prologue.sql
-- include: parts/declare-counts.sql
-- include: parts/declare-hand-out.sql
-- include: parts/declare-status-changes.sql
-- In the order of agents, in which their rows are locked; unknown agents are number 0.
DECLARE @beats TABLE (agent_no int NOT NULL, item int NOT NULL, status varchar(24) COLLATE Latin1_General_100_BIN2 NULL, becomes varchar(24) COLLATE Latin1_General_100_BIN2 NULL,
  was_max int NULL, max_concurrent_tasks int NULL, actor varchar(128) COLLATE Latin1_General_100_BIN2 NULL, changes bit NOT NULL, PRIMARY KEY (agent_no, item));
INSERT INTO @beats (agent_no, item, status, becomes, was_max, max_concurrent_tasks, actor, changes)
SELECT COALESCE(a.agent_no, 0), j.item, a.status, w.becomes, l.max_concurrent_tasks, w.capacity, j.actor,
  CASE WHEN w.becomes <> a.status OR w.capacity <> l.max_concurrent_tasks THEN 1 ELSE 0 END
FROM OPENJSON(@items) WITH (item int, agent_id varchar(128) '$.agentId', status varchar(24) '$.status', max_concurrent_tasks int '$.maxConcurrentTasks',
  actor varchar(128)) AS j
LEFT JOIN dbo.agents AS a ON a.agent_id = j.agent_id COLLATE Latin1_General_100_BIN2
LEFT JOIN dbo.agent_loads AS l ON l.agent_no = a.agent_no
CROSS APPLY (SELECT COALESCE(j.max_concurrent_tasks, l.max_concurrent_tasks) AS capacity,
  COALESCE(j.status COLLATE Latin1_General_100_BIN2, CASE WHEN a.status = 'inactive' THEN 'active' ELSE a.status END) AS becomes) AS w;
INSERT INTO @status_changes (agent_no, was_role, was_status, was_set_no, was_max, role, status, set_no,
  max_concurrent_tasks, beats, silent_since, actor)
SELECT b.agent_no, a.role, b.status, a.set_no, b.was_max, a.role, b.becomes, a.set_no, b.max_concurrent_tasks, 1, NULL, b.actor
FROM @beats AS b JOIN dbo.agents AS a ON a.agent_no = b.agent_no
WHERE b.changes = 1 AND b.status <> 'deregistered';
-- include: parts/renew-beats.sql
IF EXISTS (SELECT 1 FROM @status_changes)
BEGIN
  BEGIN TRANSACTION;
  -- include: parts/change-status.sql
  -- include: parts/apply-counts.sql
  COMMIT TRANSACTION;
  INSERT INTO @freed (agent_no)
  SELECT s.agent_no FROM @status_changes AS s JOIN dbo.agent_loads AS l ON l.agent_no = s.agent_no
  WHERE l.assignable = 1 AND (s.was_status <> 'active' OR s.max_concurrent_tasks > s.was_max);
  SET @handOutLimit = 10 /* HANDOUTS_PER_CALL */ * @statusChanges;
  EXEC @handedOut = release.hand_out @freed, @unblocked, @handOutLimit, @clockOffset;
  IF @handedOut < 0 RETURN 1;
END;
-- include: parts/count-waiting.sql
