-- The attempts of a task, each with the explanation of its assignment; from the archive where the task is there.
CREATE PROCEDURE release.get_assignments
  @taskId varchar(128),
  @limit int,
  @after int
AS
DECLARE @taskNo bigint = (SELECT t.task_no FROM dbo.tasks AS t WHERE t.task_id = @taskId);
SELECT @taskNo AS task_no;
SELECT TOP (@limit + 1) p.attempt, a.agent_id, p.assigned_at, p.ended_at, p.outcome, p.answer, p.explanation FROM dbo.task_attempts AS p JOIN dbo.agents AS a ON a.agent_no = p.agent_no WHERE p.task_no = @taskNo AND p.attempt > @after ORDER BY p.attempt;
SELECT z.assignments FROM dbo.task_archive AS z WHERE z.task_id = @taskId;
