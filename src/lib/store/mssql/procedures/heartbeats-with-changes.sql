-- Heartbeats that change a status or a capacity, or wake an agent that had fallen silent; then hands out what waits for
-- its room.
-- Table order: agent_loads, agents, agent_heartbeats, counters.
CREATE PROCEDURE release.heartbeats_with_changes
  @items nvarchar(max),
  @clockOffset bigint
AS
-- include: parts/prologue.sql
-- Additions to counters, collected until the end of the transaction. name as in apply-counts.
DECLARE @counts TABLE (name varchar(48) COLLATE Latin1_General_100_BIN2 NOT NULL, delta bigint NOT NULL);
DECLARE @accepted bigint = 0;
DECLARE @second varchar(48);
-- What HAND_OUT works with: @freed agents that may have room now, @unblocked tasks that wait since now, and at most
-- @handOutLimit tasks to hand out (to be set: HANDOUTS_PER_CALL for each call). Needs DECLARE_COUNTS and
-- DECLARE_DELIVERABLE. @handedOut: how many were.
DECLARE @freed release.agent_numbers;
DECLARE @unblocked release.task_numbers;
DECLARE @handOutLimit int, @handedOut int = 0;
-- Changes of status, role, capacity or capability set, each with the state that the batch read before. beats: counts
-- as a heartbeat. silent_since: a race is lost to a heartbeat later than this. actor: who changes it; NULL: the
-- switchboard. Fill it with STATUS_CHANGES_OF.
DECLARE @status_changes TABLE (agent_no int NOT NULL PRIMARY KEY,
  was_role varchar(24) COLLATE Latin1_General_100_BIN2 NOT NULL, was_status varchar(24) COLLATE Latin1_General_100_BIN2 NOT NULL, was_set_no int NOT NULL, was_max int NOT NULL,
  role varchar(24) COLLATE Latin1_General_100_BIN2 NOT NULL, status varchar(24) COLLATE Latin1_General_100_BIN2 NOT NULL, set_no int NOT NULL, max_concurrent_tasks int NOT NULL,
  beats bit NOT NULL, silent_since bigint NULL, actor varchar(128) COLLATE Latin1_General_100_BIN2 NULL, metadata_changed bit NOT NULL DEFAULT 0);
DECLARE @statusChanges int;
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
-- A beat that finds its agent silenced in the meantime loses the race. It waits for nothing but another beat.
UPDATE h SET last_heartbeat_at = @now
FROM @beats AS b JOIN dbo.agent_heartbeats AS h ON h.agent_no = b.agent_no
WHERE b.changes = 0 AND b.status <> 'deregistered' AND h.beating = 1
OPTION (LOOP JOIN, FORCE ORDER);
IF @@ROWCOUNT <> (SELECT COUNT(*) FROM @beats AS b WHERE b.changes = 0 AND b.status <> 'deregistered')
BEGIN ROLLBACK TRANSACTION; RETURN 1; END;
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
