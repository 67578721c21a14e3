-- The sweep: takes back attempts that their agents did not start in time, as released (no retry, up to FREE_RELEASES_PER_HOUR; no
-- mark against the agent), in their old place. The dependents of tasks that fail are left to tell-dependents.
CREATE PROCEDURE release.release_unstarted_tasks
  @clockOffset bigint
AS
-- include: parts/prologue.sql
DECLARE @unstarted_tasks TABLE (task_no bigint NOT NULL PRIMARY KEY);
DECLARE @found int, @released int = 0, @requeued int = 0;
INSERT INTO @unstarted_tasks (task_no)
SELECT TOP (100 /* TIMEOUTS_PER_TRANSACTION */) t.task_no FROM dbo.tasks AS t
WHERE t.status = 'assigned' AND t.start_timeout_milliseconds IS NOT NULL AND t.start_deadline_at <= @now ORDER BY t.start_deadline_at;
SET @found = @@ROWCOUNT;
IF @found = 0
BEGIN
  SELECT 0 AS found, 0 AS released, 0 AS requeued;
  RETURN;
END;
-- Tasks that wait for an agent since now: the sweep hands them out.
DECLARE @unblocked release.task_numbers;
-- include: parts/declare-endings.sql
-- include: parts/lose-attempts.sql
--   answered = 0
--   outcome = 'released'
--   error = N'NOT_STARTED'
--   actor = NULL
--   retryable = 1
--   costs = CASE WHEN (SELECT COUNT(*) FROM (SELECT TOP (20 /* FREE_RELEASES_PER_HOUR */) z.attempt
--     FROM dbo.task_attempts AS z WHERE z.task_no = t.task_no AND z.outcome = 'released' AND z.ended_at > @now - 3600000 /* HOUR_MILLISECONDS */) AS y)
--     < 20 /* FREE_RELEASES_PER_HOUR */ THEN 0 ELSE 1 END
--   attempts = @unstarted_tasks AS x JOIN dbo.tasks AS t ON t.task_no = x.task_no
--     WHERE t.status = 'assigned' AND t.start_deadline_at <= @now
SELECT @released = COUNT(*), @requeued = COUNT(CASE WHEN e.becomes = 'pending' THEN 1 END) FROM @endings AS e;
SET @dependentsLimit = 0;
BEGIN TRANSACTION;
-- include: parts/end-tasks.sql
-- include: parts/apply-counts.sql
COMMIT TRANSACTION;
SELECT @found AS found, @released AS released, @requeued AS requeued;
SELECT DISTINCT a.agent_id AS woken FROM @endings AS e JOIN dbo.agents AS a ON a.agent_no = COALESCE(e.flow_receiver_no, e.receiver_no);
