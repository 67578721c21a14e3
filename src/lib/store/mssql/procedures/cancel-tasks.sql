-- An assignment that has not been started is taken back: its message ends, so the worker never sees it or loses the
-- lease.
CREATE PROCEDURE release.cancel_tasks
  @items nvarchar(max),
  @clockOffset bigint
AS
-- include: parts/prologue.sql
-- include: parts/declare-endings.sql
-- include: parts/declare-hand-out.sql
-- @calls: each with its task as it is, or the status of an archived one. ends: at once; asks: the running task's
-- worker is asked, for the first time.
DECLARE @asked int;
DECLARE @calls TABLE (item int NOT NULL PRIMARY KEY, task_id varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL, reason nvarchar(max) NULL, code varchar(24) COLLATE Latin1_General_100_BIN2 NULL,
  task_no bigint NULL, status varchar(24) COLLATE Latin1_General_100_BIN2 NULL, attempt int NULL, agent_no int NULL, cancel_requested bit NULL, deadline_at bigint NULL,
  assigned_at bigint NULL, ends bit NOT NULL, asks bit NOT NULL, actor varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL);
INSERT INTO @calls (item, task_id, reason, code, task_no, status, attempt, agent_no, cancel_requested, deadline_at, assigned_at,
  ends, asks, actor)
SELECT i.item, i.task_id, REPLACE(REPLACE(REPLACE(REPLACE(REPLACE(i.reason COLLATE Latin1_General_100_BIN2, NCHAR(64976), NCHAR(34)), NCHAR(64977), NCHAR(92)), NCHAR(64978), NCHAR(10)), NCHAR(64979), NCHAR(13)), NCHAR(64980), NCHAR(9)), CASE WHEN s.status IS NULL THEN 'TASK_NOT_FOUND'
    WHEN s.status IN ('completed', 'failed') THEN 'TASK_ENDED' END,
  t.task_no, s.status, t.attempt, CASE WHEN t.status IN ('assigned', 'running') THEN t.agent_no END, t.cancel_requested,
  t.deadline_at, t.assigned_at, CASE WHEN t.status IN ('blocked', 'pending', 'input_required', 'assigned') THEN 1 ELSE 0 END,
  CASE WHEN t.status = 'running' AND t.cancel_requested = 0 THEN 1 ELSE 0 END, i.actor
FROM (SELECT j.item, j.task_id COLLATE Latin1_General_100_BIN2 AS task_id, j.actor, r.value AS reason
  FROM OPENJSON(@items) AS k CROSS APPLY OPENJSON(k.value) WITH (item int, task_id varchar(128), actor varchar(128)) AS j
  OUTER APPLY (SELECT v.value FROM OPENJSON(k.value) AS v WHERE v.[key] = 'reason') AS r) AS i
LEFT JOIN dbo.tasks AS t ON t.task_id = i.task_id
OUTER APPLY (SELECT CASE WHEN t.task_no IS NOT NULL THEN t.status
  ELSE (SELECT z.status FROM dbo.task_archive AS z WHERE z.task_id = i.task_id) END AS status) AS s
OPTION (LOOP JOIN, FORCE ORDER);
INSERT INTO @endings (task_no, task_id, attempt, was, cancel_requested, agent_no, assigned_at, outcome, becomes, error, detail, actor)
SELECT c.task_no, c.task_id, c.attempt, c.status, c.cancel_requested, c.agent_no, c.assigned_at,
  CASE WHEN c.status = 'assigned' THEN 'cancelled' END, 'cancelled', c.reason, c.reason, c.actor
