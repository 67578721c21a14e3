-- input_required to pending, or the end of a gate, with the answer; then hands out the tasks that it has woken.
-- Table order: tasks and their rows, ordering_keys, messages, counters; then agent_heartbeats.
CREATE PROCEDURE release.answer_questions
  @items nvarchar(max),
  @renewalMilliseconds int,
  @clockOffset bigint
AS
-- include: parts/prologue.sql
-- include: parts/declare-endings.sql
-- include: parts/declare-hand-out.sql
-- answer: who has given the same answer before, where this is its repeat.
DECLARE @calls TABLE (item int NOT NULL PRIMARY KEY, task_id varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL, code varchar(24) COLLATE Latin1_General_100_BIN2 NULL,
  subject varchar(64) COLLATE Latin1_General_100_BIN2 NULL, state varchar(10) COLLATE Latin1_General_100_BIN2 NULL, answer varchar(128) COLLATE Latin1_General_100_BIN2 NULL, answered_at bigint NULL, task_no bigint NULL,
  status varchar(24) COLLATE Latin1_General_100_BIN2 NULL, attempt int NULL, cancel_requested bit NULL, gate bit NULL, agent_no int NULL,
  actor varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL, inactive bit NOT NULL, question_id bigint NOT NULL, answer_hash varchar(64) COLLATE Latin1_General_100_BIN2 NOT NULL, rejects bit NOT NULL);
INSERT INTO @calls (item, task_id, code, subject, state, answer, answered_at, task_no, status, attempt, cancel_requested, gate, agent_no, actor,
  inactive, question_id, answer_hash, rejects)
SELECT i.item, i.task_id, c.code, CASE WHEN c.code = 'ALREADY_ANSWERED' THEN q.answer_hash END, q.state,
  CASE WHEN c.code IS NULL AND q.state <> 'open' THEN q.answered_by END, q.answered_at, t.task_no, t.status, t.attempt, t.cancel_requested, t.gate,
  a.agent_no, i.actor, CASE WHEN a.status = 'inactive' THEN 1 ELSE 0 END, i.question_id, i.answer_hash, i.rejects
FROM (SELECT j.item, j.task_id COLLATE Latin1_General_100_BIN2 AS task_id, j.agent_id COLLATE Latin1_General_100_BIN2 AS agent_id, j.actor, j.question_id, j.answer_hash COLLATE Latin1_General_100_BIN2 AS answer_hash, j.rejects
  FROM OPENJSON(@items) WITH (item int, task_id varchar(128), agent_id varchar(128), actor varchar(128), question_id bigint,
    answer_hash varchar(64), rejects bit) AS j) AS i
LEFT JOIN dbo.agents AS a ON a.agent_id = i.agent_id
LEFT JOIN dbo.tasks AS t ON t.task_id = i.task_id
LEFT JOIN dbo.task_questions AS q ON q.task_no = t.task_no AND q.asked_version = i.question_id AND q.state <> 'waiting'
CROSS APPLY (SELECT CASE WHEN a.agent_no IS NULL THEN 'AGENT_NOT_FOUND' WHEN a.status = 'deregistered' THEN 'AGENT_DEREGISTERED'
  WHEN t.task_no IS NULL THEN CASE WHEN EXISTS (SELECT 1 FROM dbo.task_archive AS z WHERE z.task_id = i.task_id) THEN 'TASK_ENDED'
    ELSE 'TASK_NOT_FOUND' END
  WHEN q.question_no IS NULL THEN 'NOT_FOUND' WHEN q.state = 'ended' THEN 'TASK_ENDED'
  WHEN q.state = 'open' OR (q.answer_hash = i.answer_hash AND q.answered_by IS NOT NULL) THEN NULL ELSE 'ALREADY_ANSWERED' END AS code) AS c
