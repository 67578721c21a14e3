-- Books what attempts report beyond what they have reported before: to their totals, to the hour, and to what was ever reported. The caller
-- holds the rows of the tasks in its transaction. Returns -1 when an attempt has got more pairs of provider and model than it may have
-- since the caller looked: a lost race.
-- Table order: task_usage, usage_hours, usage_totals.
CREATE PROCEDURE release.book_usage
  @reports release.usage_reports READONLY,
  @now bigint
AS
SET NOCOUNT, XACT_ABORT ON;
DECLARE @hour bigint = @now - @now % 3600000 /* HOUR_MILLISECONDS */;
DECLARE @added TABLE (task_no bigint NOT NULL, attempt int NOT NULL, provider varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL, model varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL,
  input_tokens bigint NOT NULL, output_tokens bigint NOT NULL, cache_read_tokens bigint NOT NULL, cache_write_tokens bigint NOT NULL, reasoning_tokens bigint NOT NULL, cost_micros bigint NOT NULL,
  PRIMARY KEY (task_no, attempt, provider, model));
DECLARE @hours TABLE (agent_id varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL, task_type varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL, supervisor_id varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL, provider varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL, model varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL,
  input_tokens float NOT NULL, output_tokens float NOT NULL, cache_read_tokens float NOT NULL, cache_write_tokens float NOT NULL, reasoning_tokens float NOT NULL, cost_micros float NOT NULL,
  PRIMARY KEY (agent_id, task_type, supervisor_id, provider, model));
-- A smaller number counts as the one before.
INSERT INTO @added (task_no, attempt, provider, model, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens, cost_micros)
SELECT r.task_no, r.attempt, r.provider, r.model,
  CASE WHEN u.task_no IS NULL THEN r.input_tokens WHEN r.input_tokens > u.input_tokens THEN r.input_tokens - u.input_tokens ELSE 0 END,
  CASE WHEN u.task_no IS NULL THEN r.output_tokens WHEN r.output_tokens > u.output_tokens THEN r.output_tokens - u.output_tokens ELSE 0 END,
  CASE WHEN u.task_no IS NULL THEN r.cache_read_tokens WHEN r.cache_read_tokens > u.cache_read_tokens THEN r.cache_read_tokens - u.cache_read_tokens ELSE 0 END,
  CASE WHEN u.task_no IS NULL THEN r.cache_write_tokens WHEN r.cache_write_tokens > u.cache_write_tokens THEN r.cache_write_tokens - u.cache_write_tokens ELSE 0 END,
  CASE WHEN u.task_no IS NULL THEN r.reasoning_tokens WHEN r.reasoning_tokens > u.reasoning_tokens THEN r.reasoning_tokens - u.reasoning_tokens ELSE 0 END,
  CASE WHEN u.task_no IS NULL THEN r.cost_micros WHEN r.cost_micros > u.cost_micros THEN r.cost_micros - u.cost_micros ELSE 0 END
FROM @reports AS r LEFT JOIN dbo.task_usage AS u ON u.task_no = r.task_no AND u.attempt = r.attempt AND u.provider = r.provider AND u.model = r.model
OPTION (LOOP JOIN, FORCE ORDER);
UPDATE u SET input_tokens = u.input_tokens + d.input_tokens, output_tokens = u.output_tokens + d.output_tokens, cache_read_tokens = u.cache_read_tokens + d.cache_read_tokens, cache_write_tokens = u.cache_write_tokens + d.cache_write_tokens, reasoning_tokens = u.reasoning_tokens + d.reasoning_tokens, cost_micros = u.cost_micros + d.cost_micros
FROM @added AS d JOIN dbo.task_usage AS u ON u.task_no = d.task_no AND u.attempt = d.attempt AND u.provider = d.provider AND u.model = d.model
OPTION (LOOP JOIN, FORCE ORDER);
INSERT INTO dbo.task_usage (task_no, attempt, provider, model, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens, cost_micros)
SELECT d.task_no, d.attempt, d.provider, d.model, d.input_tokens, d.output_tokens, d.cache_read_tokens, d.cache_write_tokens, d.reasoning_tokens, d.cost_micros FROM @added AS d
WHERE NOT EXISTS (SELECT 1 FROM dbo.task_usage AS u WHERE u.task_no = d.task_no AND u.attempt = d.attempt AND u.provider = d.provider AND u.model = d.model);
IF EXISTS (SELECT 1 FROM (SELECT DISTINCT d.task_no, d.attempt FROM @added AS d) AS x WHERE 32 /* USAGE_PAIRS_MAX */ < (
  SELECT COUNT(*) FROM dbo.task_usage AS u WHERE u.task_no = x.task_no AND u.attempt = x.attempt))
  RETURN -1;
