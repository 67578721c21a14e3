-- Open questions that an agent may answer, the oldest first; without an agent all. The page is cut where its texts alone are too large.
CREATE PROCEDURE release.list_questions
  @agentId varchar(128),
  @limit int,
  @after bigint
AS
DECLARE @page TABLE (question_no bigint NOT NULL PRIMARY KEY, task_no bigint NOT NULL);
IF @agentId IS NULL
  INSERT INTO @page (question_no, task_no)
  SELECT TOP (@limit + 1) q.question_no, q.task_no FROM dbo.task_questions AS q
  WHERE q.state = 'open' AND q.question_no > @after ORDER BY q.question_no;
ELSE
  INSERT INTO @page (question_no, task_no)
  SELECT TOP (@limit + 1) q.question_no, q.task_no
  FROM dbo.question_answerers AS r JOIN dbo.task_questions AS q ON q.question_no = r.question_no
  WHERE r.agent_no = (SELECT a.agent_no FROM dbo.agents AS a WHERE a.agent_id = @agentId) AND r.[open] = 1 AND r.question_no > @after
  ORDER BY r.question_no
  OPTION (LOOP JOIN, FORCE ORDER);
DECLARE @shown TABLE (question_no bigint NOT NULL PRIMARY KEY, task_no bigint NOT NULL, found int NOT NULL);
INSERT INTO @shown (question_no, task_no, found)
SELECT w.question_no, w.task_no, w.found
FROM (SELECT k.question_no, k.task_no, COUNT(*) OVER () AS found,
    SUM(z.characters) OVER (ORDER BY k.question_no ROWS UNBOUNDED PRECEDING) - z.characters AS characters_before
  FROM @page AS k CROSS APPLY (SELECT COALESCE(SUM(DATALENGTH(v.value)), 0) / 2 AS characters FROM dbo.task_values AS v
    WHERE v.task_no = k.task_no AND v.name <> 'checkpoint') AS z) AS w
WHERE w.characters_before <= 4194304 /* REPLY_MAX_BYTES */;
SELECT w.found, t.task_no, t.task_id, t.task_type, t.priority, s.agent_id AS supervisor_id,
-- include: parts/question-columns.sql
FROM @shown AS w JOIN dbo.task_questions AS q ON q.question_no = w.question_no JOIN dbo.tasks AS t ON t.task_no = q.task_no
JOIN dbo.agents AS s ON s.agent_no = t.supervisor_no ORDER BY q.question_no;
SELECT v.task_no, v.name, v.value, v.key_version FROM @shown AS w JOIN dbo.task_values AS v ON v.task_no = w.task_no AND v.name <> 'checkpoint';
