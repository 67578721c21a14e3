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
-- Tasks that wait for an agent since now: the sweep hands them out.
DECLARE @unblocked release.task_numbers;
-- include: parts/declare-endings.sql
-- include: parts/lose-attempts.sql
--   answered = 0
--   outcome = 'timed_out'
--   error = N'TIMED_OUT'
--   actor = NULL
--   retryable = 1
--   costs = 1
--   attempts = @overdue_tasks AS x JOIN dbo.tasks AS t ON t.task_no = x.task_no
--     WHERE t.status IN ('assigned', 'running') AND t.deadline_at <= @now
SELECT @timedOut = COUNT(*), @requeued = COUNT(CASE WHEN e.becomes = 'pending' THEN 1 END) FROM @endings AS e;
SET @dependentsLimit = 0;
BEGIN TRANSACTION;
-- include: parts/end-tasks.sql
-- include: parts/apply-counts.sql
COMMIT TRANSACTION;
SELECT @found AS found, @timedOut AS timed_out, @requeued AS requeued;
SELECT DISTINCT a.agent_id AS woken FROM @endings AS e JOIN dbo.agents AS a ON a.agent_no = COALESCE(e.flow_receiver_no, e.receiver_no);
