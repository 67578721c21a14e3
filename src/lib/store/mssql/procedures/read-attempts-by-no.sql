-- Attempts of tasks, by number.
CREATE PROCEDURE release.read_attempts_by_no
  @taskNos nvarchar(max)
AS
SELECT p.task_no, p.attempt, a.agent_id, p.assigned_at, p.ended_at, p.outcome, p.answer, p.explanation FROM dbo.task_attempts AS p JOIN dbo.agents AS a ON a.agent_no = p.agent_no JOIN (SELECT CAST(j.value AS bigint) AS task_no FROM OPENJSON(@taskNos) AS j) AS k ON k.task_no = p.task_no ORDER BY p.task_no, p.attempt;
