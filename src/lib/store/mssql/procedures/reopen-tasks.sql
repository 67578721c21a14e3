-- Re-opens tasks that have ended, as rules/reopening.ts has decided, and hands out what waits for an agent then. Every row that was
-- looked at must be of the version that was read: step hold changes nothing else of it. The one place where a task leaves a final status.
CREATE PROCEDURE release.reopen_tasks
  @operation uniqueidentifier,
  @try int,
  @now bigint,
  @entries nvarchar(max),
  @tasks nvarchar(max),
  @settlements nvarchar(max),
  @causes nvarchar(max),
  @workflows nvarchar(max),
  @totals nvarchar(max),
  @visited nvarchar(max),
  @dropped nvarchar(max),
  @clockOffset bigint
AS
-- include: parts/begin-decided.sql
-- include: parts/declare-counts.sql
-- include: parts/declare-hand-out.sql
DECLARE @rows int, @asks int, @questions int = 0, @questionArrival bigint;
DECLARE @retried TABLE (task_no bigint NOT NULL PRIMARY KEY, task_id varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL, version bigint NOT NULL,
  step varchar(10) COLLATE Latin1_General_100_BIN2 NOT NULL, was varchar(24) COLLATE Latin1_General_100_BIN2 NOT NULL,
  becomes varchar(24) COLLATE Latin1_General_100_BIN2 NOT NULL, unmet int NOT NULL, asks bit NOT NULL,
  actor varchar(128) COLLATE Latin1_General_100_BIN2 NULL, detail nvarchar(max) NULL);
DECLARE @settling TABLE (task_no bigint NOT NULL, position int NOT NULL, settled bit NOT NULL, PRIMARY KEY (task_no, position));
DECLARE @seen TABLE (task_id varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL PRIMARY KEY, visited bit NOT NULL);
INSERT INTO @retried (task_no, task_id, version, step, was, becomes, unmet, asks, actor, detail)
SELECT j.task_no, j.task_id, j.version, j.step, j.was, j.becomes, j.unmet,
  CASE WHEN j.step = 'reopen' AND j.becomes = 'input_required' THEN 1 ELSE 0 END, j.actor,
  REPLACE(REPLACE(REPLACE(REPLACE(REPLACE(r.value COLLATE Latin1_General_100_BIN2, NCHAR(64976), NCHAR(34)), NCHAR(64977), NCHAR(92)), NCHAR(64978), NCHAR(10)), NCHAR(64979), NCHAR(13)), NCHAR(64980), NCHAR(9))
FROM OPENJSON(@tasks) AS k CROSS APPLY OPENJSON(k.value) WITH (task_no bigint, task_id varchar(128), version bigint, step varchar(10),
  was varchar(24), becomes varchar(24), unmet int, actor varchar(128)) AS j
OUTER APPLY (SELECT v.value FROM OPENJSON(k.value) AS v WHERE v.[key] = 'detail') AS r;
SET @rows = @@ROWCOUNT;
SET @asks = (SELECT COUNT(*) FROM @retried AS r WHERE r.asks = 1);
INSERT INTO @settling (task_no, position, settled)
SELECT j.task_no, j.position, j.settled FROM OPENJSON(@settlements) WITH (task_no bigint, position int, settled bit) AS j;
INSERT INTO @seen (task_id, visited) SELECT CAST(j.value AS varchar(128)) COLLATE Latin1_General_100_BIN2, 1 FROM OPENJSON(@visited) AS j
UNION ALL SELECT CAST(j.value AS varchar(128)) COLLATE Latin1_General_100_BIN2, 0 FROM OPENJSON(@dropped) AS j;
BEGIN TRANSACTION;
UPDATE t SET version = t.version + CASE WHEN r.step = 'hold' THEN 0 ELSE 1 END, status = r.becomes,
  unmet_dependencies = CASE WHEN r.step = 'hold' THEN t.unmet_dependencies ELSE r.unmet END,
  retries_used = CASE WHEN r.step = 'reopen' THEN 0 ELSE t.retries_used END,
  cancel_requested = CASE WHEN r.step = 'reopen' THEN 0 ELSE t.cancel_requested END,
  [percent] = CASE WHEN r.step = 'reopen' THEN NULL ELSE t.[percent] END,
  available_at = CASE WHEN r.step = 'reopen' THEN @now ELSE t.available_at END,
  assigned_at = CASE WHEN r.step = 'reopen' THEN NULL ELSE t.assigned_at END,
  started_at = CASE WHEN r.step = 'reopen' THEN NULL ELSE t.started_at END,
  deadline_at = CASE WHEN r.step = 'reopen' THEN NULL ELSE t.deadline_at END,
  ended_at = CASE WHEN r.step = 'reopen' THEN NULL ELSE t.ended_at END
