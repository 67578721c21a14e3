-- Tasks by status and in all, and how many agents are active.
CREATE PROCEDURE release.coordination_statistics
AS
SELECT SUBSTRING(c.name, 7, 48) AS name, SUM(c.value) AS value
FROM dbo.counters AS c WHERE c.name >= 'tasks:' AND c.name < 'tasks;' GROUP BY c.name;
SELECT COUNT(*) AS active FROM dbo.agents AS a WHERE a.status = 'active' AND a.agent_id > '/';
