-- The sweep: ends tasks whose own time is over, wherever they are; a live attempt ends without a mark against its agent. Their dependents are
-- left to tell-dependents.
CREATE PROCEDURE release.expire_tasks
  @clockOffset bigint
AS
-- include: parts/prologue.sql
DECLARE @expired_tasks TABLE (task_no bigint NOT NULL PRIMARY KEY);
DECLARE @found int;
INSERT INTO @expired_tasks (task_no)
SELECT TOP (100 /* TIMEOUTS_PER_TRANSACTION */) t.task_no FROM dbo.tasks AS t
WHERE t.expires_at IS NOT NULL AND t.ended_at IS NULL AND t.expires_at <= @now ORDER BY t.expires_at;
SET @found = @@ROWCOUNT;
IF @found = 0
BEGIN
  SELECT 0 AS found;
  RETURN;
END;
DECLARE @unblocked release.task_numbers;
-- include: parts/declare-endings.sql
-- include: parts/lose-attempts.sql
--   answered = 0
--   outcome = 'expired'
--   error = N'EXPIRED'
--   actor = NULL
--   retryable = 0
--   costs = 0
--   attempts = @expired_tasks AS x JOIN dbo.tasks AS t ON t.task_no = x.task_no WHERE t.status IN ('assigned', 'running')
INSERT INTO @endings (task_no, task_id, attempt, was, cancel_requested, becomes, error, detail)
SELECT t.task_no, t.task_id, t.attempt, t.status, t.cancel_requested, 'failed', N'EXPIRED', N'EXPIRED'
FROM @expired_tasks AS x JOIN dbo.tasks AS t ON t.task_no = x.task_no WHERE t.status IN ('blocked', 'pending', 'input_required');
SET @dependentsLimit = 0;
BEGIN TRANSACTION;
-- include: parts/end-tasks.sql
-- include: parts/apply-counts.sql
COMMIT TRANSACTION;
SELECT @found AS found;
SELECT DISTINCT a.agent_id AS woken FROM @endings AS e JOIN dbo.agents AS a ON a.agent_no = COALESCE(e.flow_receiver_no, e.receiver_no);