FROM @retried AS r JOIN dbo.tasks AS t ON t.task_no = r.task_no
WHERE t.version = r.version AND t.status = r.was
OPTION (LOOP JOIN, FORCE ORDER);
IF @@ROWCOUNT <> @rows BEGIN ROLLBACK TRANSACTION; RETURN 1; END;
DELETE o FROM @retried AS r JOIN dbo.task_outcomes AS o ON o.task_no = r.task_no WHERE r.step = 'reopen'
OPTION (LOOP JOIN, FORCE ORDER);
UPDATE o SET because_of = j.because_of
FROM OPENJSON(@causes) WITH (task_no bigint, because_of varchar(128)) AS j JOIN dbo.task_outcomes AS o ON o.task_no = j.task_no
OPTION (LOOP JOIN, FORCE ORDER);
UPDATE p SET settled = s.settled
FROM @settling AS s JOIN dbo.task_dependencies AS p ON p.task_no = s.task_no AND p.position = s.position
OPTION (LOOP JOIN, FORCE ORDER);
-- What had not been told of an end is not told of it any more.
DELETE l FROM @retried AS r JOIN dbo.ended_dependencies AS l ON l.task_id = r.task_id WHERE r.step = 'reopen'
OPTION (LOOP JOIN, FORCE ORDER);
DELETE l FROM @seen AS s JOIN dbo.reopened_tasks AS l ON l.task_id = s.task_id
OPTION (LOOP JOIN, FORCE ORDER);
INSERT INTO dbo.task_events (task_no, event, at, attempt, detail)
SELECT t.task_no, 'reopened', @now, t.attempt, r.detail
FROM @retried AS r JOIN dbo.tasks AS t ON t.task_no = r.task_no WHERE r.step = 'reopen' ORDER BY t.task_no;
INSERT INTO audit.entries (at, actor, action, subject_kind, subject_id, detail)
SELECT @now, COALESCE(r.actor, 'system'), 'task.reopened', 'task', t.task_id, CONCAT('{"attempt":', t.attempt, '}')
FROM @retried AS r JOIN dbo.tasks AS t ON t.task_no = r.task_no WHERE r.step = 'reopen' ORDER BY t.task_no;
-- One that was cancelled while it waited goes on from its checkpoint, and with the children that it waited for.
UPDATE u SET resumed_by = CASE WHEN EXISTS (SELECT 1 FROM dbo.task_dependencies AS d
  WHERE d.task_no = r.task_no AND d.position >= t.suspensions * 1000 /* CHILD_PLACES */) THEN 'children_ended' ELSE 'time' END
FROM @retried AS r JOIN dbo.tasks AS t ON t.task_no = r.task_no JOIN dbo.task_suspensions AS u ON u.task_no = r.task_no
WHERE r.step = 'reopen' AND u.resumed_by IS NULL
OPTION (LOOP JOIN, FORCE ORDER);
DELETE e FROM @retried AS r JOIN dbo.ended_parents AS e ON e.task_no = r.task_no WHERE r.step = 'reopen'
OPTION (LOOP JOIN, FORCE ORDER);
-- Gates ask anew.
UPDATE q SET state = 'waiting', asked_version = 0, asked_at = NULL, expires_at = NULL, answer_hash = NULL, answered_by = NULL, answered_at = NULL
FROM @retried AS r JOIN dbo.task_questions AS q ON q.task_no = r.task_no AND q.attempt = 0 WHERE r.step = 'reopen'
OPTION (LOOP JOIN, FORCE ORDER);
IF @asks > 0
BEGIN
  -- include: parts/open-questions.sql
  --   tasks = @retried AS k JOIN dbo.tasks AS t ON t.task_no = k.task_no AND k.asks = 1
