-- Whether agents can be read, and whether any is registered.
CREATE PROCEDURE release.probe_agents
AS
SELECT CASE WHEN EXISTS (SELECT 1 FROM dbo.agents AS a WHERE a.status IN ('active', 'draining', 'inactive')
  AND a.agent_id > '/') THEN 1 ELSE 0 END AS registered;
