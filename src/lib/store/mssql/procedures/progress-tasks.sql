-- The task's row is written even for a note alone: it orders the events, and the note, of one task. It keeps the id
-- of the call, too: the repeat of a call whose answer was lost adds no second event.
CREATE PROCEDURE release.progress_tasks
  @items nvarchar(max),
  @usage nvarchar(max),
  @renewalMilliseconds int,
  @clockOffset bigint
AS
-- include: parts/prologue.sql
DECLARE @begun int, @progressed int;
-- What is added to the histories of tasks, in the order of position. agent_no: the agent that the event is about, if
-- any. event is one of TASK_EVENTS. For the audit alone are actor, who made it happen (NULL: the switchboard, for
-- what follows from something else), and outcome, how the attempt ended that the task has lost; detail is for the
-- history alone.
DECLARE @events TABLE (position int IDENTITY PRIMARY KEY, task_no bigint NOT NULL, event varchar(24) COLLATE Latin1_General_100_BIN2 NOT NULL,
  attempt int NOT NULL, agent_no int NULL, detail nvarchar(max) NULL, actor varchar(128) COLLATE Latin1_General_100_BIN2 NULL, outcome varchar(24) COLLATE Latin1_General_100_BIN2 NULL);
-- Attempts that have started, ended or moved on, by task_no and task_attempt; the rest is filled in here.
DECLARE @moved_on TABLE (task_no bigint NOT NULL, task_attempt int NOT NULL, arrival bigint NULL,
  receiver_no int NULL, was varchar(24) COLLATE Latin1_General_100_BIN2 NULL, attempt int NULL, PRIMARY KEY (task_no, task_attempt));
-- include: parts/declare-counts.sql
DECLARE @calls TABLE (item int NOT NULL PRIMARY KEY, task_id varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL, code varchar(24) COLLATE Latin1_General_100_BIN2 NULL, answer nvarchar(200) NULL,
  task_no bigint NULL, status varchar(24) COLLATE Latin1_General_100_BIN2 NULL, agent_no int NULL, attempt int NULL, cancel_requested bit NULL, deadline_at bigint NULL,
  assigned_at bigint NULL, available_at bigint NULL, retries_used int NULL, max_retries int NULL, actor varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL,
  inactive bit NOT NULL, done float NULL, shown varchar(40) NULL, extension bigint NULL, operation uniqueidentifier NULL, note nvarchar(max) NULL);
INSERT INTO @calls (item, task_id, code, answer, task_no, status, agent_no, attempt, cancel_requested, deadline_at, assigned_at,
  available_at, retries_used, max_retries, actor, inactive, done, shown, extension, operation, note)
SELECT i.item, i.task_id, CASE
  WHEN a.agent_no IS NULL THEN 'AGENT_NOT_FOUND'
  WHEN a.status = 'deregistered' THEN 'AGENT_DEREGISTERED'
  WHEN t.task_no IS NULL AND NOT EXISTS (SELECT 1 FROM dbo.task_archive AS z WHERE z.task_id = i.task_id) THEN 'TASK_NOT_FOUND'
  WHEN t.task_no IS NULL OR t.status NOT IN ('assigned', 'running') OR t.attempt <> i.attempt OR t.agent_no <> a.agent_no
    THEN 'LEASE_LOST' END,
  NULL, t.task_no, t.status, a.agent_no, i.attempt, t.cancel_requested, t.deadline_at, t.assigned_at, t.available_at,
  t.retries_used, t.max_retries, i.actor, CASE WHEN a.status = 'inactive' THEN 1 ELSE 0 END, i.done, i.shown, i.extension, i.operation, REPLACE(REPLACE(REPLACE(REPLACE(REPLACE(i.note COLLATE Latin1_General_100_BIN2, NCHAR(64976), NCHAR(34)), NCHAR(64977), NCHAR(92)), NCHAR(64978), NCHAR(10)), NCHAR(64979), NCHAR(13)), NCHAR(64980), NCHAR(9))
