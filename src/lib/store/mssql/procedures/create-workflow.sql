-- Creates the tasks of a workflow, all or none, waiting; then hands out what waits for nothing. Where something that they depend on has ended
-- otherwise than it was to end, they are told so in the same transaction: it may stop the whole workflow, and no hand-out sees what is to be stopped.
-- The firing of a schedule is the same: it moves the schedule on in the same transaction (@scheduleId), and creates a lone task where there is no
-- @workflowId. Nobody has called then, so it is no heartbeat.
-- Table order: demands (in a transaction of their own); schedules, tasks and their rows, workflows, workflow_tasks, messages, counters. What is
-- told to the new tasks changes their rows, their workflow and their messages again, which nobody else can hold.
CREATE PROCEDURE release.create_workflow
  @items nvarchar(max),
  @workflowId varchar(128),
  @supervisor varchar(128),
  @actor varchar(128),
  @stopOnFailure bit,
  @notify varchar(64),
  @idempotencyKey varchar(64),
  @requestHash varchar(64),
  @operation uniqueidentifier,
  @scheduleId varchar(128),
  @scheduleVersion bigint,
  @dueAt bigint,
  @enabled bit,
  @refusals int,
  @firings nvarchar(max),
  @triggered varchar(128),
  @renewalMilliseconds int,
  @clockOffset bigint
AS
-- include: parts/prologue.sql
-- include: parts/declare-new-tasks.sql
-- include: parts/declare-endings.sql
-- include: parts/declare-hand-out.sql
DECLARE @code varchar(24), @subject varchar(128), @knownId varchar(128), @knownHash varchar(64), @supervisorNo int, @place int, @lost int = 0, @created int = 0;
DECLARE @wakes int = 0;
IF @scheduleId IS NOT NULL AND NOT EXISTS (SELECT 1 FROM dbo.schedules AS s WHERE s.schedule_id = @scheduleId AND s.version = @scheduleVersion)
BEGIN
  SELECT 'MOVED' AS code, NULL AS subject, NULL AS place, NULL AS known_id, 0 AS own, 0 AS wakes, NULL AS status;
  RETURN;
END;
SELECT TOP (1) @knownId = k.workflow_id, @knownHash = k.request_hash, @place = CASE WHEN k.operation_id = @operation THEN 1 ELSE 0 END,
  @code = CASE WHEN k.supervisor_id <> @supervisor COLLATE Latin1_General_100_BIN2 THEN 'ID_TAKEN'
    WHEN k.request_hash <> @requestHash COLLATE Latin1_General_100_BIN2 THEN 'IDEMPOTENCY_MISMATCH' END
FROM (SELECT 1 AS n, w.workflow_id, w.request_hash, w.operation_id, a.agent_id AS supervisor_id FROM dbo.workflows AS w JOIN dbo.agents AS a ON a.agent_no = w.supervisor_no
    WHERE w.idempotency_key = @idempotencyKey COLLATE Latin1_General_100_BIN2 AND w.idempotency_key IS NOT NULL
  UNION ALL SELECT 2, w.workflow_id, w.request_hash, w.operation_id, a.agent_id FROM dbo.workflows AS w JOIN dbo.agents AS a ON a.agent_no = w.supervisor_no
    WHERE w.workflow_id = @workflowId COLLATE Latin1_General_100_BIN2) AS k ORDER BY k.n;
SET @siblings = 1;
SET @taskNumbers = NEXT VALUE FOR dbo.task_numbers;
IF @workflowId IS NOT NULL SET @workflowNo = @taskNumbers * 4096 /* TASKS_PER_NUMBER */;
-- include: parts/check-new-tasks.sql
-- Who may create nothing is told so before what is known is looked at.
SET @supervisorNo = (SELECT MAX(n.supervisor_no) FROM @plan AS n);
SELECT TOP (1) @code = n.code, @subject = n.subject FROM @plan AS n WHERE n.code IN ('AGENT_DEREGISTERED', 'FORBIDDEN') OR (n.code = 'AGENT_NOT_FOUND' AND n.subject = 'supervisor')
ORDER BY n.place;
IF @code IS NULL AND @knownId IS NULL
  SELECT TOP (1) @code = COALESCE(CASE WHEN n.becomes = 'repeat' OR n.code = 'IDEMPOTENCY_MISMATCH' THEN 'ID_TAKEN' END, n.code), @subject = n.subject, @lost = n.place
  FROM @plan AS n WHERE n.becomes IN ('repeat', 'refused') ORDER BY n.place;
IF @code IS NOT NULL OR @knownId IS NOT NULL
BEGIN
  SELECT @code AS code, CASE WHEN @code = 'IDEMPOTENCY_MISMATCH' THEN @knownHash ELSE @subject END AS subject,
    CASE WHEN @knownId IS NULL THEN @lost END AS place, @knownId AS known_id, CASE WHEN @place = 1 THEN 1 ELSE 0 END AS own, 0 AS wakes, NULL AS status;
  RETURN;
