-- What the rules of retries look at: a task, the tasks of a workflow that failed or were cancelled, or those whose dependents are left;
-- what ended because of them and because of that, DEPENDENTS_PER_CALL tasks; what these wait for; and who was told of their ends.
CREATE PROCEDURE release.read_retry
  @operation uniqueidentifier,
  @taskId varchar(128),
  @workflowId varchar(128),
  @clockOffset bigint
AS
-- include: parts/find-decision.sql
DECLARE @generation int = 0, @found int, @room int = 100 /* DEPENDENTS_PER_CALL */;
DECLARE @seen TABLE (task_no bigint NOT NULL PRIMARY KEY, task_id varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL, generation int NOT NULL);
IF @taskId IS NOT NULL
  INSERT INTO @seen (task_no, task_id, generation) SELECT t.task_no, t.task_id, 0 FROM dbo.tasks AS t WHERE t.task_id = @taskId;
ELSE IF @workflowId IS NOT NULL
  INSERT INTO @seen (task_no, task_id, generation)
  SELECT t.task_no, t.task_id, 0 FROM dbo.workflows AS w JOIN dbo.tasks AS t ON t.workflow_no = w.workflow_no
  WHERE w.workflow_id = @workflowId AND t.status IN ('failed', 'cancelled');
ELSE
  INSERT INTO @seen (task_no, task_id, generation)
  SELECT t.task_no, t.task_id, 0 FROM (SELECT TOP (100 /* DEPENDENTS_PER_CALL */) r.task_id FROM dbo.reopened_tasks AS r ORDER BY r.task_id) AS l
  JOIN dbo.tasks AS t ON t.task_id = l.task_id;
SET @found = @@ROWCOUNT;
WHILE @found > 0 AND @room > 0
BEGIN
  INSERT INTO @seen (task_no, task_id, generation)
  SELECT TOP (@room) t.task_no, t.task_id, @generation + 1
  FROM @seen AS s JOIN dbo.task_outcomes AS o ON o.because_of = s.task_id JOIN dbo.tasks AS t ON t.task_no = o.task_no
  WHERE s.generation = @generation AND t.ended_at IS NOT NULL AND NOT EXISTS (SELECT 1 FROM @seen AS k WHERE k.task_no = t.task_no)
  ORDER BY t.task_no;
  SET @found = @@ROWCOUNT;
  SET @room = @room - @found;
  SET @generation = @generation + 1;
END;
SELECT t.task_no, t.task_id, t.status, t.attempt, t.version, CAST(t.gate AS int) AS gate, CAST(t.cancel_requested AS int) AS cancel_requested, t.expires_at, t.workflow_no, o.error, o.because_of,
  CASE WHEN t.parent_no IS NULL THEN 0 WHEN EXISTS (SELECT 1 FROM dbo.tasks AS p JOIN dbo.task_dependencies AS d ON d.task_no = p.task_no
    WHERE p.task_no = t.parent_no AND p.status = 'blocked' AND d.depends_on = t.task_id AND d.position >= p.suspensions * 1000 /* CHILD_PLACES */)
    THEN 0 ELSE 1 END AS left_behind,
  CASE WHEN t.status IN ('assigned', 'running') THEN t.deadline_at END AS deadline_at, s.generation
FROM @seen AS s JOIN dbo.tasks AS t ON t.task_no = s.task_no LEFT JOIN dbo.task_outcomes AS o ON o.task_no = t.task_no
ORDER BY s.generation, t.task_no;
-- Of what has gone on by a failure, and no worker was given yet, as well: it counts anew what it waits for.
DECLARE @waits TABLE (task_no bigint NOT NULL PRIMARY KEY);
INSERT INTO @waits (task_no) SELECT s.task_no FROM @seen AS s;
INSERT INTO @waits (task_no)
SELECT DISTINCT TOP (1000) t.task_no FROM @seen AS s JOIN dbo.task_dependencies AS d ON d.depends_on = s.task_id JOIN dbo.tasks AS t ON t.task_no = d.task_no
WHERE d.condition = 'failed' AND d.settled = 1 AND t.status = 'pending' AND t.attempt = 0 AND NOT EXISTS (SELECT 1 FROM @waits AS w WHERE w.task_no = t.task_no);
-- One that is archived and gone was met when the task went on.
SELECT d.task_no, d.position, d.depends_on, d.condition, b.task_no AS depends_no, b.version, COALESCE(b.status, z.status, 'completed') AS status,
  COALESCE(o.error, JSON_VALUE(z.task, '$.error')) AS error
FROM @waits AS s JOIN dbo.task_dependencies AS d ON d.task_no = s.task_no LEFT JOIN dbo.tasks AS b ON b.task_id = d.depends_on
LEFT JOIN dbo.task_outcomes AS o ON o.task_no = b.task_no
LEFT JOIN dbo.task_archive AS z ON z.task_id = d.depends_on AND b.task_no IS NULL
ORDER BY d.task_no, d.position;
-- Those that waited for a failure and have gone on first: they may forbid the retry. One that waits for its own children has gone on, unless this is one of them.
SELECT TOP (1000) d.depends_on, d.position, d.condition, t.task_no, t.task_id, t.status, t.attempt, t.version, CAST(t.gate AS int) AS gate, t.unmet_dependencies, o.because_of
FROM @seen AS s JOIN dbo.task_dependencies AS d ON d.depends_on = s.task_id JOIN dbo.tasks AS t ON t.task_no = d.task_no
LEFT JOIN dbo.task_outcomes AS o ON o.task_no = t.task_no
WHERE d.condition <> 'completed' AND d.settled = 1 AND ((t.status = 'blocked' AND NOT (d.position < t.suspensions * 1000 /* CHILD_PLACES */ AND EXISTS (SELECT 1 FROM dbo.task_dependencies AS c
    WHERE c.task_no = t.task_no AND c.position >= t.suspensions * 1000 /* CHILD_PLACES */ AND c.settled = 0)))
  OR (d.condition = 'failed' AND (t.status = 'pending' OR t.attempt > 0 OR t.gate = 1)))
ORDER BY d.condition DESC, CASE WHEN t.attempt > 0 THEN 0 ELSE 1 END, CAST(t.gate AS int) DESC, t.task_no;
SELECT (SELECT z.status FROM dbo.task_archive AS z WHERE z.task_id = @taskId) AS archived_as,
  (SELECT w.status FROM dbo.workflows AS w WHERE w.workflow_id = @workflowId) AS workflow;
SELECT TOP (100 /* DEPENDENTS_PER_CALL */) r.task_id FROM dbo.reopened_tasks AS r
WHERE @taskId IS NULL AND @workflowId IS NULL ORDER BY r.task_id;
