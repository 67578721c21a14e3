-- Fills @plan from @items, refusals and repeats decided. becomes stays NULL for tasks that may be assigned, is
-- 'blocked' for those that depend on another, 'failed' for those that depend on one that did not complete, and 'cancelled' for those
-- that are not needed.
INSERT INTO @plan (place, task_no, task_id, task_type, priority, demand_no, named_no, attempt,
  timeout_milliseconds, start_timeout_milliseconds, becomes, code, subject, known_id, own, supervisor_no, max_retries, parent_task_id,
  idempotency_key, request_hash, operation_id, depends, prefers, unmet, capabilities_hash, gate, asks, stops, expires_at, stale, wakes, actor)
SELECT j.item, @taskNumbers * 4096 /* TASKS_PER_NUMBER */ + j.item, j.task_id, j.task_type, j.priority, d.demand_no, w.agent_no, 1,
  j.timeout_milliseconds, j.start_timeout_milliseconds, CASE WHEN c.code IS NOT NULL THEN 'refused' WHEN k.task_id IS NOT NULL THEN 'repeat' END,
  c.code, CASE c.code WHEN 'FORBIDDEN' THEN s.role WHEN 'IDEMPOTENCY_MISMATCH' THEN k.request_hash
    WHEN 'AGENT_NOT_FOUND' THEN CASE WHEN s.agent_no IS NULL THEN 'supervisor' ELSE 'assignTo' END END,
  k.task_id, CASE WHEN k.operation_id = j.operation_id THEN 1 ELSE 0 END, s.agent_no, j.max_retries, j.parent_task_id,
  j.idempotency_key, j.request_hash, j.operation_id, j.depends, j.prefers, 0, j.capabilities_hash, COALESCE(j.gate, 0), COALESCE(j.asks, 0), COALESCE(j.stops, 0), j.expires_at,
  CASE WHEN c.code IS NULL AND h.last_heartbeat_at < @now - COALESCE(h.renewal_milliseconds, @renewalMilliseconds) THEN 1 ELSE 0 END,
  CASE WHEN c.code IS NULL AND s.status = 'inactive' THEN 1 ELSE 0 END, j.actor
FROM OPENJSON(@items) WITH (item int, operation_id uniqueidentifier '$.operationId', task_id varchar(128) '$.taskId', supervisor varchar(128),
  actor varchar(128), assign_to varchar(128) '$.assignTo', task_type varchar(128) '$.taskType', priority tinyint, max_retries int '$.maxRetries',
  timeout_milliseconds bigint '$.timeoutMilliseconds', start_timeout_milliseconds bigint '$.startTimeoutMilliseconds', parent_task_id varchar(128) '$.parentTaskId',
  idempotency_key varchar(64) '$.idempotencyKey', request_hash varchar(64) '$.requestHash',
  capabilities_hash varchar(43) '$.capabilitiesHash', depends int, prefers int, gate bit, asks bit, stops bit, expires_at bigint '$.expiresAt') AS j
LEFT JOIN dbo.agents AS s ON s.agent_id = j.supervisor COLLATE Latin1_General_100_BIN2
LEFT JOIN dbo.agent_heartbeats AS h ON h.agent_no = s.agent_no
LEFT JOIN dbo.agents AS w ON w.agent_id = j.assign_to COLLATE Latin1_General_100_BIN2
LEFT JOIN dbo.demands AS d ON d.capabilities_hash = j.capabilities_hash COLLATE Latin1_General_100_BIN2
OUTER APPLY (SELECT TOP (1) f.task_id, f.supervisor_id, f.request_hash, f.operation_id, f.ended_at FROM (
    SELECT 1 AS place, t.task_id, a.agent_id AS supervisor_id, t.request_hash, t.operation_id, CAST(NULL AS bigint) AS ended_at
    FROM dbo.tasks AS t JOIN dbo.agents AS a ON a.agent_no = t.supervisor_no
    WHERE t.idempotency_key = j.idempotency_key COLLATE Latin1_General_100_BIN2 AND t.idempotency_key IS NOT NULL
    UNION ALL SELECT 2, r.task_id, r.supervisor_id, r.request_hash, NULL, r.ended_at
    FROM dbo.task_archive AS r WHERE r.idempotency_key = j.idempotency_key COLLATE Latin1_General_100_BIN2 AND r.idempotency_key IS NOT NULL
    UNION ALL SELECT 3, t.task_id, a.agent_id, t.request_hash, t.operation_id, NULL
    FROM dbo.tasks AS t JOIN dbo.agents AS a ON a.agent_no = t.supervisor_no WHERE t.task_id = j.task_id COLLATE Latin1_General_100_BIN2
    UNION ALL SELECT 4, r.task_id, r.supervisor_id, r.request_hash, NULL, r.ended_at
    FROM dbo.task_archive AS r WHERE r.task_id = j.task_id COLLATE Latin1_General_100_BIN2) AS f ORDER BY f.place) AS k
