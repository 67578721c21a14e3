-- Agents by role and status, and the loads of active workers.
CREATE PROCEDURE release.registry_statistics
AS
SELECT a.role AS name, COUNT(*) AS value, SUM(CASE WHEN a.status = 'active' THEN 1 ELSE 0 END) AS active
FROM dbo.agents AS a WHERE a.status <> 'deregistered' AND a.agent_id > '/' GROUP BY a.role;
SELECT l.max_concurrent_tasks AS capacity, COUNT(*) AS workers, SUM(l.active_tasks) AS tasks
FROM dbo.agent_loads AS l WHERE l.working = 1 AND l.max_concurrent_tasks > 0 GROUP BY l.max_concurrent_tasks;
