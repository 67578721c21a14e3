-- Tasks that have ended longer ago than the retention and whose dependents have all been told.
CREATE PROCEDURE release.old_tasks
  @taskRetention bigint,
  @clockOffset bigint
AS
-- include: parts/prologue.sql
SELECT TOP (20 /* TASKS_PER_TRANSACTION */) t.task_no, t.demand_no FROM dbo.tasks AS t
WHERE t.ended_at IS NOT NULL AND t.ended_at <= @now - @taskRetention
  AND NOT EXISTS (SELECT 1 FROM dbo.task_dependencies AS d WHERE d.depends_on = t.task_id AND d.settled = 0)
ORDER BY t.ended_at, t.task_no;
