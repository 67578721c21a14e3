-- Takes the attempts of @endings from the loads of their agents. An attempt that was called off, suspended or expired
-- counts as neither failed, lost nor released. Additions commute, so they expect no state, but one: an agent cannot lose a task that it has
-- not got. (Two that end the same attempt meet here first; the later one loses the race here, or at the task.) The row shows
-- the state after, and no other session can change it before the commit, so the state before is that less the addition.
UPDATE l SET active_tasks = l.active_tasks - d.tasks, completed = l.completed + d.completed, failed = l.failed + d.failed, lost = l.lost + d.lost, released = l.released + d.released,
  completed_milliseconds = l.completed_milliseconds + d.milliseconds
-- TOP, so that the rows are locked in the order of their key, whatever makes the groups.
FROM (SELECT TOP (10000) e.agent_no, COUNT(*) AS tasks, SUM(CASE WHEN e.outcome = 'completed' THEN 1 ELSE 0 END) AS completed,
    SUM(CASE WHEN e.outcome IN ('failed') THEN 1 ELSE 0 END) AS failed, SUM(CASE WHEN e.outcome IN ('timed_out', 'agent_inactive') THEN 1 ELSE 0 END) AS lost,
    SUM(CASE WHEN e.outcome IN ('released') THEN 1 ELSE 0 END) AS released,
    SUM(CASE WHEN e.outcome = 'completed' AND e.assigned_at < @now THEN @now - e.assigned_at ELSE 0 END) AS milliseconds
  FROM @endings AS e WHERE e.outcome IS NOT NULL GROUP BY e.agent_no ORDER BY e.agent_no) AS d
JOIN dbo.agent_loads AS l ON l.agent_no = d.agent_no
WHERE l.active_tasks >= d.tasks
OPTION (LOOP JOIN, FORCE ORDER);
IF @@ROWCOUNT <> (SELECT COUNT(DISTINCT e.agent_no) FROM @endings AS e WHERE e.outcome IS NOT NULL)
BEGIN ROLLBACK TRANSACTION; RETURN 1; END;
INSERT INTO @counts (name, delta)
SELECT CONCAT('set:', l.set_no, ':free'), CASE WHEN l.assignable = 1 THEN 1 ELSE -1 END
FROM (SELECT e.agent_no, COUNT(*) AS tasks FROM @endings AS e WHERE e.outcome IS NOT NULL GROUP BY e.agent_no) AS d
JOIN dbo.agent_loads AS l ON l.agent_no = d.agent_no
WHERE l.working = 1
  AND l.assignable <> CASE WHEN l.active_tasks + d.tasks < l.max_concurrent_tasks THEN 1 ELSE 0 END;
