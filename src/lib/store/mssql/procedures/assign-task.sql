-- Creates the task of a lone plain call, or leaves it undecided.
CREATE PROCEDURE release.assign_task
  @items nvarchar(max),
  @renewalMilliseconds int,
  @clockOffset bigint
AS
-- include: parts/prologue.sql
DECLARE @taskId varchar(128), @taskType varchar(128), @priority tinyint, @maxRetries int, @timeout bigint,
  @parentTaskId varchar(128), @idempotencyKey varchar(64), @requestHash varchar(64), @keyVersion varchar(64), @traceparent varchar(55), @operationId uniqueidentifier,
  @demandNo int, @supervisorNo int, @stale int, @chosenNo int, @chosenSetNo int, @chosenFills int, @explanation varchar(max), @taskNo bigint,
  @status varchar(24), @attempt int = 0, @fills int = 0, @assignedAt bigint, @deadline varchar(24), @payload varchar(1000),
  @arrival bigint, @accepted bigint, @second varchar(48), @actor varchar(128);
-- @supervisorNo stays NULL unless everything is as it commonly is.
SELECT @taskId = j.task_id, @taskType = j.task_type, @priority = j.priority, @maxRetries = j.max_retries,
  @timeout = j.timeout_milliseconds, @parentTaskId = j.parent_task_id, @idempotencyKey = j.idempotency_key,
  @requestHash = j.request_hash, @keyVersion = j.key_version, @traceparent = j.traceparent, @actor = j.actor, @operationId = j.operation_id, @demandNo = d.demand_no, @supervisorNo = s.agent_no,
  @stale = CASE WHEN h.last_heartbeat_at < @now - COALESCE(h.renewal_milliseconds, @renewalMilliseconds) THEN 1 ELSE 0 END
FROM OPENJSON(@items) WITH (operation_id uniqueidentifier '$.operationId', task_id varchar(128) '$.taskId', supervisor varchar(128),
  actor varchar(128), task_type varchar(128) '$.taskType', priority tinyint, max_retries int '$.maxRetries', timeout_milliseconds bigint '$.timeoutMilliseconds',
  parent_task_id varchar(128) '$.parentTaskId', idempotency_key varchar(64) '$.idempotencyKey', request_hash varchar(64) '$.requestHash',
  capabilities_hash varchar(43) '$.capabilitiesHash', key_version varchar(64) '$.keyVersion', traceparent varchar(55)) AS j
JOIN dbo.agents AS s ON s.agent_id = j.supervisor COLLATE Latin1_General_100_BIN2
JOIN dbo.agent_heartbeats AS h ON h.agent_no = s.agent_no
JOIN dbo.demands AS d ON d.capabilities_hash = j.capabilities_hash COLLATE Latin1_General_100_BIN2
LEFT JOIN dbo.tasks AS t ON t.task_id = j.task_id COLLATE Latin1_General_100_BIN2
LEFT JOIN dbo.task_archive AS r ON r.task_id = j.task_id COLLATE Latin1_General_100_BIN2
LEFT JOIN dbo.tasks AS k ON k.idempotency_key = j.idempotency_key COLLATE Latin1_General_100_BIN2 AND k.idempotency_key IS NOT NULL
LEFT JOIN dbo.task_archive AS q ON q.idempotency_key = j.idempotency_key COLLATE Latin1_General_100_BIN2 AND q.idempotency_key IS NOT NULL
WHERE h.beating = 1 AND s.role IN ('supervisor', 'admin')
  AND t.task_no IS NULL AND r.status IS NULL AND k.task_no IS NULL AND q.status IS NULL;