FROM @calls AS c WHERE c.ends = 1;
SET @asked = (SELECT COUNT(*) FROM @calls AS c WHERE c.asks = 1);
IF @asked > 0 OR EXISTS (SELECT 1 FROM @endings)
BEGIN
  BEGIN TRANSACTION;
  -- include: parts/leave-agents.sql
  IF @asked > 0
  BEGIN
    UPDATE t SET version = t.version + 1, cancel_requested = 1
    FROM @calls AS c JOIN dbo.tasks AS t ON t.task_no = c.task_no
    WHERE c.asks = 1 AND t.status = 'running' AND t.attempt = c.attempt AND t.cancel_requested = 0;
    IF @@ROWCOUNT <> @asked BEGIN ROLLBACK TRANSACTION; RETURN 1; END;
  END;
  -- include: parts/finish-task-rows.sql
  -- The reason is kept where the error will be: the task reads as cancelled for it, unless it completes.
  IF @asked > 0
  BEGIN
    UPDATE o SET error = c.reason
    FROM @calls AS c JOIN dbo.task_outcomes AS o ON o.task_no = c.task_no WHERE c.asks = 1 AND c.reason IS NOT NULL;
    INSERT INTO dbo.task_outcomes (task_no, error)
    SELECT c.task_no, c.reason FROM @calls AS c WHERE c.asks = 1 AND c.reason IS NOT NULL
      AND NOT EXISTS (SELECT 1 FROM dbo.task_outcomes AS o WHERE o.task_no = c.task_no);
    INSERT INTO dbo.task_events (task_no, event, at, attempt, agent_no, detail)
    SELECT c.task_no, 'cancel_requested', @now, c.attempt, c.agent_no, c.reason FROM @calls AS c WHERE c.asks = 1 ORDER BY c.item;
    INSERT INTO audit.entries (at, actor, action, subject_kind, subject_id, detail)
    SELECT @now, c.actor, 'task.cancel_requested', 'task', c.task_id,
      CONCAT('{"attempt":' + CAST(c.attempt AS varchar(20)), ',"agentId":"' + a.agent_id + '"', '}')
    FROM @calls AS c LEFT JOIN dbo.agents AS a ON a.agent_no = c.agent_no WHERE c.asks = 1 ORDER BY c.item;
  END;
  -- include: parts/record-endings.sql
  -- The workers of running tasks are asked to stop.
  IF @asked > 0
  BEGIN
    DECLARE @requests TABLE (item int NOT NULL PRIMARY KEY, receiver_no int NOT NULL, priority tinyint NOT NULL,
      traceparent varchar(55) COLLATE Latin1_General_100_BIN2 NULL, payload nvarchar(max) NOT NULL);
    DECLARE @requestArrival bigint;
    INSERT INTO @requests (item, receiver_no, priority, traceparent, payload)
    SELECT c.item, c.agent_no, t.priority, b.traceparent, CONCAT(N'{"taskId":"' COLLATE Latin1_General_100_BIN2, c.task_id, N'","attempt":',
      c.attempt, N',"reason":"' + STRING_ESCAPE(c.reason, 'json') + N'"', N'}')
    FROM @calls AS c JOIN dbo.tasks AS t ON t.task_no = c.task_no JOIN dbo.task_bodies AS b ON b.task_no = c.task_no
    JOIN dbo.agents AS a ON a.agent_no = c.agent_no AND a.status <> 'deregistered'
    WHERE c.asks = 1;
    SET @asked = @@ROWCOUNT;
    SET @requestArrival = NEXT VALUE FOR dbo.message_arrivals;
    SET @requestArrival = @requestArrival * 4096 /* ARRIVALS_PER_NUMBER */;
    INSERT INTO dbo.messages (arrival, message_id, receiver_no, type, priority, status, attempt_limit, max_attempts,
      accepted_at, available_at, traceparent, payload_bytes)
    SELECT @requestArrival + r.item, LOWER(CONVERT(varchar(36), NEWID())), r.receiver_no, 'task_cancel', r.priority, 'queued',
      5 /* ATTEMPTS_DEFAULT */, 5 /* ATTEMPTS_DEFAULT */, @now, @now, r.traceparent,
      LEN(r.payload) * CASE WHEN r.payload COLLATE Latin1_General_100_BIN2 LIKE N'%[^ -~]%' THEN 3 ELSE 1 END
    FROM @requests AS r;
    INSERT INTO dbo.message_payloads (arrival, payload) SELECT @requestArrival + r.item, r.payload FROM @requests AS r;
    INSERT INTO @counts (name, delta) SELECT CONCAT('mailbox:', r.receiver_no), 1 FROM @requests AS r
    UNION ALL SELECT 'messages:queued', @asked;
    SET @accepted = @accepted + @asked;
  END;
  -- include: parts/apply-counts.sql
  COMMIT TRANSACTION;
  INSERT INTO @freed (agent_no) SELECT DISTINCT c.agent_no FROM @calls AS c WHERE c.ends = 1 AND c.agent_no IS NOT NULL;
  SET @handOutLimit = 10 /* HANDOUTS_PER_CALL */ * (SELECT COUNT(*) FROM @calls AS c WHERE c.ends = 1);
  EXEC @handedOut = release.hand_out @freed, @unblocked, @handOutLimit, @clockOffset;
  IF @handedOut < 0 RETURN 1;
END;
SELECT c.item, c.code, NULL AS subject, c.status, c.deadline_at,
  CASE WHEN c.ends = 1 AND c.status = 'blocked' AND EXISTS (SELECT 1 FROM dbo.ended_parents AS p WHERE p.task_no = c.task_no) THEN 1 ELSE 0 END AS orphans
FROM @calls AS c;
SELECT DISTINCT a.agent_id AS woken FROM (SELECT COALESCE(e.flow_receiver_no, e.receiver_no) AS agent_no FROM @endings AS e
  UNION ALL SELECT c.agent_no FROM @calls AS c WHERE c.asks = 1) AS d JOIN dbo.agents AS a ON a.agent_no = d.agent_no;
