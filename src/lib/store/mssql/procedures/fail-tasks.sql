-- assigned or running to pending with backoff; failed past maxRetries or when not retryable; cancelled when that was requested. Then hands out
-- what waits for the slots that have become free.
-- Table order: agent_loads, tasks and their rows, ordering_keys, messages, counters; then agent_heartbeats.
CREATE PROCEDURE release.fail_tasks
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
  inactive bit NOT NULL, retryable bit NULL, error nvarchar(max) NULL);
INSERT INTO @calls (item, task_id, code, answer, task_no, status, agent_no, attempt, cancel_requested, deadline_at, assigned_at,
  available_at, retries_used, max_retries, actor, inactive, retryable, error)
SELECT i.item, i.task_id, CASE
  WHEN p.answer IS NOT NULL THEN NULL
  WHEN a.agent_no IS NULL THEN 'AGENT_NOT_FOUND'
  WHEN a.status = 'deregistered' THEN 'AGENT_DEREGISTERED'
  WHEN t.task_no IS NULL AND NOT EXISTS (SELECT 1 FROM dbo.task_archive AS z WHERE z.task_id = i.task_id) THEN 'TASK_NOT_FOUND'
  WHEN t.task_no IS NULL OR t.status NOT IN ('assigned', 'running') OR t.attempt <> i.attempt OR t.agent_no <> a.agent_no
    THEN 'LEASE_LOST' END,
  p.answer, t.task_no, t.status, a.agent_no, i.attempt, t.cancel_requested, t.deadline_at, t.assigned_at, t.available_at,
  t.retries_used, t.max_retries, i.actor, CASE WHEN a.status = 'inactive' THEN 1 ELSE 0 END, i.retryable, REPLACE(REPLACE(REPLACE(REPLACE(REPLACE(i.error COLLATE Latin1_General_100_BIN2, NCHAR(64976), NCHAR(34)), NCHAR(64977), NCHAR(92)), NCHAR(64978), NCHAR(10)), NCHAR(64979), NCHAR(13)), NCHAR(64980), NCHAR(9))
FROM (SELECT j.item, j.task_id COLLATE Latin1_General_100_BIN2 AS task_id, j.agent_id COLLATE Latin1_General_100_BIN2 AS agent_id, j.actor,
    j.attempt, j.retryable, error.value AS error
  FROM OPENJSON(@items) AS k
  CROSS APPLY OPENJSON(k.value) WITH (item int, task_id varchar(128), agent_id varchar(128), actor varchar(128), attempt int, retryable bit) AS j
  OUTER APPLY (SELECT v.value FROM OPENJSON(k.value) AS v WHERE v.[key] = 'error') AS error) AS i
LEFT JOIN dbo.tasks AS t ON t.task_id = i.task_id
LEFT JOIN dbo.agents AS a ON a.agent_id = i.agent_id
LEFT JOIN dbo.task_attempts AS p ON p.task_no = t.task_no AND p.attempt = i.attempt AND p.agent_no = a.agent_no
  AND p.outcome IN ('failed', 'cancelled')
  AND t.attempt = i.attempt AND t.status NOT IN ('assigned', 'running') AND a.status <> 'deregistered'
  -- That of a call to suspend is not of this verb.
  AND p.answer NOT LIKE N'%"untilHash"%'
OPTION (LOOP JOIN, FORCE ORDER);
-- include: parts/check-usage.sql
-- include: parts/lose-attempts.sql
--   answered = 1
--   outcome = 'failed'
--   error = t.error
--   actor = t.actor
--   retryable = t.retryable
--   costs = 1
--   attempts = @calls AS t WHERE t.code IS NULL AND t.answer IS NULL
IF EXISTS (SELECT 1 FROM @endings)
BEGIN
  BEGIN TRANSACTION;
  -- As end-tasks, with what the calls report in between.
  -- include: parts/leave-agents.sql
  -- include: parts/finish-task-rows.sql
  -- include: parts/book-usage-of-calls.sql
  -- include: parts/record-endings.sql
  -- include: parts/apply-counts.sql
  COMMIT TRANSACTION;
  -- include: parts/renew-heartbeats-of-calls.sql
END;
-- include: parts/hand-out-and-answer.sql