IF @supervisorNo IS NOT NULL
BEGIN
  WITH best AS (
  SELECT TOP (64 /* CANDIDATES_MAX */) f.agent_no, f.agent_id, f.set_no, f.max_concurrent_tasks, f.active_tasks, f.completed, f.failed, f.lost,
    f.load, f.last_assigned_at, 0 AS ended, 0 AS preferred
  FROM (SELECT d.set_no FROM dbo.demand_sets AS d WHERE d.demand_no = @demandNo) AS s CROSS APPLY (SELECT TOP (64 /* CANDIDATES_MAX */) l.agent_no, l.agent_id, l.set_no, l.max_concurrent_tasks, l.active_tasks,
    l.completed, l.failed, l.lost, l.load, l.last_assigned_at
  FROM dbo.agent_loads AS l WHERE l.set_no = s.set_no AND l.assignable = 1
  ORDER BY l.load, l.last_assigned_at, l.agent_id) AS f
  ORDER BY f.load, f.last_assigned_at, f.agent_id),
placed AS (SELECT b.*, ROW_NUMBER() OVER (ORDER BY CASE b.ended WHEN 2 THEN -1 ELSE b.ended END, b.load, b.preferred DESC, (b.completed + CAST(1 AS float)) / (b.completed + b.failed + b.lost + 1) DESC,
    b.last_assigned_at, b.agent_id) AS place FROM best AS b),
chosen AS (
  SELECT MAX(CASE WHEN r.place = 1 THEN r.agent_no ELSE 0 END) AS agent_no,
    MAX(CASE WHEN r.place = 1 THEN r.set_no ELSE 0 END) AS set_no,
    MAX(CASE WHEN r.place = 1 AND r.active_tasks + 1 >= r.max_concurrent_tasks THEN 1 ELSE 0 END) AS fills,
    COUNT(*) AS weighed, STRING_AGG(CONCAT(CAST(r.agent_id AS varchar(max)), ',', r.active_tasks, ',', r.max_concurrent_tasks, ',', r.preferred, ',', r.completed, ',', r.failed, ',', r.lost, ',', r.last_assigned_at, ',', r.ended, ';'), '') WITHIN GROUP (ORDER BY r.place) AS considered
  FROM placed AS r),
counts AS (
  SELECT o.kind, v.value FROM (SELECT d.set_no FROM dbo.demand_sets AS d WHERE d.demand_no = @demandNo) AS s CROSS JOIN (VALUES (':workers'), (':active'), (':free')) AS o (kind)
  JOIN dbo.counters AS v ON v.name = CONCAT('set:', s.set_no, o.kind)),
counted AS (
  SELECT COALESCE(SUM(CASE WHEN k.kind = ':workers' THEN k.value ELSE 0 END), 0) AS workers,
    COALESCE(SUM(CASE WHEN k.kind = ':active' THEN k.value ELSE 0 END), 0) AS active,
    COALESCE(SUM(CASE WHEN k.kind = ':free' THEN k.value ELSE 0 END), 0) AS free,
    (SELECT SUM(t.value) FROM dbo.counters AS t WHERE t.name = 'agents:workers') AS total
  FROM counts AS k)
SELECT @chosenNo = NULLIF(c.agent_no, 0), @chosenSetNo = c.set_no, @chosenFills = c.fills,
  @explanation = CONCAT('{"policy":3,"excluded":[', CASE WHEN n.total - n.workers > 0 THEN n.total - n.workers ELSE 0 END, ',', CASE WHEN n.workers - n.active > 0 THEN n.workers - n.active ELSE 0 END, ',', CASE WHEN n.active - n.free > 0 THEN n.active - n.free ELSE 0 END, ',', CASE WHEN n.free - c.weighed > 0 THEN n.free - c.weighed ELSE 0 END, ',', 0, '],"considered":"', c.considered, '"}')
