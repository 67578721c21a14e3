-- assigned or running to blocked, until the children that it makes have ended; cancelled when that was requested, failed when the task goes round
-- in circles and has no retry left: then it makes none. @items are the children; @beyond says why the task may not make them. Then hands out the
-- children, and what waits for the slot that has become free.
-- Table order: demands (in a transaction of their own); agent_loads, tasks and their rows, workflows, ordering_keys, messages, counters; then
-- agent_heartbeats.
CREATE PROCEDURE release.suspend_for_children
  @items nvarchar(max),
  @usage nvarchar(max),
  @taskId varchar(128),
  @agentId varchar(128),
  @actor varchar(128),
  @attempt int,
  @untilHash varchar(64),
  @checkpoint nvarchar(max),
  @beyond nvarchar(max),
  @rootNo bigint,
  @maxTasks int,
  @renewalMilliseconds int,
  @clockOffset bigint
AS
-- include: parts/prologue.sql
-- include: parts/declare-endings.sql
-- include: parts/declare-new-tasks.sql
-- include: parts/declare-hand-out.sql
DECLARE @code varchar(24), @subject varchar(160), @answer nvarchar(400), @place int, @becomes varchar(24), @inactive bit = 0, @suspension int;
-- The call, for what the calls of an agent have in common.
DECLARE @calls TABLE (item int NOT NULL, task_no bigint NOT NULL, attempt int NOT NULL, agent_no int NULL, code varchar(24) COLLATE Latin1_General_100_BIN2 NULL,
  answer nvarchar(400) NULL);
SELECT @code = c.code, @subject = CASE WHEN c.code = 'IDEMPOTENCY_MISMATCH' THEN h.until_hash END, @answer = CASE WHEN c.code IS NULL THEN p.answer END,
  @inactive = CASE WHEN a.status = 'inactive' THEN 1 ELSE 0 END, @suspension = t.suspensions + 1, @parentNo = t.task_no,
  @becomes = CASE WHEN t.cancel_requested = 1 THEN 'cancelled'
    WHEN u.unanswered >= 100 /* FREE_SUSPENSIONS */ AND t.retries_used >= t.max_retries THEN 'failed' ELSE 'blocked' END
FROM (SELECT @taskId COLLATE Latin1_General_100_BIN2 AS task_id, @agentId COLLATE Latin1_General_100_BIN2 AS agent_id) AS i
LEFT JOIN dbo.tasks AS t ON t.task_id = i.task_id
LEFT JOIN dbo.agents AS a ON a.agent_id = i.agent_id
LEFT JOIN dbo.task_attempts AS p ON p.task_no = t.task_no AND p.attempt = @attempt AND p.agent_no = a.agent_no
  AND p.outcome IN ('suspended', 'cancelled', 'failed') AND p.answer LIKE N'%"untilHash"%' AND a.status <> 'deregistered'
LEFT JOIN dbo.task_suspensions AS u ON u.task_no = t.task_no
OUTER APPLY (SELECT CAST(JSON_VALUE(p.answer, '$.untilHash') AS varchar(64)) COLLATE Latin1_General_100_BIN2 AS until_hash) AS h
CROSS APPLY (SELECT CASE WHEN h.until_hash = @untilHash COLLATE Latin1_General_100_BIN2 THEN NULL WHEN p.answer IS NOT NULL THEN 'IDEMPOTENCY_MISMATCH'
  WHEN a.agent_no IS NULL THEN 'AGENT_NOT_FOUND'
  WHEN a.status = 'deregistered' THEN 'AGENT_DEREGISTERED'
  WHEN t.task_no IS NULL AND NOT EXISTS (SELECT 1 FROM dbo.task_archive AS z WHERE z.task_id = i.task_id) THEN 'TASK_NOT_FOUND'
  WHEN t.task_no IS NULL OR t.status NOT IN ('assigned', 'running') OR t.attempt <> @attempt OR t.agent_no <> a.agent_no THEN 'LEASE_LOST'
  WHEN t.suspensions >= 1000 /* SUSPENSIONS_MAX */ THEN 'SUSPENSION_LIMIT'
  WHEN @beyond IS NOT NULL AND t.cancel_requested = 0 THEN 'TASK_TREE_LIMIT' END AS code) AS c;
