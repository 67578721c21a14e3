-- Writes the tasks of @plan that are created, with their rows. Inside the transaction; loses the race when something that they depend on
-- has ended since it was read. @workflowNo: the workflow that they are tasks of.
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
  agent_no, version, attempt, max_retries, timeout_milliseconds, start_timeout_milliseconds, unmet_dependencies, cancel_requested, created_at, available_at, assigned_at, deadline_at,
  ended_at, workflow_no, stops, parent_no, parent_task_id, expires_at, gate, idempotency_key, request_hash, operation_id)
SELECT n.task_no, n.task_id, n.supervisor_no, n.task_type, n.priority, n.becomes, n.demand_no, n.named_no, n.agent_no,
  CASE WHEN n.becomes IN ('failed', 'cancelled') THEN 2 ELSE 1 END, CASE WHEN n.agent_no IS NULL THEN 0 ELSE 1 END, n.max_retries, n.timeout_milliseconds, n.start_timeout_milliseconds, n.unmet,
  CASE WHEN n.becomes = 'cancelled' THEN 1 ELSE 0 END, @now, @now,
  CASE WHEN n.agent_no IS NOT NULL THEN @now END, CASE WHEN n.agent_no IS NOT NULL THEN @now + n.timeout_milliseconds END,
  CASE WHEN n.becomes IN ('failed', 'cancelled') THEN @now END, @workflowNo, n.stops, @parentNo, n.parent_task_id, n.expires_at, n.gate, n.idempotency_key, n.request_hash, n.operation_id
FROM @plan AS n WHERE n.becomes IN ('assigned', 'pending', 'input_required', 'blocked', 'failed', 'cancelled');
IF @siblings = 1 AND @dependent > 0
  UPDATE t SET dependents = t.dependents + x.tasks
  FROM (SELECT TOP (10000) y.task_no, COUNT(*) AS tasks FROM @dependencies AS d JOIN @plan AS y ON y.task_id = d.depends_on GROUP BY y.task_no ORDER BY y.task_no) AS x
  JOIN dbo.tasks AS t ON t.task_no = x.task_no
  OPTION (LOOP JOIN, FORCE ORDER);
INSERT INTO dbo.task_bodies (task_no, description, parameters, key_version, traceparent, preferred_capabilities, child_types)
SELECT n.task_no, REPLACE(REPLACE(REPLACE(REPLACE(REPLACE(MAX(CASE WHEN v.[key] = N'description' THEN v.value END) COLLATE Latin1_General_100_BIN2, NCHAR(64976), NCHAR(34)), NCHAR(64977), NCHAR(92)), NCHAR(64978), NCHAR(10)), NCHAR(64979), NCHAR(13)), NCHAR(64980), NCHAR(9)), REPLACE(REPLACE(MAX(CASE WHEN v.[key] = N'parameters' THEN v.value END) COLLATE Latin1_General_100_BIN2, NCHAR(64976), NCHAR(34)), NCHAR(64977), NCHAR(92)),
  CAST(MAX(CASE WHEN v.[key] = N'keyVersion' THEN v.value END) AS varchar(64)), CAST(MAX(CASE WHEN v.[key] = N'traceparent' THEN v.value END) AS varchar(55)), MAX(CASE WHEN v.[key] = N'preferred' THEN v.value END),
  MAX(CASE WHEN v.[key] = N'childTypes' THEN v.value END)
FROM OPENJSON(@items) AS i JOIN @plan AS n ON n.place = CAST(i.[key] AS int) CROSS APPLY OPENJSON(i.value) AS v
WHERE n.becomes IN ('assigned', 'pending', 'input_required', 'blocked', 'failed', 'cancelled') AND v.[key] IN (N'description', N'parameters', N'keyVersion', N'traceparent', N'preferred', N'childTypes') GROUP BY n.task_no;
IF @dependent > 0
BEGIN
  INSERT INTO dbo.task_outcomes (task_no, error, because_of)
  SELECT n.task_no, CASE n.becomes WHEN 'failed' THEN N'DEPENDENCY_FAILED' ELSE N'NOT_NEEDED' END, n.lost FROM @plan AS n WHERE n.becomes IN ('failed', 'cancelled');
  INSERT INTO dbo.task_dependencies (task_no, position, depends_on, condition, settled)
  SELECT n.task_no, d.position, d.depends_on, d.condition, CASE WHEN d.status IN ('completed', 'failed', 'cancelled') AND (@siblings = 0 OR d.lost = 0) THEN 1 ELSE 0 END
  FROM @dependencies AS d JOIN @plan AS n ON n.place = d.place WHERE n.becomes IN ('assigned', 'pending', 'input_required', 'blocked', 'failed', 'cancelled');
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
