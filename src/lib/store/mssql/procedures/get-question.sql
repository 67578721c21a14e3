-- A question of a task that is not archived, and the values of the task.
CREATE PROCEDURE release.get_question
  @taskId varchar(128),
  @questionId bigint
AS
DECLARE @taskNo bigint = (SELECT t.task_no FROM dbo.tasks AS t WHERE t.task_id = @taskId);
SELECT @taskNo AS task_no;
SELECT t.task_no, t.task_id, t.task_type, t.priority, s.agent_id AS supervisor_id,
  CASE WHEN EXISTS (SELECT 1 FROM dbo.task_questions AS n WHERE n.task_no = q.task_no AND n.attempt > q.attempt) THEN 0 ELSE 1 END AS newest,
-- include: parts/question-columns.sql
FROM dbo.task_questions AS q JOIN dbo.tasks AS t ON t.task_no = q.task_no JOIN dbo.agents AS s ON s.agent_no = t.supervisor_no
WHERE q.task_no = @taskNo AND q.asked_version = @questionId AND q.asked_version > 0;
SELECT v.task_no, v.name, v.value, v.key_version FROM dbo.task_values AS v WHERE v.task_no = @taskNo;
