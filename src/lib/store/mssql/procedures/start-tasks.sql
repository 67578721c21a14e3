-- assigned to running; the assignment message has done its work. Repeating it changes nothing.
-- Table order: tasks and their rows, messages, counters; then agent_heartbeats.
CREATE PROCEDURE release.start_tasks
  @items nvarchar(max),
  @renewalMilliseconds int,
  @clockOffset bigint
AS
-- include: parts/prologue.sql
DECLARE @begun int, @told int, @counted int, @stale int;
-- Everything that is read stands in one row for each call: `begins` where the task is to be started, and arrival, receiver_no,
-- was and message_attempt of its assignment message where that is open.
DECLARE @calls TABLE (item int NOT NULL PRIMARY KEY, task_id varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL, code varchar(24) COLLATE Latin1_General_100_BIN2 NULL,
  task_no bigint NULL, agent_no int NULL, attempt int NOT NULL, cancel_requested bit NULL, deadline_at bigint NULL,
  actor varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL, inactive bit NOT NULL, begins bit NOT NULL, stale bit NOT NULL,
  arrival bigint NULL, receiver_no int NULL, was varchar(24) COLLATE Latin1_General_100_BIN2 NULL, message_attempt int NULL);
INSERT INTO @calls (item, task_id, code, task_no, agent_no, attempt, cancel_requested, deadline_at, actor, inactive, begins, stale,
  arrival, receiver_no, was, message_attempt)
SELECT r.item, r.task_id, r.code, r.task_no, r.agent_no, r.attempt, r.cancel_requested, r.deadline_at, r.actor, r.inactive,
  CASE WHEN r.code IS NULL AND r.status = 'assigned' THEN 1 ELSE 0 END, r.stale, m.arrival, m.receiver_no, m.status, m.attempt
FROM (SELECT i.item, i.task_id, CASE
    WHEN a.agent_no IS NULL THEN 'AGENT_NOT_FOUND'
    WHEN a.status = 'deregistered' THEN 'AGENT_DEREGISTERED'
    WHEN t.task_no IS NULL AND NOT EXISTS (SELECT 1 FROM dbo.task_archive AS z WHERE z.task_id = i.task_id) THEN 'TASK_NOT_FOUND'
    WHEN t.task_no IS NULL OR t.status NOT IN ('assigned', 'running') OR t.attempt <> i.attempt OR t.agent_no <> a.agent_no
      THEN 'LEASE_LOST' END AS code,
    t.task_no, t.status, a.agent_no, i.attempt, t.cancel_requested, t.deadline_at, i.actor,
    CASE WHEN a.status = 'inactive' THEN 1 ELSE 0 END AS inactive,
    CASE WHEN h.last_heartbeat_at < @now - COALESCE(h.renewal_milliseconds, @renewalMilliseconds) THEN 1 ELSE 0 END AS stale
  FROM (SELECT j.item, j.task_id COLLATE Latin1_General_100_BIN2 AS task_id, j.agent_id COLLATE Latin1_General_100_BIN2 AS agent_id, j.actor,
      j.attempt
    FROM OPENJSON(@items) WITH (item int, task_id varchar(128), agent_id varchar(128), actor varchar(128), attempt int) AS j) AS i
  LEFT JOIN dbo.tasks AS t ON t.task_id = i.task_id
  LEFT JOIN dbo.agents AS a ON a.agent_id = i.agent_id
  LEFT JOIN dbo.agent_heartbeats AS h ON h.agent_no = a.agent_no) AS r
LEFT JOIN dbo.messages AS m ON m.task_no = r.task_no AND m.task_attempt = r.attempt AND m.task_no IS NOT NULL
  AND m.type = 'task_assignment' AND m.status IN ('queued', 'leased', 'dead_lettered') AND r.code IS NULL AND r.status = 'assigned'
