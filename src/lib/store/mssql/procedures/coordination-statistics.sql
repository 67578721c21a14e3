-- Tasks by status and in all, how many agents are active, and what was ever used.
CREATE PROCEDURE release.coordination_statistics
AS
SELECT SUBSTRING(c.name, 7, 48) AS name, SUM(c.value) AS value
FROM dbo.counters AS c WHERE c.name >= 'tasks:' AND c.name < 'tasks;' GROUP BY c.name;
SELECT COUNT(*) AS active FROM dbo.agents AS a WHERE a.status = 'active' AND a.agent_id > '/';
SELECT SUM(e.input_tokens) AS input_tokens, SUM(e.output_tokens) AS output_tokens, SUM(e.cache_read_tokens) AS cache_read_tokens, SUM(e.cache_write_tokens) AS cache_write_tokens, SUM(e.reasoning_tokens) AS reasoning_tokens, SUM(e.cost_micros) AS cost_micros FROM dbo.usage_totals AS e;