FROM chosen AS c CROSS JOIN counted AS n;
  SET @taskNo = NEXT VALUE FOR dbo.task_numbers;
  SET @taskNo = @taskNo * 4096 /* TASKS_PER_NUMBER */;
  SET @deadline = CONCAT(REPLACE(CONVERT(varchar(19), DATEADD(SECOND, (@now + @timeout) / 1000 % 86400,
      DATEADD(DAY, (@now + @timeout) / 86400000, CONVERT(datetime2(3), '19700101'))), 120), ' ', 'T'), '.',
      RIGHT(CONCAT('00', (@now + @timeout) % 1000), 3), 'Z');
  BEGIN TRANSACTION;
  IF @chosenNo IS NOT NULL
  BEGIN
    UPDATE dbo.agent_loads SET active_tasks = active_tasks + 1, last_assigned_at = @now WHERE agent_no = @chosenNo AND assignable = 1;
    SET @attempt = @@ROWCOUNT;
    SELECT @fills = CASE WHEN l.assignable = 1 THEN 0 ELSE 1 END, @assignedAt = @now FROM dbo.agent_loads AS l WHERE l.agent_no = @chosenNo;
  END;
  IF @chosenNo IS NULL OR @attempt = 1
  BEGIN
    SET @status = CASE WHEN @attempt = 1 THEN 'assigned' ELSE 'pending' END;
    INSERT INTO dbo.tasks (task_no, task_id, supervisor_no, task_type, priority, status, demand_no, agent_no, attempt,
      max_retries, timeout_milliseconds, created_at, available_at, assigned_at, deadline_at, parent_task_id, idempotency_key,
      request_hash, operation_id)
    VALUES (@taskNo, @taskId, @supervisorNo, @taskType, @priority, @status, @demandNo, @chosenNo, @attempt, @maxRetries, @timeout,
      @now, @now, @assignedAt, @assignedAt + @timeout, @parentTaskId, @idempotencyKey, @requestHash, @operationId);
    INSERT INTO dbo.task_bodies (task_no, description, parameters, key_version, traceparent, preferred_capabilities)
    SELECT @taskNo, REPLACE(REPLACE(REPLACE(REPLACE(REPLACE(d.value COLLATE Latin1_General_100_BIN2, NCHAR(64976), NCHAR(34)), NCHAR(64977), NCHAR(92)), NCHAR(64978), NCHAR(10)), NCHAR(64979), NCHAR(13)), NCHAR(64980), NCHAR(9)), REPLACE(REPLACE(p.value COLLATE Latin1_General_100_BIN2, NCHAR(64976), NCHAR(34)), NCHAR(64977), NCHAR(92)), @keyVersion, @traceparent, N'[]'
    FROM OPENJSON(@items, '$[0]') AS d CROSS JOIN OPENJSON(@items, '$[0]') AS p
    WHERE d.[key] = N'description' AND p.[key] = N'parameters';
    IF @attempt = 1
    BEGIN
      INSERT INTO dbo.task_attempts (task_no, attempt, agent_no, assigned_at, explanation)
      VALUES (@taskNo, 1, @chosenNo, @now, @explanation);
      INSERT INTO dbo.task_events (task_no, event, at, attempt, agent_no)
      VALUES (@taskNo, 'created', @now, 0, NULL), (@taskNo, 'assigned', @now, 1, @chosenNo);
      INSERT INTO audit.entries (at, actor, action, subject_kind, subject_id, detail)
  SELECT @now, COALESCE(@actor, 'system'), CONCAT('task.', e.event), 'task', @taskId, CONCAT('{"attempt":' + CAST(e.attempt AS varchar(20)), ',"agentId":"' + (SELECT a.agent_id FROM dbo.agents AS a WHERE a.agent_no = e.agent_no) + '"', '}')
  FROM (VALUES (0, 'created', NULL), (1, 'assigned', @chosenNo)) AS e (attempt, event, agent_no) ORDER BY e.attempt;
      SET @payload = CONCAT('{"taskId":"', @taskId, '","attempt":', 1, ',"taskType":"', @taskType, '","deadline":"', @deadline, '"}');
      SET @arrival = NEXT VALUE FOR dbo.message_arrivals;
      SET @arrival = @arrival * 4096 /* ARRIVALS_PER_NUMBER */;
      INSERT INTO dbo.messages (arrival, message_id, receiver_no, type, priority, status, attempt_limit, max_attempts,
        accepted_at, available_at, task_no, task_attempt, payload_bytes)
      VALUES (@arrival, LOWER(CONVERT(varchar(36), NEWID())), @chosenNo, 'task_assignment', @priority, 'queued', 5 /* ATTEMPTS_DEFAULT */,
        5 /* ATTEMPTS_DEFAULT */, @now, @now, @taskNo, 1, LEN(@payload) + (SELECT LEN(j.description) * CASE WHEN j.description COLLATE Latin1_General_100_BIN2 LIKE N'%[^ -~]%' THEN 3 ELSE 1 END + LEN(j.parameters) * CASE WHEN j.parameters COLLATE Latin1_General_100_BIN2 LIKE N'%[^ -~]%' THEN 3 ELSE 1 END FROM dbo.task_bodies AS j WHERE j.task_no = @taskNo));
      INSERT INTO dbo.message_payloads (arrival, payload) VALUES (@arrival, @payload);
    END;
    ELSE
    BEGIN
      INSERT INTO dbo.task_events (task_no, event, at, attempt) VALUES (@taskNo, 'created', @now, 0);
      INSERT INTO audit.entries (at, actor, action, subject_kind, subject_id, detail)
  SELECT @now, COALESCE(@actor, 'system'), CONCAT('task.', e.event), 'task', @taskId, CONCAT('{"attempt":' + CAST(e.attempt AS varchar(20)), ',"agentId":"' + (SELECT a.agent_id FROM dbo.agents AS a WHERE a.agent_no = e.agent_no) + '"', '}')
  FROM (VALUES (0, 'created', CAST(NULL AS int))) AS e (attempt, event, agent_no) ORDER BY e.attempt;
    END;
    UPDATE c SET value = c.value + d.delta
    FROM (VALUES (CONCAT('tasks:', @status), 1), ('tasks:assigned_once', @attempt), ('messages:queued', @attempt),
      (CONCAT('mailbox:', @chosenNo), @attempt), (CONCAT('set:', @chosenSetNo, ':free'), -@fills)) AS d (name, delta)
    JOIN dbo.counters AS c ON c.name = d.name AND c.slot = @@SPID % 8
    WHERE d.delta <> 0;
    IF @@ROWCOUNT <> 1 + 3 * @attempt + COALESCE(@fills, 0) BEGIN ROLLBACK TRANSACTION; RETURN 1; END;
    SET @accepted = @attempt;
    -- include: parts/count-accepted.sql
  END;
  COMMIT TRANSACTION;
  IF @stale = 1 AND @status IS NOT NULL UPDATE dbo.agent_heartbeats SET last_heartbeat_at = @now
    WHERE agent_no = @supervisorNo AND beating = 1 AND last_heartbeat_at < @now;
END;
-- The same recordsets as those of assign-tasks, and undecided.
SELECT 0 AS item, NULL AS code, NULL AS subject, @taskNo AS task_no, @taskId AS task_id, 0 AS wakes, @status AS status,
  @attempt AS attempt, (SELECT a.agent_id FROM dbo.agents AS a WHERE a.agent_no = @chosenNo) AS assigned_to, 0 AS duplicate,
  CASE WHEN @status = 'pending' AND EXISTS (SELECT 1 FROM dbo.demand_sets AS s
    JOIN dbo.agent_loads AS l ON l.set_no = s.set_no AND l.assignable = 1 WHERE s.demand_no = @demandNo) THEN 1 ELSE 0 END AS free,
  CASE WHEN @status IS NULL THEN 1 ELSE 0 END AS undecided;
SELECT a.agent_id AS woken FROM dbo.agents AS a WHERE a.agent_no = @chosenNo AND @status = 'assigned';
