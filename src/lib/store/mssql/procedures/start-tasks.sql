-- assigned to running; the assignment message has done its work. Repeating it changes nothing.
-- Table order: tasks and their rows, ordering_keys, messages, counters; then agent_heartbeats.
CREATE PROCEDURE release.start_tasks
  @items nvarchar(max),
  @renewalMilliseconds int,
  @clockOffset bigint
AS
-- include: parts/prologue.sql
DECLARE @begun int;
-- Attempts that have started, ended or moved on, by task_no and task_attempt; the rest is filled in here.
DECLARE @moved_on TABLE (task_no bigint NOT NULL, task_attempt int NOT NULL, arrival bigint NULL,
  receiver_no int NULL, was varchar(24) COLLATE Latin1_General_100_BIN2 NULL, attempt int NULL, PRIMARY KEY (task_no, task_attempt));
-- include: parts/declare-counts.sql
DECLARE @calls TABLE (item int NOT NULL PRIMARY KEY, task_id varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL, code varchar(24) COLLATE Latin1_General_100_BIN2 NULL, answer nvarchar(200) NULL,
  task_no bigint NULL, status varchar(24) COLLATE Latin1_General_100_BIN2 NULL, agent_no int NULL, attempt int NULL, cancel_requested bit NULL, deadline_at bigint NULL,
  assigned_at bigint NULL, available_at bigint NULL, retries_used int NULL, max_retries int NULL, actor varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL,
  inactive bit NOT NULL);
INSERT INTO @calls (item, task_id, code, answer, task_no, status, agent_no, attempt, cancel_requested, deadline_at, assigned_at,
  available_at, retries_used, max_retries, actor, inactive)
SELECT i.item, i.task_id, CASE
  WHEN a.agent_no IS NULL THEN 'AGENT_NOT_FOUND'
  WHEN a.status = 'deregistered' THEN 'AGENT_DEREGISTERED'
  WHEN t.task_no IS NULL AND NOT EXISTS (SELECT 1 FROM dbo.task_archive AS z WHERE z.task_id = i.task_id) THEN 'TASK_NOT_FOUND'
  WHEN t.task_no IS NULL OR t.status NOT IN ('assigned', 'running') OR t.attempt <> i.attempt OR t.agent_no <> a.agent_no
    THEN 'LEASE_LOST' END,
  NULL, t.task_no, t.status, a.agent_no, i.attempt, t.cancel_requested, t.deadline_at, t.assigned_at, t.available_at,
  t.retries_used, t.max_retries, i.actor, CASE WHEN a.status = 'inactive' THEN 1 ELSE 0 END
FROM (SELECT j.item, j.task_id COLLATE Latin1_General_100_BIN2 AS task_id, j.agent_id COLLATE Latin1_General_100_BIN2 AS agent_id, j.actor,
    j.attempt
  FROM OPENJSON(@items) AS k
  CROSS APPLY OPENJSON(k.value) WITH (item int, task_id varchar(128), agent_id varchar(128), actor varchar(128), attempt int) AS j) AS i
LEFT JOIN dbo.tasks AS t ON t.task_id = i.task_id
LEFT JOIN dbo.agents AS a ON a.agent_id = i.agent_id
OPTION (LOOP JOIN, FORCE ORDER);
IF EXISTS (SELECT 1 FROM @calls AS c WHERE c.code IS NULL AND c.answer IS NULL AND c.status = 'assigned')
BEGIN
  BEGIN TRANSACTION;
  -- include: parts/begin-attempts.sql
  INSERT INTO dbo.task_events (task_no, event, at, attempt, agent_no)
  SELECT c.task_no, 'started', @now, c.attempt, c.agent_no
  FROM @calls AS c WHERE c.code IS NULL AND c.answer IS NULL AND c.status = 'assigned' ORDER BY c.item;
  INSERT INTO audit.entries (at, actor, action, subject_kind, subject_id, detail)
  SELECT @now, c.actor, 'task.started', 'task', c.task_id,
    CONCAT('{"attempt":' + CAST(c.attempt AS varchar(20)), ',"agentId":"' + a.agent_id + '"', '}')
  FROM @calls AS c JOIN dbo.agents AS a ON a.agent_no = c.agent_no
  WHERE c.code IS NULL AND c.answer IS NULL AND c.status = 'assigned' ORDER BY c.item;
  -- include: parts/complete-assignment-messages.sql
  -- include: parts/apply-counts.sql
  COMMIT TRANSACTION;
END;
-- include: parts/renew-heartbeats-of-calls.sql
SELECT c.item, c.code, NULL AS subject, c.inactive, c.cancel_requested, c.deadline_at FROM @calls AS c;
