-- assigned or running to completed, with the result message, the dependents and the counters; then hands out what waits
-- for the slots that have become free. A repeat hands out as well: the first try may have been cut between its commit and
-- its hand-out.
-- Table order: agent_loads, tasks and their rows, ordering_keys, messages, counters; then agent_heartbeats.
CREATE PROCEDURE release.complete_tasks
  @items nvarchar(max),
  @usage nvarchar(max),
  @renewalMilliseconds int,
  @clockOffset bigint
AS
-- include: parts/prologue.sql
-- include: parts/declare-endings.sql
-- include: parts/declare-hand-out.sql
DECLARE @calls TABLE (item int NOT NULL PRIMARY KEY, task_id varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL, code varchar(24) COLLATE Latin1_General_100_BIN2 NULL, answer nvarchar(200) NULL,
  task_no bigint NULL, status varchar(24) COLLATE Latin1_General_100_BIN2 NULL, agent_no int NULL, attempt int NULL, cancel_requested bit NULL, deadline_at bigint NULL,
  assigned_at bigint NULL, available_at bigint NULL, retries_used int NULL, max_retries int NULL, actor varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL,
  inactive bit NOT NULL, key_version varchar(64) NULL, result nvarchar(max) NULL);
INSERT INTO @calls (item, task_id, code, answer, task_no, status, agent_no, attempt, cancel_requested, deadline_at, assigned_at,
  available_at, retries_used, max_retries, actor, inactive, key_version, result)
SELECT i.item, i.task_id, CASE
  WHEN p.answer IS NOT NULL THEN NULL
  WHEN a.agent_no IS NULL THEN 'AGENT_NOT_FOUND'
  WHEN a.status = 'deregistered' THEN 'AGENT_DEREGISTERED'
  WHEN t.task_no IS NULL AND NOT EXISTS (SELECT 1 FROM dbo.task_archive AS z WHERE z.task_id = i.task_id) THEN 'TASK_NOT_FOUND'
  WHEN t.task_no IS NULL OR t.status NOT IN ('assigned', 'running') OR t.attempt <> i.attempt OR t.agent_no <> a.agent_no
    THEN 'LEASE_LOST' END,
  p.answer, t.task_no, t.status, a.agent_no, i.attempt, t.cancel_requested, t.deadline_at, t.assigned_at, t.available_at,
  t.retries_used, t.max_retries, i.actor, CASE WHEN a.status = 'inactive' THEN 1 ELSE 0 END, i.key_version, REPLACE(REPLACE(i.result COLLATE Latin1_General_100_BIN2, NCHAR(64976), NCHAR(34)), NCHAR(64977), NCHAR(92))
FROM (SELECT j.item, j.task_id COLLATE Latin1_General_100_BIN2 AS task_id, j.agent_id COLLATE Latin1_General_100_BIN2 AS agent_id, j.actor,
    j.attempt, j.key_version, result.value AS result
  FROM OPENJSON(@items) AS k
  CROSS APPLY OPENJSON(k.value) WITH (item int, task_id varchar(128), agent_id varchar(128), actor varchar(128), attempt int, key_version varchar(64)) AS j
  OUTER APPLY (SELECT v.value FROM OPENJSON(k.value) AS v WHERE v.[key] = 'result') AS result) AS i
LEFT JOIN dbo.tasks AS t ON t.task_id = i.task_id
LEFT JOIN dbo.agents AS a ON a.agent_id = i.agent_id
LEFT JOIN dbo.task_attempts AS p ON p.task_no = t.task_no AND p.attempt = i.attempt AND p.agent_no = a.agent_no
  AND p.outcome IN ('completed')
  AND t.attempt = i.attempt AND t.status NOT IN ('assigned', 'running') AND a.status <> 'deregistered'
OPTION (LOOP JOIN, FORCE ORDER);
-- include: parts/check-usage.sql
INSERT INTO @endings (task_no, task_id, attempt, was, cancel_requested, agent_no, assigned_at, outcome, becomes, answered, result,
  key_version, actor)
SELECT c.task_no, c.task_id, c.attempt, c.status, c.cancel_requested, c.agent_no, c.assigned_at, 'completed', 'completed', 1, c.result,
  c.key_version, c.actor
FROM @calls AS c WHERE c.code IS NULL AND c.answer IS NULL;
IF EXISTS (SELECT 1 FROM @endings)
BEGIN
  BEGIN TRANSACTION;
  -- end-tasks for verbs after which nothing is tried again: a shorter text.
  -- include: parts/leave-agents.sql
  -- include: parts/finish-task-rows.sql
  -- include: parts/book-usage-of-calls.sql
  -- include: parts/record-endings.sql
  -- include: parts/apply-counts.sql
  COMMIT TRANSACTION;
  -- include: parts/renew-heartbeats-of-calls.sql
END;
-- include: parts/hand-out-and-answer.sql