IF @code IS NULL AND @answer IS NULL AND @becomes = 'blocked'
BEGIN
  SET @siblings = 1;
  SET @taskNumbers = NEXT VALUE FOR dbo.task_numbers;
  -- include: parts/check-new-tasks.sql
  SET @children = (SELECT COUNT(*) FROM @plan);
  SELECT TOP (1) @code = COALESCE(CASE WHEN n.becomes = 'repeat' OR n.code = 'IDEMPOTENCY_MISMATCH' THEN 'ID_TAKEN' END, n.code), @subject = n.subject, @place = n.place
  FROM @plan AS n WHERE n.becomes IN ('repeat', 'refused') ORDER BY n.place;
  IF @code IS NULL AND @missing > 0
  BEGIN
    -- Demands that no task had before.
    DECLARE @demands TABLE (capabilities_hash varchar(64) COLLATE Latin1_General_100_BIN2 NOT NULL PRIMARY KEY,
      capabilities nvarchar(max) NOT NULL);
    INSERT INTO @demands (capabilities_hash, capabilities)
      SELECT n.capabilities_hash, MIN(v.value)
      FROM OPENJSON(@items) AS i JOIN @plan AS n ON n.place = CAST(i.[key] AS int) CROSS APPLY OPENJSON(i.value) AS v
      WHERE v.[key] = N'capabilities' AND n.demand_no IS NULL GROUP BY n.capabilities_hash;
    -- include: parts/intern-demands.sql
    UPDATE n SET demand_no = d.demand_no
      FROM @plan AS n JOIN dbo.demands AS d ON d.capabilities_hash = n.capabilities_hash;
  END;
  UPDATE @plan SET becomes = 'pending' WHERE becomes IS NULL;
END;
IF @code IS NULL AND @answer IS NULL
BEGIN
  INSERT INTO @endings (task_no, task_id, attempt, was, cancel_requested, agent_no, assigned_at, outcome, becomes, retries_used, answered, answer_more, error, detail, actor)
  SELECT t.task_no, t.task_id, t.attempt, t.status, t.cancel_requested, t.agent_no, t.assigned_at,
    CASE WHEN @becomes = 'blocked' THEN 'suspended' ELSE @becomes END, @becomes,
    CASE WHEN COALESCE(u.unanswered, 0) < 100 /* FREE_SUSPENSIONS */ THEN 0 ELSE t.retries_used + 1 END, 1,
    CONCAT(CASE WHEN @becomes = 'blocked' THEN CONCAT(N',"suspension":', @suspension) END, N',"untilHash":"', @untilHash, N'"'),
    CASE @becomes WHEN 'failed' THEN N'SUSPENSIONS_EXHAUSTED' WHEN 'cancelled' THEN o.error END,
    CASE @becomes WHEN 'blocked' THEN CONCAT('until ', @children, ' children have ended') WHEN 'failed' THEN N'SUSPENSIONS_EXHAUSTED: 100 without an answer'
      ELSE o.error COLLATE Latin1_General_100_BIN2 END, @actor
  FROM dbo.tasks AS t LEFT JOIN dbo.task_suspensions AS u ON u.task_no = t.task_no LEFT JOIN dbo.task_outcomes AS o ON o.task_no = t.task_no
  WHERE t.task_no = @parentNo AND t.status IN ('assigned', 'running') AND t.attempt = @attempt;
  IF @@ROWCOUNT = 0 RETURN 1;
  INSERT INTO @calls (item, task_no, attempt, agent_no) SELECT 0, e.task_no, e.attempt, e.agent_no FROM @endings AS e;
  -- include: parts/check-usage.sql
  SET @code = (SELECT c.code FROM @calls AS c);
