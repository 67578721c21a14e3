-- The sweep: takes back attempts past their deadline. The dependents of tasks that fail are left to tell-dependents.
CREATE PROCEDURE release.time_out_tasks
  @clockOffset bigint
AS
-- include: parts/prologue.sql
DECLARE @overdue_tasks TABLE (task_no bigint NOT NULL PRIMARY KEY);
DECLARE @found int, @timedOut int = 0, @requeued int = 0;
INSERT INTO @overdue_tasks (task_no)
SELECT TOP (100 /* TIMEOUTS_PER_TRANSACTION */) t.task_no FROM dbo.tasks AS t
WHERE t.status IN ('assigned', 'running') AND t.deadline_at <= @now ORDER BY t.deadline_at;
SET @found = @@ROWCOUNT;
IF @found = 0
BEGIN
  SELECT 0 AS found, 0 AS timed_out, 0 AS requeued;
  RETURN;
END;
-- What HAND_OUT works with: @freed agents that may have room now, @unblocked tasks that wait since now, and at most
-- @handOutLimit tasks to hand out (to be set: HANDOUTS_PER_CALL for each call). Needs DECLARE_COUNTS and
-- DECLARE_DELIVERABLE. @handedOut: how many were.
DECLARE @freed release.agent_numbers;
DECLARE @unblocked release.task_numbers;
DECLARE @handOutLimit int, @handedOut int = 0;
-- include: parts/declare-endings.sql
INSERT INTO @endings (task_no, task_id, attempt, was, cancel_requested, deadline_at, agent_no, assigned_at, outcome, becomes,
  retries_used, available_at, answered, error, detail, actor)
SELECT f.task_no, f.task_id, f.attempt, f.status, f.cancel_requested,
  CASE WHEN f.outcome = 'timed_out' THEN f.deadline_at END, f.agent_no, f.assigned_at,
  CASE WHEN f.becomes = 'cancelled' THEN 'cancelled' ELSE f.outcome END, f.becomes,
  f.retries_used + f.costs,
  CASE WHEN f.outcome IN ('failed', 'timed_out') THEN @now + CAST(ROUND(CASE WHEN f.retries_used >= 9 /* DOUBLINGS */ THEN 300000 /* LONGEST_MILLISECONDS */ ELSE 1000 /* FIRST_MILLISECONDS */ * POWER(2, f.retries_used) END * (1 - 0.2 /* JITTER_SHARE */ * ((CHECKSUM(NEWID()) & 2147483647) / 2147483648.0)), 0) AS bigint) ELSE f.available_at END, 0,
  CASE WHEN f.becomes = 'cancelled' THEN (SELECT o.error FROM dbo.task_outcomes AS o WHERE o.task_no = f.task_no)
    ELSE f.error END, f.error, f.actor
FROM (SELECT g.*, CASE WHEN g.cancel_requested = 1 THEN 'cancelled'
      WHEN g.retryable = 1 AND (g.costs = 0 OR g.retries_used < g.max_retries) THEN 'pending' ELSE 'failed' END AS becomes
  FROM (SELECT t.task_no, t.task_id, t.attempt, t.status, t.cancel_requested, t.deadline_at, t.agent_no, t.assigned_at,
      t.retries_used, t.max_retries, t.available_at, 'timed_out' AS outcome, N'TIMED_OUT' AS error, NULL AS actor,
      1 AS retryable, 1 AS costs
    FROM @overdue_tasks AS x JOIN dbo.tasks AS t ON t.task_no = x.task_no
  WHERE t.status IN ('assigned', 'running') AND t.deadline_at <= @now) AS g) AS f;
SELECT @timedOut = COUNT(*), @requeued = COUNT(CASE WHEN e.becomes = 'pending' THEN 1 END) FROM @endings AS e;
SET @dependentsLimit = 0;
BEGIN TRANSACTION;
-- include: parts/end-tasks.sql
-- include: parts/apply-counts.sql
COMMIT TRANSACTION;
SELECT @found AS found, @timedOut AS timed_out, @requeued AS requeued;
SELECT DISTINCT a.agent_id AS woken FROM @endings AS e JOIN dbo.agents AS a ON a.agent_no = e.receiver_no;
