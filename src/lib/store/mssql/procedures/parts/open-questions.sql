-- Asks the kept questions of tasks that wait for input since now. Inside the transaction, after the rows of the tasks were changed: their
-- version is the id of the question. send-questions tells of them. $(tasks): the tasks, t.
UPDATE q SET state = 'open', asked_version = t.version, asked_at = @now, expires_at = @now + q.timeout_milliseconds
FROM $(tasks) JOIN dbo.task_questions AS q ON q.task_no = t.task_no AND q.attempt = t.attempt
WHERE t.status = 'input_required' AND q.state = 'waiting'
OPTION (LOOP JOIN, FORCE ORDER);
UPDATE r SET [open] = 1
FROM $(tasks) JOIN dbo.task_questions AS q ON q.task_no = t.task_no AND q.attempt = t.attempt AND q.state = 'open'
JOIN dbo.question_answerers AS r ON r.question_no = q.question_no
OPTION (LOOP JOIN, FORCE ORDER);
INSERT INTO dbo.task_events (task_no, event, at, attempt, agent_no, detail)
SELECT t.task_no, 'asked', @now, t.attempt, CASE WHEN t.gate = 0 THEN t.agent_no END, CAST(t.version AS varchar(20))
FROM $(tasks) WHERE t.status = 'input_required' ORDER BY t.task_no;
INSERT INTO audit.entries (at, actor, action, subject_kind, subject_id, detail)
SELECT @now, 'system', 'task.asked', 'task', t.task_id, CONCAT('{"attempt":' + CAST(t.attempt AS varchar(20)), ',"agentId":"' + a.agent_id + '"', '}')
FROM $(tasks) LEFT JOIN dbo.agents AS a ON a.agent_no = t.agent_no AND t.gate = 0
WHERE t.status = 'input_required' ORDER BY t.task_no;