END;
IF @code IS NULL AND @answer IS NULL
BEGIN
  BEGIN TRANSACTION;
  -- include: parts/leave-agents.sql
  -- include: parts/finish-task-rows.sql
  -- include: parts/book-usage-of-calls.sql
  IF @becomes = 'blocked'
  BEGIN
    -- include: parts/write-new-tasks.sql
    UPDATE b SET descendants = b.descendants + @children FROM dbo.task_bodies AS b WHERE b.task_no = @rootNo AND b.descendants + @children <= @maxTasks;
    IF @@ROWCOUNT = 0
    BEGIN
      ROLLBACK TRANSACTION;
      SELECT 'TASK_TREE_LIMIT' AS code, NULL AS subject, NULL AS place, @inactive AS inactive, NULL AS answer, NULL AS archived, 1 AS counted;
      RETURN;
    END;
    INSERT INTO dbo.task_dependencies (task_no, position, depends_on, condition, settled, ref)
    SELECT @parentNo, @suspension * 1000 /* CHILD_PLACES */ + CAST(JSON_VALUE(i.value, '$.place') AS int), n.task_id, 'ended', 0, CAST(JSON_VALUE(i.value, '$.ref') AS varchar(128))
    FROM OPENJSON(@items) AS i JOIN @plan AS n ON n.place = CAST(i.[key] AS int);
    UPDATE dbo.task_suspensions SET unanswered = unanswered + 1, resumed_by = NULL WHERE task_no = @parentNo;
    IF @@ROWCOUNT = 0 INSERT INTO dbo.task_suspensions (task_no, unanswered, resumed_by) VALUES (@parentNo, 1, NULL);
    DELETE FROM dbo.task_values WHERE task_no = @parentNo AND name = 'checkpoint';
    INSERT INTO dbo.task_values (task_no, name, value, key_version)
    SELECT @parentNo, CAST(w.name AS varchar(16)), w.value, CAST(w.key_version AS varchar(64))
    FROM OPENJSON(@checkpoint) AS n CROSS APPLY
      -- include: parts/read-value.sql
    AS w;
    INSERT INTO @counts (name, delta) SELECT CONCAT('tasks:', n.becomes), COUNT(*) FROM @plan AS n GROUP BY n.becomes;
  END;
  -- include: parts/record-endings.sql
  -- include: parts/apply-counts.sql
  COMMIT TRANSACTION;
  -- include: parts/renew-heartbeats-of-calls.sql
  INSERT INTO @unblocked (task_no) SELECT n.task_no FROM @plan AS n WHERE n.becomes = 'pending' AND @becomes = 'blocked';
  SET @handOutLimit = @@ROWCOUNT + 10 /* HANDOUTS_PER_CALL */;
  INSERT INTO @freed (agent_no) SELECT e.agent_no FROM @endings AS e WHERE e.outcome IS NOT NULL;
  EXEC @handedOut = release.hand_out @freed, @unblocked, @handOutLimit, @clockOffset;
  IF @handedOut < 0 RETURN 1;
  SET @answer = (SELECT p.answer FROM dbo.task_attempts AS p WHERE p.task_no = @parentNo AND p.attempt = @attempt);
END;
SELECT @code AS code, @subject AS subject, @place AS place, @inactive AS inactive, @answer AS answer,
  (SELECT z.assignments FROM dbo.task_archive AS z JOIN dbo.agents AS w ON w.agent_id = @agentId COLLATE Latin1_General_100_BIN2
    WHERE @parentNo IS NULL AND z.task_id = @taskId COLLATE Latin1_General_100_BIN2 AND w.status <> 'deregistered' AND w.registered_at <= z.ended_at) AS archived, 0 AS counted;
-- The children of the suspension that is answered.
SELECT d.depends_on FROM dbo.task_dependencies AS d
WHERE d.task_no = @parentNo AND d.position >= 1000 /* CHILD_PLACES */ * CAST(JSON_VALUE(@answer, '$.suspension') AS int)
  AND d.position < 1000 /* CHILD_PLACES */ * (CAST(JSON_VALUE(@answer, '$.suspension') AS int) + 1)
ORDER BY d.position;
SELECT DISTINCT a.agent_id AS woken FROM @endings AS e JOIN dbo.agents AS a ON a.agent_no = COALESCE(e.flow_receiver_no, e.receiver_no);
