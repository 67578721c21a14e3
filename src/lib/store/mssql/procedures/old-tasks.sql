-- Tasks that have ended longer ago than the retention, as their workflows and parents have, and whose dependents have all been told; a parent
-- behind its children.
CREATE PROCEDURE release.old_tasks
  @taskRetention bigint,
  @clockOffset bigint
AS
-- include: parts/prologue.sql
SELECT TOP (20 /* TASKS_PER_TRANSACTION */) t.task_no, t.demand_no FROM dbo.tasks AS t
WHERE t.ended_at IS NOT NULL AND t.ended_at <= @now - @taskRetention
  AND NOT EXISTS (SELECT 1 FROM dbo.task_dependencies AS d WHERE d.depends_on = t.task_id AND d.settled = 0)
  AND (t.workflow_no IS NULL OR EXISTS (SELECT 1 FROM dbo.workflows AS w WHERE w.workflow_no = t.workflow_no AND w.ended_at <= @now - @taskRetention))
  AND (t.parent_no IS NULL OR EXISTS (SELECT 1 FROM dbo.tasks AS p WHERE p.task_no = t.parent_no AND p.ended_at <= @now - @taskRetention))
  AND NOT EXISTS (SELECT 1 FROM dbo.tasks AS c WHERE c.parent_no = t.task_no AND c.parent_no IS NOT NULL)
ORDER BY t.ended_at, t.task_no;
