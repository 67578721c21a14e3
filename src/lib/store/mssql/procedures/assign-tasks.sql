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
        RIGHT(CONCAT('00', (@now + timeout_milliseconds) % 1000), 3), 'Z'), '"',
        CASE WHEN start_timeout_milliseconds IS NOT NULL THEN CONCAT(',"startDeadline":"', REPLACE(CONVERT(varchar(19), DATEADD(SECOND, (@now + start_timeout_milliseconds) / 1000 % 86400,
          DATEADD(DAY, (@now + start_timeout_milliseconds) / 86400000, CONVERT(datetime2(3), '19700101'))), 120), ' ', 'T'), '.',
          RIGHT(CONCAT('00', (@now + start_timeout_milliseconds) % 1000), 3), 'Z"') END,
        CASE WHEN depends > 0 THEN ',"dependencies":[]' END, '}') WHERE place = @place;
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
      -- include: parts/write-new-tasks.sql
      -- What gates ask is kept; asked it is below.
      IF @gates > 0
      BEGIN
        DECLARE @counts TABLE (name varchar(48) COLLATE Latin1_General_100_BIN2 NOT NULL, delta bigint NOT NULL);
        -- include: parts/keep-gates.sql
      END;
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
WHERE h.beating = 1 AND h.last_heartbeat_at < @now - COALESCE(h.renewal_milliseconds, @renewalMilliseconds)
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
