-- Books what attempts have used, whether they are current or have ended. Table order: tasks (locked), their usage, usage_hours, usage_totals;
-- then agent_heartbeats.
CREATE PROCEDURE release.report_usage
  @items nvarchar(max),
  @usage nvarchar(max),
  @renewalMilliseconds int,
  @clockOffset bigint
AS
-- include: parts/prologue.sql
DECLARE @accepted int, @held int;
DECLARE @calls TABLE (item int NOT NULL PRIMARY KEY, task_id varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL, code varchar(24) COLLATE Latin1_General_100_BIN2 NULL, answer nvarchar(200) NULL,
  task_no bigint NULL, agent_no int NULL, agent_id varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL, attempt int NOT NULL, actor varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL, inactive bit NOT NULL);
INSERT INTO @calls (item, task_id, code, answer, task_no, agent_no, agent_id, attempt, actor, inactive)
SELECT i.item, i.task_id, CASE
  WHEN a.agent_no IS NULL THEN 'AGENT_NOT_FOUND'
  WHEN a.status = 'deregistered' THEN 'AGENT_DEREGISTERED'
  WHEN t.task_no IS NULL AND NOT EXISTS (SELECT 1 FROM dbo.task_archive AS z WHERE z.task_id = i.task_id) THEN 'TASK_NOT_FOUND'
  WHEN t.task_no IS NULL OR p.attempt IS NULL THEN 'LEASE_LOST' END,
  NULL, t.task_no, a.agent_no, i.agent_id, i.attempt, i.actor, CASE WHEN a.status = 'inactive' THEN 1 ELSE 0 END
FROM (SELECT j.item, j.task_id COLLATE Latin1_General_100_BIN2 AS task_id, j.agent_id COLLATE Latin1_General_100_BIN2 AS agent_id, j.actor, j.attempt
  FROM OPENJSON(@items) WITH (item int, task_id varchar(128), agent_id varchar(128), actor varchar(128), attempt int) AS j) AS i
LEFT JOIN dbo.tasks AS t ON t.task_id = i.task_id
LEFT JOIN dbo.agents AS a ON a.agent_id = i.agent_id
LEFT JOIN dbo.task_attempts AS p ON p.task_no = t.task_no AND p.attempt = i.attempt AND p.agent_no = a.agent_no
OPTION (LOOP JOIN, FORCE ORDER);
-- include: parts/check-usage.sql
SET @accepted = (SELECT COUNT(*) FROM @calls AS c WHERE c.code IS NULL);
IF @accepted > 0 AND @usage IS NOT NULL
BEGIN
  BEGIN TRANSACTION;
  SELECT @held = COUNT(*) FROM @calls AS c JOIN dbo.tasks AS t WITH (UPDLOCK) ON t.task_no = c.task_no WHERE c.code IS NULL
  OPTION (LOOP JOIN, FORCE ORDER);
  -- Archived meanwhile.
  IF @held <> @accepted BEGIN ROLLBACK TRANSACTION; RETURN 1; END;
  -- What adds nothing is not in the audit: it is compared before it is booked.
  INSERT INTO audit.entries (at, actor, action, subject_kind, subject_id, detail)
  SELECT @now, c.actor, 'task.usage_reported', 'task', c.task_id, CONCAT('{"attempt":', c.attempt, ',"agentId":"', c.agent_id, '"}')
  FROM @calls AS c WHERE c.code IS NULL AND EXISTS (SELECT 1 FROM OPENJSON(@usage) WITH (item int, provider varchar(128), model varchar(128), input_tokens bigint, output_tokens bigint, cache_read_tokens bigint, cache_write_tokens bigint, reasoning_tokens bigint, cost_micros bigint) AS j
    LEFT JOIN dbo.task_usage AS u ON u.task_no = c.task_no AND u.attempt = c.attempt
      AND u.provider = j.provider COLLATE Latin1_General_100_BIN2 AND u.model = j.model COLLATE Latin1_General_100_BIN2
    WHERE j.item = c.item AND (u.task_no IS NULL OR j.input_tokens > u.input_tokens OR j.output_tokens > u.output_tokens OR j.cache_read_tokens > u.cache_read_tokens OR j.cache_write_tokens > u.cache_write_tokens OR j.reasoning_tokens > u.reasoning_tokens OR j.cost_micros > u.cost_micros))
  ORDER BY c.item;
  -- include: parts/book-usage-of-calls.sql
  COMMIT TRANSACTION;
END;
-- include: parts/renew-heartbeats-of-calls.sql
SELECT c.item, c.code, NULL AS subject, c.inactive FROM @calls AS c;
SELECT c.item, u.provider, u.model, u.input_tokens, u.output_tokens, u.cache_read_tokens, u.cache_write_tokens, u.reasoning_tokens, u.cost_micros
FROM @calls AS c JOIN dbo.task_usage AS u ON u.task_no = c.task_no AND u.attempt = c.attempt WHERE c.code IS NULL
ORDER BY c.item, u.provider, u.model;
