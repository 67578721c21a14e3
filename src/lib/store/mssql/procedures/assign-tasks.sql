-- Creates tasks and gives each to the best worker that can take it, or lets it wait. It first plans: one task after the
-- other is weighed as if those before it were assigned already. Then one transaction takes the room of all chosen agents
-- and writes all that follows; when an agent has lost its room since, the plan is made again.
-- Table order: capability_sets, demands (in a transaction of their own); agent_loads, tasks and their rows, messages, counters.
CREATE PROCEDURE release.assign_tasks
  @items nvarchar(max),
  @renewalMilliseconds int,
  @clockOffset bigint
AS
-- include: parts/prologue.sql
-- include: parts/declare-new-tasks.sql
-- include: parts/declare-choice.sql
DECLARE @place int, @planned int, @agents int, @taken int, @lostRounds int = 0;
DECLARE @messages int, @arrival bigint;
DECLARE @accepted bigint = 0, @second varchar(48), @open int = 1, @questions int = 0, @questionArrival bigint;
SET @taskNumbers = NEXT VALUE FOR dbo.task_numbers;
-- include: parts/check-new-tasks.sql
-- Demands that no task had before.
IF @missing > 0
BEGIN
  -- Demands that the tasks of a batch make.
  DECLARE @demands TABLE (capabilities_hash varchar(64) COLLATE Latin1_General_100_BIN2 NOT NULL PRIMARY KEY,
    capabilities nvarchar(max) NOT NULL);
  INSERT INTO @demands (capabilities_hash, capabilities)
    SELECT n.capabilities_hash, MIN(v.value)
    FROM OPENJSON(@items) AS i JOIN @plan AS n ON n.place = CAST(i.[key] AS int) CROSS APPLY OPENJSON(i.value) AS v
    WHERE v.[key] = N'capabilities' AND n.demand_no IS NULL AND (n.becomes IS NULL OR n.becomes IN ('input_required', 'blocked', 'failed', 'cancelled'))
    GROUP BY n.capabilities_hash;
  -- include: parts/intern-demands.sql
  UPDATE n SET demand_no = d.demand_no
    FROM @plan AS n JOIN dbo.demands AS d ON d.capabilities_hash = n.capabilities_hash;