END;
-- Tasks that have more dependents than were looked at are left to the sweep.
INSERT INTO dbo.reopened_tasks (task_id)
SELECT s.task_id FROM @seen AS s WHERE s.visited = 1 AND (
  EXISTS (SELECT 1 FROM dbo.task_outcomes AS o JOIN dbo.tasks AS t ON t.task_no = o.task_no WHERE o.because_of = s.task_id AND t.task_id <> s.task_id)
  OR EXISTS (SELECT 1 FROM dbo.task_dependencies AS d JOIN dbo.tasks AS t ON t.task_no = d.task_no JOIN dbo.tasks AS b ON b.task_id = d.depends_on
    WHERE d.depends_on = s.task_id AND d.condition <> 'completed' AND d.settled = 1 AND b.ended_at IS NULL
      -- One that waits for its own children has gone on, unless this is one of them.
      AND ((t.status = 'blocked' AND NOT (d.position < t.suspensions * 1000 /* CHILD_PLACES */ AND EXISTS (SELECT 1 FROM dbo.task_dependencies AS c
        WHERE c.task_no = t.task_no AND c.position >= t.suspensions * 1000 /* CHILD_PLACES */ AND c.settled = 0)))
      OR (d.condition = 'failed' AND t.status = 'pending' AND t.attempt = 0))));
-- Their workflows are running again.
UPDATE w SET version = w.version + j.reopened, open_tasks = w.open_tasks + j.reopened, failed = w.failed - j.failed, cancelled = w.cancelled - j.cancelled,
  not_needed = w.not_needed - j.not_needed, stopped = w.stopped - j.stopped, status = 'running', ended_at = NULL
FROM (SELECT TOP (10000) x.workflow_no, x.reopened, x.failed, x.cancelled, x.not_needed, x.stopped FROM OPENJSON(@workflows)
  WITH (workflow_no bigint, reopened int, failed int, cancelled int, not_needed int, stopped int) AS x ORDER BY x.workflow_no) AS j
JOIN dbo.workflows AS w ON w.workflow_no = j.workflow_no
OPTION (LOOP JOIN, FORCE ORDER);
INSERT INTO @counts (name, delta)
SELECT c.name, SUM(c.delta) FROM @retried AS r CROSS APPLY (VALUES (CONCAT('tasks:', r.was), -1), (CONCAT('tasks:', r.becomes), 1)) AS c (name, delta)
WHERE r.step <> 'hold' GROUP BY c.name
UNION ALL SELECT j.name COLLATE Latin1_General_100_BIN2, j.delta FROM OPENJSON(@totals) WITH (name varchar(48), delta bigint) AS j;
IF @asks > 0
BEGIN
  -- include: parts/send-questions.sql
  --   tasks = @retried AS k JOIN dbo.tasks AS t ON t.task_no = k.task_no AND k.asks = 1
  -- include: parts/send-question-payloads.sql
  --   tasks = @retried AS k JOIN dbo.tasks AS t ON t.task_no = k.task_no AND k.asks = 1
END;
-- include: parts/apply-counts.sql
-- include: parts/keep-decision.sql
COMMIT TRANSACTION;
INSERT INTO @unblocked (task_no) SELECT r.task_no FROM @retried AS r WHERE r.step = 'reopen' AND r.becomes = 'pending';
SET @handOutLimit = 10 /* HANDOUTS_PER_CALL */;
EXEC @handedOut = release.hand_out @freed, @unblocked, @handOutLimit, @clockOffset;
IF @handedOut < 0 RETURN 1;
SELECT DISTINCT a.agent_id AS woken FROM @retried AS r JOIN dbo.task_questions AS q ON q.task_no = r.task_no AND q.attempt = 0 AND r.asks = 1
JOIN dbo.question_answerers AS k ON k.question_no = q.question_no JOIN dbo.agents AS a ON a.agent_no = k.agent_no;
