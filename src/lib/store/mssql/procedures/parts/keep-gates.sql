-- The questions of new gates, which are not asked yet; of one that has failed with what it depends on, never.
INSERT INTO dbo.task_values (task_no, name, value, key_version)
SELECT p.task_no, CAST(w.name AS varchar(16)), w.value, CAST(w.key_version AS varchar(64))
FROM OPENJSON(@items) AS i JOIN @plan AS p ON p.place = CAST(i.[key] AS int) AND p.gate = 1
CROSS APPLY OPENJSON(i.[value], '$.values') AS n
CROSS APPLY
  -- include: parts/read-value.sql
AS w
WHERE p.becomes IN ('input_required', 'blocked', 'failed', 'cancelled');
INSERT INTO dbo.task_questions (task_no, attempt, state, asked_at, timeout_milliseconds, has_default, default_rejects)
SELECT n.task_no, 0, CASE WHEN n.becomes IN ('failed', 'cancelled') THEN 'ended' ELSE 'waiting' END, CASE WHEN n.becomes IN ('failed', 'cancelled') THEN @now END,
  CAST(JSON_VALUE(i.[value], '$.timeout') AS bigint),
  CASE WHEN EXISTS (SELECT 1 FROM dbo.task_values AS v WHERE v.task_no = n.task_no AND v.name = 'gate_default') THEN 1 ELSE 0 END,
  COALESCE(CAST(JSON_VALUE(i.[value], '$.rejects') AS int), 0)
FROM OPENJSON(@items) AS i JOIN @plan AS n ON n.place = CAST(i.[key] AS int) AND n.gate = 1
WHERE n.becomes IN ('input_required', 'blocked', 'failed', 'cancelled');
INSERT INTO dbo.question_answerers (question_no, agent_no, asked, [open])
SELECT q.question_no, g.agent_no, MAX(CAST(g.asked AS int)), 0
FROM OPENJSON(@items) AS i JOIN @plan AS n ON n.place = CAST(i.[key] AS int) AND n.gate = 1
JOIN dbo.task_questions AS q ON q.task_no = n.task_no AND q.attempt = 0
CROSS APPLY (SELECT a.agent_no, 1 AS asked FROM OPENJSON(i.[value], '$.askedOf') AS o
    JOIN dbo.agents AS a ON a.agent_id = CAST(o.[value] AS varchar(128)) COLLATE Latin1_General_100_BIN2
  UNION ALL SELECT n.supervisor_no, 0) AS g
GROUP BY q.question_no, g.agent_no;