END;
-- Writes the plan, or makes it again when an agent has lost its room since.
WHILE @open = 1
BEGIN
  -- One after the other: each that gets an agent takes room from the next.
  SET @place = (SELECT MIN(place) FROM @plan WHERE becomes IS NULL);
  WHILE @place IS NOT NULL
  BEGIN
    SELECT @demandNo = demand_no, @namedNo = named_no, @preferred = preferred FROM @plan WHERE place = @place;
    -- include: parts/weigh.sql
    --   sets = (SELECT d.set_no FROM dbo.demand_sets AS d WHERE d.demand_no = @demandNo)
    IF @chosenNo IS NULL UPDATE @plan SET becomes = 'pending' WHERE place = @place;
    ELSE UPDATE @plan SET becomes = 'assigned', agent_no = @chosenNo, set_no = @chosenSetNo, fills = @chosenFills,
    explanation = @explanation, receiver_no = @chosenNo, message_type = 'task_assignment',
    payload = CONCAT('{"taskId":"', task_id, '","attempt":', attempt, ',"taskType":"', task_type, '","deadline":"', CONCAT(REPLACE(CONVERT(varchar(19), DATEADD(SECOND, (@now + timeout_milliseconds) / 1000 % 86400,
        DATEADD(DAY, (@now + timeout_milliseconds) / 86400000, CONVERT(datetime2(3), '19700101'))), 120), ' ', 'T'), '.',
        RIGHT(CONCAT('00', (@now + timeout_milliseconds) % 1000), 3), 'Z'), '"}') WHERE place = @place;
    SET @place = (SELECT MIN(place) FROM @plan WHERE becomes IS NULL);
  END;
  SELECT @planned = COUNT(*), @agents = COUNT(DISTINCT agent_no) FROM @plan WHERE becomes IN ('assigned', 'pending', 'input_required', 'blocked', 'failed', 'cancelled');
  SET @open = CASE WHEN @planned > 0 THEN 1 ELSE 0 END;
  IF @open = 1
  BEGIN
    BEGIN TRANSACTION;
    SET @taken = 0;
    IF @agents > 0
    BEGIN
      -- include: parts/take-room.sql
      SET @taken = @@ROWCOUNT;
    END;
    IF @taken < @agents
    BEGIN
      ROLLBACK TRANSACTION;
      SET @lostRounds = @lostRounds + 1;
      IF @lostRounds > 20 /* LOST_ROUNDS_MAX */
      -- include: parts/give-up.sql
      UPDATE @plan SET becomes = NULL, agent_no = NULL, set_no = NULL, fills = NULL, receiver_no = NULL
      WHERE becomes IN ('assigned', 'pending');
      SET @picks = 0;
    END;
    ELSE
    BEGIN
      -- Locks what the tasks depend on, by writing to it: so either its end sees them, or this sees the end and has lost a
      -- race. (A write that changes nothing would not do: under optimized locking it need not hold the row until the
      -- commit.)
      IF @dependent > 0
      BEGIN
        UPDATE t SET dependents = t.dependents + x.tasks
        FROM (SELECT d.task_no, COUNT(*) AS tasks FROM @dependencies AS d JOIN @plan AS n ON n.place = d.place
          WHERE n.becomes IN ('assigned', 'pending', 'input_required', 'blocked', 'failed', 'cancelled') AND d.status NOT IN ('completed', 'failed', 'cancelled') GROUP BY d.task_no) AS x
        JOIN dbo.tasks AS t ON t.task_no = x.task_no
        WHERE t.ended_at IS NULL
        OPTION (LOOP JOIN, FORCE ORDER, ORDER GROUP);
        IF @@ROWCOUNT <> (SELECT COUNT(DISTINCT d.task_no) FROM @dependencies AS d JOIN @plan AS n ON n.place = d.place
          WHERE n.becomes IN ('assigned', 'pending', 'input_required', 'blocked', 'failed', 'cancelled') AND d.status NOT IN ('completed', 'failed', 'cancelled'))
      BEGIN ROLLBACK TRANSACTION; RETURN 1; END;
      END;
      INSERT INTO dbo.tasks (task_no, task_id, supervisor_no, task_type, priority, status, demand_no, assign_to_no,
        agent_no, version, attempt, max_retries, timeout_milliseconds, unmet_dependencies, cancel_requested, created_at, available_at, assigned_at, deadline_at,
        ended_at, parent_task_id, expires_at, gate, idempotency_key, request_hash, operation_id)
      SELECT n.task_no, n.task_id, n.supervisor_no, n.task_type, n.priority, n.becomes, n.demand_no, n.named_no, n.agent_no,
        CASE WHEN n.becomes IN ('failed', 'cancelled') THEN 2 ELSE 1 END, CASE WHEN n.agent_no IS NULL THEN 0 ELSE 1 END, n.max_retries, n.timeout_milliseconds, n.unmet,
        CASE WHEN n.becomes = 'cancelled' THEN 1 ELSE 0 END, @now, @now,
        CASE WHEN n.agent_no IS NOT NULL THEN @now END, CASE WHEN n.agent_no IS NOT NULL THEN @now + n.timeout_milliseconds END,
        CASE WHEN n.becomes IN ('failed', 'cancelled') THEN @now END, n.parent_task_id, n.expires_at, n.gate, n.idempotency_key, n.request_hash, n.operation_id
      FROM @plan AS n WHERE n.becomes IN ('assigned', 'pending', 'input_required', 'blocked', 'failed', 'cancelled');
      INSERT INTO dbo.task_bodies (task_no, description, parameters, key_version, traceparent, preferred_capabilities)
      SELECT n.task_no, REPLACE(REPLACE(REPLACE(REPLACE(REPLACE(MAX(CASE WHEN v.[key] = N'description' THEN v.value END) COLLATE Latin1_General_100_BIN2, NCHAR(64976), NCHAR(34)), NCHAR(64977), NCHAR(92)), NCHAR(64978), NCHAR(10)), NCHAR(64979), NCHAR(13)), NCHAR(64980), NCHAR(9)), REPLACE(REPLACE(MAX(CASE WHEN v.[key] = N'parameters' THEN v.value END) COLLATE Latin1_General_100_BIN2, NCHAR(64976), NCHAR(34)), NCHAR(64977), NCHAR(92)),
        CAST(MAX(CASE WHEN v.[key] = N'keyVersion' THEN v.value END) AS varchar(64)), CAST(MAX(CASE WHEN v.[key] = N'traceparent' THEN v.value END) AS varchar(55)), MAX(CASE WHEN v.[key] = N'preferred' THEN v.value END)
      FROM OPENJSON(@items) AS i JOIN @plan AS n ON n.place = CAST(i.[key] AS int) CROSS APPLY OPENJSON(i.value) AS v
      WHERE n.becomes IN ('assigned', 'pending', 'input_required', 'blocked', 'failed', 'cancelled') AND v.[key] IN (N'description', N'parameters', N'keyVersion', N'traceparent', N'preferred') GROUP BY n.task_no;
      IF @dependent > 0
      BEGIN
        INSERT INTO dbo.task_outcomes (task_no, error, because_of)
        SELECT n.task_no, CASE n.becomes WHEN 'failed' THEN N'DEPENDENCY_FAILED' ELSE N'NOT_NEEDED' END, n.lost FROM @plan AS n WHERE n.becomes IN ('failed', 'cancelled');
        INSERT INTO dbo.task_dependencies (task_no, position, depends_on, condition, settled)
        SELECT n.task_no, d.position, d.depends_on, d.condition, CASE WHEN d.status IN ('completed', 'failed', 'cancelled') THEN 1 ELSE 0 END
        FROM @dependencies AS d JOIN @plan AS n ON n.place = d.place WHERE n.becomes IN ('assigned', 'pending', 'input_required', 'blocked', 'failed', 'cancelled');
      END;
      -- What gates ask is kept; asked it is below, after the task has been created in the history.
      IF @gates > 0
      BEGIN
        -- include: parts/keep-gates.sql
      END;
      INSERT INTO dbo.task_events (task_no, event, at, attempt, agent_no, detail)
      SELECT n.task_no, e.event, @now, e.attempt, e.agent_no, e.detail
      FROM @plan AS n CROSS APPLY (VALUES (0, 'created', 0, NULL, NULL, n.actor), (1, 'assigned', 1, n.agent_no, NULL, n.actor),
        (1, 'failed', 0, NULL, CONCAT('DEPENDENCY_FAILED: ', n.lost, ' did not complete'), NULL),
        (1, 'cancelled', 0, NULL, CONCAT('NOT_NEEDED: ', n.lost, ' ended otherwise'), NULL)) AS e (step, event, attempt, agent_no, detail, actor)
      WHERE n.becomes IN ('assigned', 'pending', 'input_required', 'blocked', 'failed', 'cancelled') AND (e.step = 0 OR e.event = n.becomes)
      ORDER BY n.place, e.step;
      INSERT INTO audit.entries (at, actor, action, subject_kind, subject_id, detail)
      SELECT @now, COALESCE(e.actor, 'system'), CONCAT('task.', e.event), 'task', n.task_id, CONCAT('{"attempt":' + CAST(e.attempt AS varchar(20)), ',"agentId":"' + (SELECT a.agent_id FROM dbo.agents AS a WHERE a.agent_no = e.agent_no) + '"', '}')
      FROM @plan AS n CROSS APPLY (VALUES (0, 'created', 0, NULL, NULL, n.actor), (1, 'assigned', 1, n.agent_no, NULL, n.actor),
        (1, 'failed', 0, NULL, CONCAT('DEPENDENCY_FAILED: ', n.lost, ' did not complete'), NULL),
        (1, 'cancelled', 0, NULL, CONCAT('NOT_NEEDED: ', n.lost, ' ended otherwise'), NULL)) AS e (step, event, attempt, agent_no, detail, actor)
      WHERE n.becomes IN ('assigned', 'pending', 'input_required', 'blocked', 'failed', 'cancelled') AND (e.step = 0 OR e.event = n.becomes)
      ORDER BY n.place, e.step;
      -- include: parts/record-attempts.sql
      IF @gates > 0
      BEGIN
        -- include: parts/open-questions.sql
        --   tasks = @plan AS n JOIN dbo.tasks AS t ON t.task_no = n.task_no AND n.gate = 1
      END;
      -- include: parts/send-plan.sql
      IF @gates > 0
      BEGIN
        -- include: parts/send-questions.sql
        --   tasks = @plan AS n JOIN dbo.tasks AS t ON t.task_no = n.task_no AND n.gate = 1
      END;
      -- include: parts/send-plan-payloads.sql
      IF @gates > 0
      BEGIN
        -- include: parts/send-question-payloads.sql
        --   tasks = @plan AS n JOIN dbo.tasks AS t ON t.task_no = n.task_no AND n.gate = 1
        UPDATE c SET value = c.value + d.delta
        FROM (SELECT TOP (10000) k.name, SUM(k.delta) AS delta FROM @counts AS k GROUP BY k.name ORDER BY k.name) AS d
        JOIN dbo.counters AS c ON c.name = d.name AND c.slot = @@SPID % 8;
        IF @@ROWCOUNT <> (SELECT COUNT(DISTINCT k.name) FROM @counts AS k) BEGIN ROLLBACK TRANSACTION; RETURN 1; END;
      END;
      -- include: parts/count-assignments.sql
      --   ofTask = (CONCAT('tasks:', p.becomes), 1), ('tasks:failed_total', CASE WHEN p.becomes = 'failed' THEN 1 ELSE 0 END), ('tasks:not_needed_total', CASE WHEN p.becomes = 'cancelled' THEN 1 ELSE 0 END)
      --   lost = 1
      SET @accepted = @accepted + @messages;
      -- include: parts/count-accepted.sql
      COMMIT TRANSACTION;
      SET @open = 0;
    END;
  END;