OPTION (LOOP JOIN, FORCE ORDER);
INSERT INTO @endings (task_no, task_id, attempt, was, cancel_requested, becomes, closing, closed_by, closed_hash, error, actor, result, key_version)
SELECT c.task_no, c.task_id, c.attempt, c.status, c.cancel_requested,
  CASE WHEN c.gate = 0 THEN 'pending' WHEN c.rejects = 1 THEN 'failed' ELSE 'completed' END, 'answered', c.actor, c.answer_hash,
  CASE WHEN c.gate = 1 AND c.rejects = 1 THEN N'REJECTED' END, c.actor,
  CASE WHEN c.gate = 1 THEN (SELECT REPLACE(REPLACE(v.[value] COLLATE Latin1_General_100_BIN2, NCHAR(64976), NCHAR(34)), NCHAR(64977), NCHAR(92)) FROM OPENJSON(i.[value]) AS v WHERE v.[key] = 'answer') END,
  CASE WHEN c.gate = 1 THEN CAST(JSON_VALUE(i.[value], '$.key_version') AS varchar(64)) END
FROM @calls AS c JOIN OPENJSON(@items) AS i ON CAST(i.[key] AS int) = c.item WHERE c.code IS NULL AND c.state = 'open';
IF EXISTS (SELECT 1 FROM @endings)
BEGIN
  BEGIN TRANSACTION;
  -- include: parts/finish-task-rows.sql
  INSERT INTO dbo.task_events (task_no, event, at, attempt, agent_no, detail)
  SELECT c.task_no, 'answered', @now, c.attempt, c.agent_no, CAST(c.question_id AS varchar(20))
  FROM @calls AS c WHERE c.code IS NULL AND c.state = 'open' ORDER BY c.item;
  INSERT INTO audit.entries (at, actor, action, subject_kind, subject_id, detail)
  SELECT @now, c.actor, 'task.answered', 'task', c.task_id, CONCAT('{"attempt":' + CAST(c.attempt AS varchar(20)), ',"agentId":"' + a.agent_id + '"', '}')
  FROM @calls AS c JOIN dbo.agents AS a ON a.agent_no = c.agent_no WHERE c.code IS NULL AND c.state = 'open' ORDER BY c.item;
  INSERT INTO dbo.task_values (task_no, name, value, key_version)
  SELECT c.task_no, 'answer', REPLACE(REPLACE(v.[value] COLLATE Latin1_General_100_BIN2, NCHAR(64976), NCHAR(34)), NCHAR(64977), NCHAR(92)), CAST(JSON_VALUE(i.[value], '$.key_version') AS varchar(64))
  FROM @calls AS c JOIN OPENJSON(@items) AS i ON CAST(i.[key] AS int) = c.item CROSS APPLY OPENJSON(i.[value]) AS v
  WHERE c.code IS NULL AND c.state = 'open' AND c.gate = 0 AND v.[key] = 'answer';
  UPDATE u SET resumed_by = 'answered', unanswered = 0
  FROM @endings AS e JOIN dbo.task_suspensions AS u ON u.task_no = e.task_no WHERE e.becomes = 'pending';
  -- include: parts/record-endings.sql
  -- include: parts/apply-counts.sql
  COMMIT TRANSACTION;
  -- include: parts/renew-heartbeats-of-calls.sql
  INSERT INTO @unblocked (task_no) SELECT e.task_no FROM @endings AS e WHERE e.becomes = 'pending';
END;
SET @handOutLimit = 10 /* HANDOUTS_PER_CALL */ * (SELECT COUNT(*) FROM @calls AS c WHERE c.code IS NULL);
EXEC @handedOut = release.hand_out @freed, @unblocked, @handOutLimit, @clockOffset;
IF @handedOut < 0 RETURN 1;
SELECT c.item, c.code, c.subject, c.state, c.inactive, COALESCE(c.answer, c.actor) AS answered_by, COALESCE(c.answered_at, @now) AS answered_at,
  CASE WHEN c.gate = 0 THEN 'pending' ELSE COALESCE(e.becomes, c.status) END AS status
FROM @calls AS c LEFT JOIN @endings AS e ON e.task_no = c.task_no;
SELECT DISTINCT a.agent_id AS woken FROM @endings AS e JOIN dbo.agents AS a ON a.agent_no = COALESCE(e.flow_receiver_no, e.receiver_no);
