-- Sums of the hours from @from to before @to, told apart by time (@width milliseconds) and by the names whose flag is 1. Where the hours
-- have more than @maxRows rows, it says so and adds nothing up.
CREATE PROCEDURE release.read_usage
  @from bigint,
  @to bigint,
  @supervisor varchar(128),
  @agentId varchar(128),
  @taskType varchar(128),
  @width bigint,
  @byAgent bit,
  @byTaskType bit,
  @bySupervisor bit,
  @byProvider bit,
  @byModel bit,
  @after varchar(900),
  @limit int,
  @maxRows int
AS
DECLARE @found int;
SELECT @found = COUNT(*) FROM (SELECT TOP (@maxRows + 1) h.hour FROM dbo.usage_hours AS h WHERE h.hour >= @from AND h.hour < @to) AS r;
SELECT @found AS found;
IF @found > @maxRows RETURN;
SELECT TOP (@limit) g.place, g.bucket, g.agent_id, g.task_type, g.supervisor_id, g.provider, g.model, g.input_tokens, g.output_tokens, g.cache_read_tokens, g.cache_write_tokens, g.reasoning_tokens, g.cost_micros
FROM (SELECT CONCAT(x.bucket, '!', x.agent_id, '!', x.task_type, '!', x.supervisor_id, '!', x.provider, '!', x.model) COLLATE Latin1_General_100_BIN2 AS place, x.bucket, x.agent_id, x.task_type, x.supervisor_id, x.provider, x.model,
    SUM(x.input_tokens) AS input_tokens, SUM(x.output_tokens) AS output_tokens, SUM(x.cache_read_tokens) AS cache_read_tokens, SUM(x.cache_write_tokens) AS cache_write_tokens, SUM(x.reasoning_tokens) AS reasoning_tokens, SUM(x.cost_micros) AS cost_micros
  FROM (SELECT h.hour - h.hour % @width AS bucket, CASE WHEN @byAgent = 1 THEN h.agent_id ELSE '' END AS agent_id, CASE WHEN @byTaskType = 1 THEN h.task_type ELSE '' END AS task_type, CASE WHEN @bySupervisor = 1 THEN h.supervisor_id ELSE '' END AS supervisor_id, CASE WHEN @byProvider = 1 THEN h.provider ELSE '' END AS provider, CASE WHEN @byModel = 1 THEN h.model ELSE '' END AS model,
      h.input_tokens, h.output_tokens, h.cache_read_tokens, h.cache_write_tokens, h.reasoning_tokens, h.cost_micros
    FROM dbo.usage_hours AS h WHERE h.hour >= @from AND h.hour < @to AND (@supervisor IS NULL OR h.supervisor_id = @supervisor)
      AND (@agentId IS NULL OR h.agent_id = @agentId) AND (@taskType IS NULL OR h.task_type = @taskType)) AS x
  GROUP BY x.bucket, x.agent_id, x.task_type, x.supervisor_id, x.provider, x.model) AS g
WHERE g.place > @after ORDER BY g.place;