END;
IF @stale > 0 UPDATE h SET last_heartbeat_at = @now
FROM (SELECT DISTINCT supervisor_no FROM @plan WHERE stale = 1) AS n JOIN dbo.agent_heartbeats AS h ON h.agent_no = n.supervisor_no
WHERE h.beating = 1 AND h.last_heartbeat_at < @now - @renewalMilliseconds
OPTION (LOOP JOIN, FORCE ORDER);
-- free: the task waits, and somebody could take it: room was made after it was weighed, by a call that did not see it
-- wait yet. Read after the commit, so that of two such calls one sees the other.
SELECT n.place AS item, n.code, n.subject, n.task_no, COALESCE(n.known_id, n.task_id) AS task_id, n.wakes,
  CASE WHEN n.becomes = 'repeat' THEN COALESCE(t.status, r.status) ELSE n.becomes END AS status,
  CASE WHEN n.becomes = 'repeat' THEN COALESCE(t.attempt, r.attempt) WHEN n.agent_no IS NULL THEN 0 ELSE 1 END AS attempt,
  COALESCE(a.agent_id, JSON_VALUE(r.task, '$.assignedTo') COLLATE Latin1_General_100_BIN2) AS assigned_to,
  CASE WHEN n.becomes = 'repeat' AND n.own = 0 THEN 1 ELSE 0 END AS duplicate,
  CASE WHEN n.becomes = 'pending' AND EXISTS (SELECT 1 FROM dbo.demand_sets AS s
    JOIN dbo.agent_loads AS l ON l.set_no = s.set_no AND l.assignable = 1
    WHERE s.demand_no = n.demand_no AND (n.named_no IS NULL OR l.agent_no = n.named_no)) THEN 1 ELSE 0 END AS free,
  0 AS undecided
FROM @plan AS n
LEFT JOIN dbo.tasks AS t ON t.task_id = n.known_id
LEFT JOIN dbo.task_archive AS r ON r.task_id = n.known_id
LEFT JOIN dbo.agents AS a ON a.agent_no = COALESCE(n.agent_no, CASE WHEN t.status NOT IN ('blocked', 'pending', 'input_required') THEN t.agent_no END);
SELECT DISTINCT a.agent_id AS woken FROM (SELECT n.receiver_no AS agent_no FROM @plan AS n
  UNION ALL SELECT r.agent_no FROM @plan AS n JOIN dbo.task_questions AS q ON q.task_no = n.task_no AND n.becomes = 'input_required'
    JOIN dbo.question_answerers AS r ON r.question_no = q.question_no WHERE @questions > 0) AS d JOIN dbo.agents AS a ON a.agent_no = d.agent_no;
