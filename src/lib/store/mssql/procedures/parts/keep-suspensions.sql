-- What tasks of @endings that have suspended themselves leave for their next attempt, and their questions, which are not asked yet. Their
-- contents take the place of those of the one before.
UPDATE u SET unanswered = c.unanswered + 1, resumed_by = CASE WHEN e.becomes = 'pending' THEN 'time' END
FROM @endings AS e JOIN @calls AS c ON c.task_no = e.task_no AND c.code IS NULL AND c.answer IS NULL
JOIN dbo.task_suspensions AS u ON u.task_no = e.task_no WHERE e.outcome = 'suspended';
INSERT INTO dbo.task_suspensions (task_no, unanswered, resumed_by)
SELECT e.task_no, 1, CASE WHEN e.becomes = 'pending' THEN 'time' END FROM @endings AS e
WHERE e.outcome = 'suspended' AND NOT EXISTS (SELECT 1 FROM dbo.task_suspensions AS u WHERE u.task_no = e.task_no);
DELETE v FROM @endings AS e CROSS JOIN (VALUES ('checkpoint'), ('question'), ('default_answer'), ('answer')) AS n (name)
JOIN dbo.task_values AS v ON v.task_no = e.task_no AND v.name = n.name
WHERE e.outcome = 'suspended' AND (n.name = 'checkpoint' OR e.becomes = 'input_required')
OPTION (LOOP JOIN, FORCE ORDER);
INSERT INTO dbo.task_values (task_no, name, value, key_version)
SELECT e.task_no, CAST(w.name AS varchar(16)), w.value, CAST(w.key_version AS varchar(64))
FROM OPENJSON(@items) AS i JOIN @calls AS c ON c.item = CAST(i.[key] AS int) AND c.code IS NULL AND c.answer IS NULL
JOIN @endings AS e ON e.task_no = c.task_no AND e.outcome = 'suspended' CROSS APPLY OPENJSON(i.[value], '$.values') AS n
CROSS APPLY
  -- include: parts/read-value.sql
AS w;
INSERT INTO dbo.task_questions (task_no, attempt, state, timeout_milliseconds, has_default, default_rejects)
SELECT e.task_no, e.attempt, 'waiting', CAST(JSON_VALUE(i.[value], '$.timeout') AS bigint),
  CASE WHEN EXISTS (SELECT 1 FROM dbo.task_values AS v WHERE v.task_no = e.task_no AND v.name = 'default_answer') THEN 1 ELSE 0 END, 0
FROM OPENJSON(@items) AS i JOIN @calls AS c ON c.item = CAST(i.[key] AS int) AND c.code IS NULL AND c.answer IS NULL
JOIN @endings AS e ON e.task_no = c.task_no AND e.becomes = 'input_required';
INSERT INTO dbo.question_answerers (question_no, agent_no, asked, [open])
SELECT q.question_no, g.agent_no, MAX(CAST(g.asked AS int)), 0
FROM OPENJSON(@items) AS i JOIN @calls AS c ON c.item = CAST(i.[key] AS int) AND c.code IS NULL AND c.answer IS NULL
JOIN @endings AS e ON e.task_no = c.task_no AND e.becomes = 'input_required'
JOIN dbo.task_questions AS q ON q.task_no = e.task_no AND q.attempt = e.attempt
CROSS APPLY (SELECT a.agent_no, 1 AS asked FROM OPENJSON(i.[value], '$.asked_of') AS o
    JOIN dbo.agents AS a ON a.agent_id = CAST(o.[value] AS varchar(128)) COLLATE Latin1_General_100_BIN2
  UNION ALL SELECT t.supervisor_no, 0 FROM dbo.tasks AS t WHERE t.task_no = e.task_no) AS g
GROUP BY q.question_no, g.agent_no;