OPTION (LOOP JOIN, FORCE ORDER);
-- @counted: the counters that change, which are tasks:assigned, tasks:running, messages:completed, those of the states and mailboxes.
SELECT @begun = COUNT(CASE WHEN c.begins = 1 THEN 1 END), @told = COUNT(c.arrival), @stale = COUNT(CASE WHEN c.code IS NULL AND c.stale = 1 THEN 1 END),
  @counted = 2 + CASE WHEN COUNT(c.arrival) > 0 THEN 1 ELSE 0 END + COUNT(DISTINCT c.was)
    + COUNT(DISTINCT CASE WHEN c.was <> 'dead_lettered' THEN c.receiver_no END)
FROM @calls AS c;
IF @begun > 0
BEGIN
  BEGIN TRANSACTION;
  UPDATE t SET version = t.version + 1, status = 'running', started_at = @now
  FROM @calls AS c JOIN dbo.tasks AS t ON t.task_no = c.task_no
  WHERE c.begins = 1 AND t.status = 'assigned' AND t.attempt = c.attempt
  OPTION (LOOP JOIN, FORCE ORDER);
  IF @@ROWCOUNT <> @begun BEGIN ROLLBACK TRANSACTION; RETURN 1; END;
  INSERT INTO dbo.task_events (task_no, event, at, attempt, agent_no)
  SELECT c.task_no, 'started', @now, c.attempt, c.agent_no FROM @calls AS c WHERE c.begins = 1 ORDER BY c.item;
  INSERT INTO audit.entries (at, actor, action, subject_kind, subject_id, detail)
  SELECT @now, c.actor, 'task.started', 'task', c.task_id,
    CONCAT('{"attempt":' + CAST(c.attempt AS varchar(20)), ',"agentId":"' + a.agent_id + '"', '}')
  FROM @calls AS c JOIN dbo.agents AS a ON a.agent_no = c.agent_no WHERE c.begins = 1 ORDER BY c.item;
  IF @told > 0
  BEGIN
    UPDATE m SET status = 'completed', lease_expires_at = NULL, claim_id = NULL, ended_at = @now, settlement = 'task_ended'
    FROM @calls AS c JOIN dbo.messages AS m ON m.arrival = c.arrival
    WHERE m.status = c.was AND m.attempt = c.message_attempt
    OPTION (LOOP JOIN, FORCE ORDER);
    IF @@ROWCOUNT <> @told BEGIN ROLLBACK TRANSACTION; RETURN 1; END;
  END;
  -- A counter that is not there is a lost race: another process is making it.
  UPDATE c SET value = c.value + d.delta
  FROM (SELECT TOP (100000) n.name, SUM(n.delta) AS delta FROM @calls AS s
    CROSS APPLY (VALUES ('tasks:assigned', -1), ('tasks:running', 1), (CONCAT('messages:', s.was), CASE WHEN s.was IS NULL THEN 0 ELSE -1 END),
      ('messages:completed', CASE WHEN s.was IS NULL THEN 0 ELSE 1 END),
      (CONCAT('mailbox:', s.receiver_no), CASE WHEN s.was <> 'dead_lettered' THEN -1 ELSE 0 END)) AS n (name, delta)
    WHERE s.begins = 1 AND n.delta <> 0 GROUP BY n.name ORDER BY n.name) AS d
  JOIN dbo.counters AS c ON c.name = d.name AND c.slot = @@SPID % 8;
  IF @@ROWCOUNT <> @counted BEGIN ROLLBACK TRANSACTION; RETURN 1; END;
  COMMIT TRANSACTION;
END;
-- An accepted call counts as a heartbeat. (An agent that was read as inactive is woken by a call of its own.)
IF @stale > 0
  UPDATE h SET last_heartbeat_at = @now
  FROM (SELECT DISTINCT x.agent_no FROM @calls AS x WHERE x.code IS NULL AND x.stale = 1) AS c
  JOIN dbo.agent_heartbeats AS h ON h.agent_no = c.agent_no
  WHERE h.beating = 1 AND h.last_heartbeat_at < @now - COALESCE(h.renewal_milliseconds, @renewalMilliseconds)
  OPTION (LOOP JOIN, FORCE ORDER);
SELECT c.item, c.code, NULL AS subject, c.inactive, c.cancel_requested, c.deadline_at FROM @calls AS c;