CROSS APPLY (SELECT CASE WHEN s.agent_no IS NULL THEN 'AGENT_NOT_FOUND' WHEN s.status = 'deregistered' AND @parentNo IS NULL THEN 'AGENT_DEREGISTERED'
    WHEN @parentNo IS NULL AND s.role NOT IN ('supervisor', 'admin') THEN 'FORBIDDEN'
    WHEN k.supervisor_id <> s.agent_id OR s.registered_at > k.ended_at THEN 'ID_TAKEN'
    WHEN k.request_hash <> j.request_hash COLLATE Latin1_General_100_BIN2 THEN 'IDEMPOTENCY_MISMATCH'
    WHEN k.task_id IS NULL AND j.assign_to IS NOT NULL AND (w.agent_no IS NULL OR w.status = 'deregistered') THEN 'AGENT_NOT_FOUND'
    END AS code) AS c;
SELECT @dependent = SUM(CASE WHEN n.becomes IS NULL THEN n.depends ELSE 0 END),
  @preferring = SUM(n.prefers), @gates = SUM(CASE WHEN n.becomes IS NULL AND n.gate = 1 THEN 1 ELSE 0 END),
  @expiring = SUM(CASE WHEN n.becomes IS NULL AND n.expires_at IS NOT NULL THEN 1 ELSE 0 END),
  @missing = SUM(CASE WHEN n.becomes IS NULL AND n.demand_no IS NULL THEN 1 ELSE 0 END), @stale = SUM(n.stale) FROM @plan AS n;