END;
IF @scheduleId IS NULL SET @wakes = (SELECT MAX(n.wakes) FROM @plan AS n);
IF @missing > 0
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
BEGIN TRANSACTION;
IF @scheduleId IS NOT NULL
BEGIN
  UPDATE dbo.schedules SET due_at = @dueAt, planned_at = @now, enabled = @enabled, refusals = @refusals, firings = @firings, version = version + 1
  WHERE schedule_id = @scheduleId AND version = @scheduleVersion;
  IF @@ROWCOUNT <> 1 BEGIN ROLLBACK TRANSACTION; RETURN 1; END;
  INSERT INTO audit.entries (at, actor, action, subject_kind, subject_id, detail)
  SELECT @now, COALESCE(@actor, 'system'), 'schedule.triggered', 'schedule', @scheduleId, CONCAT('{"id":"', t.id, '"}')
  FROM (SELECT @triggered AS id) AS t WHERE t.id IS NOT NULL;
END;
-- include: parts/write-new-tasks.sql
-- What gates ask is kept; asked it is below.
IF @gates > 0
BEGIN
  -- include: parts/keep-gates.sql
END;
IF @gates > 0
BEGIN
  -- include: parts/open-questions.sql
  --   tasks = @plan AS n JOIN dbo.tasks AS t ON t.task_no = n.task_no AND n.gate = 1
END;
SET @created = (SELECT COUNT(*) FROM @plan);
IF @workflowId IS NOT NULL
BEGIN
  INSERT INTO dbo.workflows (workflow_no, workflow_id, supervisor_no, stop_on_failure, notify, open_tasks, created_at, idempotency_key, request_hash, operation_id)
  VALUES (@workflowNo, @workflowId, @supervisorNo, @stopOnFailure, @notify, @created, @now, @idempotencyKey, @requestHash, @operation);
  INSERT INTO dbo.workflow_tasks (workflow_no, position, task_no, ref)
  SELECT @workflowNo, n.place, n.task_no, CAST(JSON_VALUE(i.value, '$.ref') AS varchar(128)) FROM OPENJSON(@items) AS i JOIN @plan AS n ON n.place = CAST(i.[key] AS int);
  INSERT INTO audit.entries (at, actor, action, subject_kind, subject_id, detail)
  VALUES (@now, COALESCE(@actor, 'system'), 'workflow.created', 'workflow', @workflowId, CONCAT('{"tasks":', @created, '}'));
END;
IF @gates > 0
BEGIN
  -- include: parts/send-questions.sql
  --   tasks = @plan AS n JOIN dbo.tasks AS t ON t.task_no = n.task_no AND n.gate = 1
  -- include: parts/send-question-payloads.sql
  --   tasks = @plan AS n JOIN dbo.tasks AS t ON t.task_no = n.task_no AND n.gate = 1
END;
IF @dependent > 0 SET @lost = (SELECT COUNT(*) FROM @dependencies AS d WHERE d.lost > 0);
IF @lost > 0
BEGIN
  -- include: parts/declare-ended-tasks.sql
  INSERT INTO @ended_tasks (task_id, completed, not_needed, level)
  SELECT DISTINCT d.depends_on, CASE WHEN d.status = 'completed' THEN 1 ELSE 0 END,
    CASE WHEN EXISTS (SELECT 1 FROM dbo.tasks AS t JOIN dbo.task_outcomes AS o ON o.task_no = t.task_no WHERE t.task_id = d.depends_on AND t.status = 'cancelled' AND o.error = N'NOT_NEEDED')
      OR EXISTS (SELECT 1 FROM dbo.task_archive AS r WHERE r.task_id = d.depends_on AND r.status = 'cancelled' AND JSON_VALUE(r.task, '$.error') = N'NOT_NEEDED') THEN 1 ELSE 0 END, 0
  FROM @dependencies AS d WHERE d.lost > 0;
  -- include: parts/settle-dependents.sql
  -- include: parts/record-endings.sql
END;
-- include: parts/count-assignments.sql
--   ofTask = (CONCAT('tasks:', p.becomes), 1)
--   lost = 1
IF @gates > 0 OR @lost > 0
BEGIN
  -- include: parts/apply-counts.sql
END;
COMMIT TRANSACTION;
IF @stale > 0 AND @scheduleId IS NULL UPDATE h SET last_heartbeat_at = @now
FROM (SELECT DISTINCT supervisor_no FROM @plan WHERE stale = 1) AS n JOIN dbo.agent_heartbeats AS h ON h.agent_no = n.supervisor_no
WHERE h.beating = 1 AND h.last_heartbeat_at < @now - COALESCE(h.renewal_milliseconds, @renewalMilliseconds)
OPTION (LOOP JOIN, FORCE ORDER);
INSERT INTO @unblocked (task_no) SELECT n.task_no FROM @plan AS n
WHERE n.becomes = 'pending' AND NOT EXISTS (SELECT 1 FROM @endings AS e WHERE e.task_no = n.task_no);
SET @handOutLimit = (SELECT COUNT(*) FROM @unblocked);
EXEC @handedOut = release.hand_out @freed, @unblocked, @handOutLimit, @clockOffset;
SELECT NULL AS code, NULL AS subject, NULL AS place, NULL AS known_id, 1 AS own, @wakes AS wakes, (SELECT w.status FROM dbo.workflows AS w WHERE w.workflow_no = @workflowNo) AS status;
SELECT DISTINCT a.agent_id AS woken FROM (SELECT r.agent_no FROM @plan AS n JOIN dbo.task_questions AS q ON q.task_no = n.task_no AND n.becomes = 'input_required'
  JOIN dbo.question_answerers AS r ON r.question_no = q.question_no WHERE @gates > 0
  UNION ALL SELECT COALESCE(e.flow_receiver_no, e.receiver_no) FROM @endings AS e) AS d JOIN dbo.agents AS a ON a.agent_no = d.agent_no;
