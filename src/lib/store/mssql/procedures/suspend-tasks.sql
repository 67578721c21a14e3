-- assigned or running to input_required, or to pending until a time; cancelled when that was requested, failed when the task goes round in
-- circles and has no retry left. Then hands out what waits for the slots that have become free.
-- Table order: agent_loads, tasks and their rows, ordering_keys, messages, counters; then agent_heartbeats.
CREATE PROCEDURE release.suspend_tasks
  @items nvarchar(max),
  @usage nvarchar(max),
  @renewalMilliseconds int,
  @clockOffset bigint
AS
-- include: parts/prologue.sql
-- include: parts/declare-endings.sql
-- include: parts/declare-hand-out.sql
-- wake_at: when it suspends until a time; NULL: until its question is answered. version: at which the question will be asked.
DECLARE @calls TABLE (item int NOT NULL PRIMARY KEY, task_id varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL, code varchar(24) COLLATE Latin1_General_100_BIN2 NULL,
  subject varchar(128) COLLATE Latin1_General_100_BIN2 NULL, answer nvarchar(400) NULL, task_no bigint NULL, status varchar(24) COLLATE Latin1_General_100_BIN2 NULL, agent_no int NULL,
  attempt int NULL, cancel_requested bit NULL, assigned_at bigint NULL, retries_used int NULL, max_retries int NULL, unanswered int NULL,
  version bigint NULL, actor varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL, inactive bit NOT NULL, until_hash varchar(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
  wake_at bigint NULL, shown_at varchar(30) COLLATE Latin1_General_100_BIN2 NULL);
INSERT INTO @calls (item, task_id, code, subject, answer, task_no, status, agent_no, attempt, cancel_requested, assigned_at, retries_used,
  max_retries, unanswered, version, actor, inactive, until_hash, wake_at, shown_at)
SELECT i.item, i.task_id, c.code, CASE c.code WHEN 'IDEMPOTENCY_MISMATCH' THEN h.until_hash WHEN 'ASKED_OF' THEN i.missing END,
  CASE WHEN c.code IS NULL THEN p.answer END, t.task_no, t.status, a.agent_no, i.attempt, t.cancel_requested, t.assigned_at, t.retries_used,
  t.max_retries, COALESCE(u.unanswered, 0), t.version + 1, i.actor, CASE WHEN a.status = 'inactive' THEN 1 ELSE 0 END, i.until_hash, i.wake_at,
  i.shown_at
FROM (SELECT j.item, j.task_id COLLATE Latin1_General_100_BIN2 AS task_id, j.agent_id COLLATE Latin1_General_100_BIN2 AS agent_id, j.actor, j.attempt, j.until_hash COLLATE Latin1_General_100_BIN2 AS until_hash, j.wake_at,
    j.shown_at, (SELECT TOP (1) CAST(o.[value] AS varchar(128)) COLLATE Latin1_General_100_BIN2 FROM OPENJSON(k.[value], '$.asked_of') AS o
      LEFT JOIN dbo.agents AS g ON g.agent_id = CAST(o.[value] AS varchar(128)) COLLATE Latin1_General_100_BIN2 AND g.status <> 'deregistered'
      WHERE g.agent_no IS NULL ORDER BY CAST(o.[key] AS int)) AS missing
  FROM OPENJSON(@items) AS k
  CROSS APPLY OPENJSON(k.[value]) WITH (item int, task_id varchar(128), agent_id varchar(128), actor varchar(128), attempt int,
    until_hash varchar(64), wake_at bigint, shown_at varchar(30)) AS j) AS i
LEFT JOIN dbo.tasks AS t ON t.task_id = i.task_id
LEFT JOIN dbo.agents AS a ON a.agent_id = i.agent_id
LEFT JOIN dbo.task_attempts AS p ON p.task_no = t.task_no AND p.attempt = i.attempt AND p.agent_no = a.agent_no
  AND p.outcome IN ('suspended', 'cancelled', 'failed') AND p.answer LIKE N'%"untilHash"%' AND a.status <> 'deregistered'
LEFT JOIN dbo.task_suspensions AS u ON u.task_no = t.task_no
OUTER APPLY (SELECT CAST(JSON_VALUE(p.answer, '$.untilHash') AS varchar(64)) COLLATE Latin1_General_100_BIN2 AS until_hash) AS h
CROSS APPLY (SELECT CASE WHEN h.until_hash = i.until_hash THEN NULL WHEN p.answer IS NOT NULL THEN 'IDEMPOTENCY_MISMATCH'
  WHEN a.agent_no IS NULL THEN 'AGENT_NOT_FOUND'
  WHEN a.status = 'deregistered' THEN 'AGENT_DEREGISTERED'
  WHEN t.task_no IS NULL AND NOT EXISTS (SELECT 1 FROM dbo.task_archive AS z WHERE z.task_id = i.task_id) THEN 'TASK_NOT_FOUND'
  WHEN t.task_no IS NULL OR t.status NOT IN ('assigned', 'running') OR t.attempt <> i.attempt OR t.agent_no <> a.agent_no THEN 'LEASE_LOST'
  WHEN t.suspensions >= 1000 /* SUSPENSIONS_MAX */ THEN 'SUSPENSION_LIMIT'
  WHEN i.missing IS NOT NULL THEN 'ASKED_OF'
  WHEN i.wake_at < @now + 10 /* SUSPEND_MIN_SECONDS */ * 1000 OR i.wake_at > @now + 31536000 /* DURATION_MAX_SECONDS */ * CAST(1000 AS bigint)
    THEN 'INVALID_REQUEST' END AS code) AS c
OPTION (LOOP JOIN, FORCE ORDER);
-- include: parts/check-usage.sql
-- Past 100 suspensions without an answer each uses a retry; before, the task has got on, and its retries begin anew.
INSERT INTO @endings (task_no, task_id, attempt, was, cancel_requested, agent_no, assigned_at, outcome, becomes, retries_used, available_at,
  answered, answer_more, error, detail, actor)
SELECT c.task_no, c.task_id, c.attempt, c.status, c.cancel_requested, c.agent_no, c.assigned_at,
  CASE WHEN f.becomes IN ('pending', 'input_required') THEN 'suspended' ELSE f.becomes END, f.becomes,
  CASE WHEN c.unanswered < 100 /* FREE_SUSPENSIONS */ THEN 0 ELSE c.retries_used + 1 END, c.wake_at, 1,
  CONCAT(CASE f.becomes WHEN 'input_required' THEN CONCAT(N',"questionId":"', c.version, N'"')
    WHEN 'pending' THEN CONCAT(N',"availableAt":"', c.shown_at, N'"') END, N',"untilHash":"', c.until_hash, N'"'),
  CASE f.becomes WHEN 'failed' THEN N'SUSPENSIONS_EXHAUSTED'
    WHEN 'cancelled' THEN (SELECT o.error FROM dbo.task_outcomes AS o WHERE o.task_no = c.task_no) END,
  CASE f.becomes WHEN 'input_required' THEN CONCAT('until question ', c.version, ' is answered') WHEN 'pending' THEN CONCAT('until ', c.shown_at)
    WHEN 'failed' THEN N'SUSPENSIONS_EXHAUSTED: 100 without an answer'
    ELSE (SELECT o.error COLLATE Latin1_General_100_BIN2 FROM dbo.task_outcomes AS o WHERE o.task_no = c.task_no) END, c.actor
FROM @calls AS c CROSS APPLY (SELECT CASE WHEN c.cancel_requested = 1 THEN 'cancelled'
  WHEN c.unanswered >= 100 /* FREE_SUSPENSIONS */ AND c.retries_used >= c.max_retries THEN 'failed'
  WHEN c.wake_at IS NULL THEN 'input_required' ELSE 'pending' END AS becomes) AS f
WHERE c.code IS NULL AND c.answer IS NULL;
IF EXISTS (SELECT 1 FROM @endings)
BEGIN
  BEGIN TRANSACTION;
  -- include: parts/leave-agents.sql
  -- include: parts/finish-task-rows.sql
  -- include: parts/book-usage-of-calls.sql
  -- include: parts/keep-suspensions.sql
  INSERT INTO @unblocked (task_no) SELECT e.task_no FROM @endings AS e WHERE e.becomes = 'input_required';
  IF @@ROWCOUNT > 0 SET @asking = 1;
  -- include: parts/record-endings.sql
  -- include: parts/apply-counts.sql
  COMMIT TRANSACTION;
  -- include: parts/renew-heartbeats-of-calls.sql
END;
INSERT INTO @freed (agent_no) SELECT DISTINCT c.agent_no FROM @calls AS c WHERE c.code IS NULL AND c.agent_no IS NOT NULL;
SET @handOutLimit = 10 /* HANDOUTS_PER_CALL */ * (SELECT COUNT(*) FROM @calls AS c WHERE c.code IS NULL);
EXEC @handedOut = release.hand_out @freed, @unblocked, @handOutLimit, @clockOffset;
IF @handedOut < 0 RETURN 1;
-- A repeat of a call that is answered has the answer; of a task in the archive that is there.
SELECT c.item, c.code, c.subject, c.inactive, COALESCE(c.answer, CASE WHEN e.task_no IS NOT NULL THEN (SELECT p.answer FROM dbo.task_attempts AS p
    WHERE p.task_no = c.task_no AND p.attempt = c.attempt) END) AS answer,
  (SELECT z.assignments FROM dbo.task_archive AS z JOIN dbo.agents AS w ON w.agent_no = c.agent_no
    WHERE c.task_no IS NULL AND z.task_id = c.task_id AND w.status <> 'deregistered' AND w.registered_at <= z.ended_at) AS archived
FROM @calls AS c LEFT JOIN @endings AS e ON e.task_no = c.task_no AND c.code IS NULL AND c.answer IS NULL;
SELECT DISTINCT a.agent_id AS woken FROM (SELECT COALESCE(e.flow_receiver_no, e.receiver_no) AS agent_no FROM @endings AS e
  UNION ALL SELECT r.agent_no FROM @endings AS e JOIN dbo.task_questions AS q ON q.task_no = e.task_no AND q.attempt = e.attempt
    JOIN dbo.question_answerers AS r ON r.question_no = q.question_no) AS d JOIN dbo.agents AS a ON a.agent_no = d.agent_no;