IF @preferring > 0 UPDATE n SET preferred = v.value
FROM OPENJSON(@items) AS i JOIN @plan AS n ON n.place = CAST(i.[key] AS int) CROSS APPLY OPENJSON(i.value) AS v
WHERE v.[key] = N'preferred' AND n.prefers = 1;
IF @dependent > 0
BEGIN
  -- lost: the condition cannot hold any more; 1 where the task fails for it, 2 where it is not needed.
  DECLARE @dependencies TABLE (place int NOT NULL, position int NOT NULL, depends_on varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL,
    condition varchar(10) COLLATE Latin1_General_100_BIN2 NOT NULL, task_no bigint NULL, status varchar(24) COLLATE Latin1_General_100_BIN2 NULL,
    met bit NOT NULL, lost int NOT NULL, PRIMARY KEY (place, position));
  -- Read from the text once, then looked up: there are engines that read it anew for every row that it is compared with.
  INSERT INTO @dependencies (place, position, depends_on, condition, met, lost)
  SELECT n.place, CAST(o.[key] AS int), CAST(JSON_VALUE(o.value, '$.taskId') AS varchar(128)) COLLATE Latin1_General_100_BIN2,
    CAST(JSON_VALUE(o.value, '$.when') AS varchar(10)) COLLATE Latin1_General_100_BIN2, 0, 0
  FROM OPENJSON(@items) AS i JOIN @plan AS n ON n.place = CAST(i.[key] AS int) CROSS APPLY OPENJSON(i.value, '$.dependsOn') AS o
  WHERE n.becomes IS NULL AND n.depends = 1;
  UPDATE d SET task_no = x.task_no, status = x.status, met = m.met, lost = CASE WHEN m.met = 1 OR x.status IS NULL OR x.status NOT IN ('completed', 'failed', 'cancelled') THEN 0
    WHEN x.not_needed = 1 OR d.condition <> 'completed' THEN 2 ELSE 1 END
  FROM @dependencies AS d JOIN (SELECT e.place, e.position, t.task_no,
      CASE WHEN e.depends_on = n.task_id THEN NULL ELSE COALESCE(t.status, r.status, CASE WHEN y.place IS NOT NULL THEN 'blocked' END) END AS status,
      CASE WHEN COALESCE(t.status, r.status) = 'cancelled' AND (w.error = N'NOT_NEEDED' OR JSON_VALUE(r.task, '$.error') = N'NOT_NEEDED') THEN 1 ELSE 0 END AS not_needed
    FROM @dependencies AS e JOIN @plan AS n ON n.place = e.place
    LEFT JOIN dbo.tasks AS t ON t.task_id = e.depends_on
    LEFT JOIN dbo.task_outcomes AS w ON w.task_no = t.task_no
    LEFT JOIN dbo.task_archive AS r ON r.task_id = e.depends_on
    LEFT JOIN @plan AS y ON @siblings = 1 AND y.task_id = e.depends_on AND y.place < e.place) AS x ON x.place = d.place AND x.position = d.position
  CROSS APPLY (SELECT CASE WHEN d.condition = 'ended' AND x.status IN ('completed', 'failed', 'cancelled') OR (x.not_needed = 0
    AND (d.condition = 'completed' AND x.status = 'completed' OR d.condition = 'failed' AND x.status IN ('failed', 'cancelled'))) THEN 1 ELSE 0 END AS met) AS m;
  -- A task that waits for anything else than completions is not needed where one of its conditions is lost.
  UPDATE d SET lost = 2 FROM @dependencies AS d
  WHERE d.lost = 1 AND EXISTS (SELECT 1 FROM @dependencies AS o WHERE o.place = d.place AND o.condition <> 'completed');
  UPDATE n SET code = CASE WHEN b.subject IS NOT NULL THEN 'DEPENDENCY_INVALID' END, subject = b.subject, unmet = u.unmet, lost = l.depends_on,
    becomes = CASE WHEN b.subject IS NOT NULL THEN 'refused' WHEN l.lost = 1 AND @siblings = 0 THEN 'failed' WHEN l.lost = 2 AND @siblings = 0 THEN 'cancelled' WHEN u.unmet > 0 THEN 'blocked' END,
    stale = CASE WHEN b.subject IS NULL THEN n.stale ELSE 0 END, wakes = CASE WHEN b.subject IS NULL THEN n.wakes ELSE 0 END,
    receiver_no = CASE WHEN l.lost = 1 AND @siblings = 0 THEN n.supervisor_no END, message_type = 'task_result',
    payload = CONCAT('{"taskId":"', n.task_id, '","taskType":"', n.task_type,
      '","status":"failed","attempt":0,"version":2,"error":"DEPENDENCY_FAILED"}')
  FROM @plan AS n
  CROSS APPLY (SELECT COUNT(*) AS unmet FROM @dependencies AS x WHERE x.place = n.place AND x.met = 0) AS u
  OUTER APPLY (SELECT TOP (1) x.depends_on AS subject FROM @dependencies AS x
    WHERE x.place = n.place AND x.status IS NULL ORDER BY x.position) AS b
  OUTER APPLY (SELECT TOP (1) x.depends_on, x.lost FROM @dependencies AS x
    WHERE x.place = n.place AND x.lost > 0 ORDER BY x.lost, x.position) AS l
  WHERE n.becomes IS NULL AND n.depends = 1;
END;
-- Gates that ask of an agent that is not there, and times that are over or more than a year away.
IF @gates > 0 OR @expiring > 0
BEGIN
  UPDATE n SET becomes = 'refused', code = CASE WHEN o.missing IS NOT NULL THEN 'ASKED_OF' ELSE 'INVALID_REQUEST' END,
    subject = CASE WHEN o.missing IS NOT NULL THEN o.missing END, stale = 0, wakes = 0, receiver_no = NULL
  FROM OPENJSON(@items) AS i JOIN @plan AS n ON n.place = CAST(i.[key] AS int)
  OUTER APPLY (SELECT TOP (1) CAST(x.[value] AS varchar(128)) COLLATE Latin1_General_100_BIN2 AS missing FROM OPENJSON(i.[value], '$.askedOf') AS x
    LEFT JOIN dbo.agents AS g ON g.agent_id = CAST(x.[value] AS varchar(128)) COLLATE Latin1_General_100_BIN2 AND g.status <> 'deregistered'
    WHERE n.asks = 1 AND g.agent_no IS NULL ORDER BY CAST(x.[key] AS int)) AS o
  WHERE (n.becomes IS NULL OR n.becomes IN ('blocked', 'failed', 'cancelled')) AND (o.missing IS NOT NULL OR n.expires_at <= @now
    OR n.expires_at > @now + 31536000 /* DURATION_MAX_SECONDS */ * CAST(1000 AS bigint));
  UPDATE @plan SET becomes = 'input_required' WHERE becomes IS NULL AND gate = 1;
END;