INSERT INTO @hours (agent_id, task_type, supervisor_id, provider, model, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens, cost_micros)
SELECT a.agent_id, t.task_type, s.agent_id, d.provider, d.model,
  SUM(CAST(d.input_tokens AS float)), SUM(CAST(d.output_tokens AS float)), SUM(CAST(d.cache_read_tokens AS float)), SUM(CAST(d.cache_write_tokens AS float)), SUM(CAST(d.reasoning_tokens AS float)), SUM(CAST(d.cost_micros AS float))
FROM @added AS d JOIN dbo.tasks AS t ON t.task_no = d.task_no
JOIN dbo.task_attempts AS p ON p.task_no = d.task_no AND p.attempt = d.attempt
JOIN dbo.agents AS a ON a.agent_no = p.agent_no JOIN dbo.agents AS s ON s.agent_no = t.supervisor_no
WHERE d.input_tokens > 0 OR d.output_tokens > 0 OR d.cache_read_tokens > 0 OR d.cache_write_tokens > 0 OR d.reasoning_tokens > 0 OR d.cost_micros > 0
GROUP BY a.agent_id, t.task_type, s.agent_id, d.provider, d.model
OPTION (LOOP JOIN, FORCE ORDER);
UPDATE h SET input_tokens = h.input_tokens + d.input_tokens, output_tokens = h.output_tokens + d.output_tokens, cache_read_tokens = h.cache_read_tokens + d.cache_read_tokens, cache_write_tokens = h.cache_write_tokens + d.cache_write_tokens, reasoning_tokens = h.reasoning_tokens + d.reasoning_tokens, cost_micros = h.cost_micros + d.cost_micros
FROM @hours AS d JOIN dbo.usage_hours AS h ON h.hour = @hour AND h.agent_id = d.agent_id AND h.task_type = d.task_type AND h.supervisor_id = d.supervisor_id AND h.provider = d.provider AND h.model = d.model
OPTION (LOOP JOIN, FORCE ORDER);
INSERT INTO dbo.usage_hours (hour, agent_id, task_type, supervisor_id, provider, model, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens, cost_micros)
SELECT @hour, d.agent_id, d.task_type, d.supervisor_id, d.provider, d.model, d.input_tokens, d.output_tokens, d.cache_read_tokens, d.cache_write_tokens, d.reasoning_tokens, d.cost_micros FROM @hours AS d
WHERE NOT EXISTS (SELECT 1 FROM dbo.usage_hours AS h WHERE h.hour = @hour AND h.agent_id = d.agent_id AND h.task_type = d.task_type AND h.supervisor_id = d.supervisor_id AND h.provider = d.provider AND h.model = d.model);
UPDATE e SET input_tokens = e.input_tokens + d.input_tokens, output_tokens = e.output_tokens + d.output_tokens, cache_read_tokens = e.cache_read_tokens + d.cache_read_tokens, cache_write_tokens = e.cache_write_tokens + d.cache_write_tokens, reasoning_tokens = e.reasoning_tokens + d.reasoning_tokens, cost_micros = e.cost_micros + d.cost_micros
FROM (SELECT SUM(x.input_tokens) AS input_tokens, SUM(x.output_tokens) AS output_tokens, SUM(x.cache_read_tokens) AS cache_read_tokens, SUM(x.cache_write_tokens) AS cache_write_tokens, SUM(x.reasoning_tokens) AS reasoning_tokens, SUM(x.cost_micros) AS cost_micros FROM @hours AS x HAVING COUNT(*) > 0) AS d
JOIN dbo.usage_totals AS e ON e.slot = @@SPID % 8;
RETURN 0;