FROM (SELECT j.item, j.task_id COLLATE Latin1_General_100_BIN2 AS task_id, j.agent_id COLLATE Latin1_General_100_BIN2 AS agent_id, j.actor,
    j.attempt, j.done, j.shown, j.extension, j.operation, note.value AS note
  FROM OPENJSON(@items) AS k
  CROSS APPLY OPENJSON(k.value) WITH (item int, task_id varchar(128), agent_id varchar(128), actor varchar(128), attempt int, done float, shown varchar(40), extension bigint, operation uniqueidentifier) AS j
  OUTER APPLY (SELECT v.value FROM OPENJSON(k.value) AS v WHERE v.[key] = 'note') AS note) AS i
LEFT JOIN dbo.tasks AS t ON t.task_id = i.task_id
LEFT JOIN dbo.agents AS a ON a.agent_id = i.agent_id
OPTION (LOOP JOIN, FORCE ORDER);
-- include: parts/check-usage.sql
SET @progressed = (SELECT COUNT(*) FROM @calls AS c WHERE c.code IS NULL AND c.answer IS NULL);
IF @progressed > 0
BEGIN
  BEGIN TRANSACTION;
  -- include: parts/begin-attempts.sql
  IF @begun > 0
    INSERT INTO @events (task_no, event, attempt, agent_no, actor)
    SELECT c.task_no, 'started', c.attempt, c.agent_no, c.actor FROM @calls AS c WHERE c.code IS NULL AND c.answer IS NULL AND c.status = 'assigned';
  INSERT INTO @events (task_no, event, attempt, agent_no, detail, actor)
  SELECT c.task_no, 'progress', c.attempt, c.agent_no, COALESCE(c.note, c.shown), c.actor
  FROM @calls AS c JOIN dbo.tasks AS t ON t.task_no = c.task_no
  WHERE c.code IS NULL AND c.answer IS NULL AND (t.progress_id IS NULL OR t.progress_id <> c.operation);
  -- A note alone, or a repeat, is no other version.
  UPDATE t SET version = t.version + CASE WHEN @now + c.extension > c.deadline_at
      OR (c.done IS NOT NULL AND (t.progress_id IS NULL OR t.progress_id <> c.operation)) THEN 1 ELSE 0 END,
    [percent] = COALESCE(c.done, t.[percent]), deadline_at = CASE WHEN @now + c.extension > c.deadline_at THEN @now + c.extension ELSE c.deadline_at END, progress_id = c.operation
  FROM @calls AS c JOIN dbo.tasks AS t ON t.task_no = c.task_no
  WHERE c.code IS NULL AND c.answer IS NULL AND t.status = 'running' AND t.attempt = c.attempt AND t.deadline_at = c.deadline_at;
  IF @@ROWCOUNT <> @progressed BEGIN ROLLBACK TRANSACTION; RETURN 1; END;
  UPDATE o SET note = c.note
  FROM @calls AS c JOIN dbo.task_outcomes AS o ON o.task_no = c.task_no WHERE c.code IS NULL AND c.answer IS NULL AND c.note IS NOT NULL;
  INSERT INTO dbo.task_outcomes (task_no, note)
  SELECT c.task_no, c.note FROM @calls AS c WHERE c.code IS NULL AND c.answer IS NULL AND c.note IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM dbo.task_outcomes AS o WHERE o.task_no = c.task_no);
  -- include: parts/add-events.sql
  -- include: parts/book-usage-of-calls.sql
  -- include: parts/complete-assignment-messages.sql
  -- include: parts/apply-counts.sql
  COMMIT TRANSACTION;
END;
-- include: parts/renew-heartbeats-of-calls.sql
SELECT c.item, c.code, NULL AS subject, c.inactive, c.cancel_requested, CASE WHEN @now + c.extension > c.deadline_at THEN @now + c.extension ELSE c.deadline_at END AS deadline_at FROM @calls AS c;
-- include: parts/read-time-anew.sql
SELECT c.item, u.urgent FROM @calls AS c
OUTER APPLY (
  -- include: parts/urgent-waits.sql
  --   agent = c.agent_no
) AS u
WHERE c.code IS NULL;
