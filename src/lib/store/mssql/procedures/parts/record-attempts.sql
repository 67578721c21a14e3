-- Writes the attempts that @plan gives out.
INSERT INTO dbo.task_attempts (task_no, attempt, agent_no, assigned_at, explanation)
SELECT p.task_no, p.attempt, p.agent_no, @now, p.explanation FROM @plan AS p WHERE p.agent_no IS NOT NULL;
