-- What is read of a question, q, with ids for numbers. asked_by: nobody for a gate.
q.question_no, q.attempt, q.asked_version, q.state, q.asked_at, q.expires_at, q.answered_by, q.answered_at,
(SELECT a.agent_id FROM dbo.task_attempts AS p JOIN dbo.agents AS a ON a.agent_no = p.agent_no
  WHERE p.task_no = q.task_no AND p.attempt = q.attempt) AS asked_by,
(SELECT STRING_AGG(CAST(a.agent_id AS varchar(max)), ',') WITHIN GROUP (ORDER BY a.agent_id) FROM dbo.question_answerers AS r
  JOIN dbo.agents AS a ON a.agent_no = r.agent_no WHERE r.question_no = q.question_no AND r.asked = 1) AS asked_of
