-- Takes the room of the chosen agents: first thing in the transaction, by key, in ascending order. The caller compares
-- @@ROWCOUNT with the number of agents: fewer means that one has no room left, and nothing may be written.
-- (TOP, so that the rows are locked in that order, whatever makes the groups.)
UPDATE l SET active_tasks = l.active_tasks + x.picks, last_assigned_at = @now
FROM (SELECT TOP (10000) agent_no, COUNT(*) AS picks FROM @plan WHERE agent_no IS NOT NULL GROUP BY agent_no ORDER BY agent_no) AS x
JOIN dbo.agent_loads AS l ON l.agent_no = x.agent_no
WHERE l.working = 1 AND l.active_tasks + x.picks <= l.max_concurrent_tasks
OPTION (LOOP JOIN, FORCE ORDER);
