-- One page of tasks, by number, with their attempts and events: times that record the past and lie in the future become
-- now.
CREATE PROCEDURE release.correct_tasks
  @items nvarchar(max),
  @clockOffset bigint
AS
-- include: parts/prologue.sql
DECLARE @page TABLE (no bigint NOT NULL PRIMARY KEY);
DECLARE @after bigint = JSON_VALUE(@items, '$[0].after'), @next bigint, @read int, @done int = 0;
INSERT INTO @page (no)
SELECT TOP (1000 /* MAINTENANCE_BATCH_ROWS */) x.task_no FROM dbo.tasks AS x WHERE x.task_no > @after ORDER BY x.task_no;
SET @read = @@ROWCOUNT;
IF @read = 1000 /* MAINTENANCE_BATCH_ROWS */ SET @next = (SELECT MAX(p.no) FROM @page AS p);
BEGIN TRANSACTION;
UPDATE t SET available_at = CASE WHEN (t.created_at > @now + 60000 /* AHEAD_MILLISECONDS */ AND t.available_at = t.created_at) OR (t.status = 'pending' AND t.available_at > @now + 360000 /* TASK_DUE_MAX_MILLISECONDS */)
    THEN @now ELSE t.available_at END,
  deadline_at = CASE WHEN t.assigned_at > @now + 60000 /* AHEAD_MILLISECONDS */ THEN @now + t.timeout_milliseconds ELSE t.deadline_at END,
  created_at = CASE WHEN t.created_at > @now + 60000 /* AHEAD_MILLISECONDS */ THEN @now ELSE t.created_at END, assigned_at = CASE WHEN t.assigned_at > @now + 60000 /* AHEAD_MILLISECONDS */ THEN @now ELSE t.assigned_at END, started_at = CASE WHEN t.started_at > @now + 60000 /* AHEAD_MILLISECONDS */ THEN @now ELSE t.started_at END, ended_at = CASE WHEN t.ended_at > @now + 60000 /* AHEAD_MILLISECONDS */ THEN @now ELSE t.ended_at END
FROM @page AS p JOIN dbo.tasks AS t ON t.task_no = p.no
WHERE t.created_at > @now + 60000 /* AHEAD_MILLISECONDS */ OR t.assigned_at > @now + 60000 /* AHEAD_MILLISECONDS */ OR t.started_at > @now + 60000 /* AHEAD_MILLISECONDS */ OR t.ended_at > @now + 60000 /* AHEAD_MILLISECONDS */ OR (t.status = 'pending' AND t.available_at > @now + 360000 /* TASK_DUE_MAX_MILLISECONDS */)
OPTION (LOOP JOIN, FORCE ORDER);
SET @done = @done + @@ROWCOUNT;
UPDATE x SET assigned_at = CASE WHEN x.assigned_at > @now + 60000 /* AHEAD_MILLISECONDS */ THEN @now ELSE x.assigned_at END, ended_at = CASE WHEN x.ended_at > @now + 60000 /* AHEAD_MILLISECONDS */ THEN @now ELSE x.ended_at END
FROM @page AS p JOIN dbo.task_attempts AS x ON x.task_no = p.no
WHERE x.assigned_at > @now + 60000 /* AHEAD_MILLISECONDS */ OR x.ended_at > @now + 60000 /* AHEAD_MILLISECONDS */
OPTION (LOOP JOIN, FORCE ORDER);
SET @done = @done + @@ROWCOUNT;
UPDATE e SET at = @now
FROM @page AS p JOIN dbo.task_events AS e ON e.task_no = p.no
WHERE e.at > @now + 60000 /* AHEAD_MILLISECONDS */
OPTION (LOOP JOIN, FORCE ORDER);
SET @done = @done + @@ROWCOUNT;
COMMIT TRANSACTION;
SELECT @done AS done, @next AS next;
