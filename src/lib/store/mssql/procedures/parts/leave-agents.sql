-- Takes the attempts of @endings from their agents' loads. An attempt that was called off or given back does not
-- count against its agent. The first part of FINISH_TASKS, for a batch that changes other tasks in between.
INSERT INTO @loads (agent_no, tasks, completed, failed, milliseconds)
SELECT e.agent_no, -COUNT(*), SUM(CASE WHEN e.outcome = 'completed' THEN 1 ELSE 0 END),
  SUM(CASE WHEN e.outcome IN ('failed', 'timed_out', 'agent_inactive') THEN 1 ELSE 0 END),
  SUM(CASE WHEN e.outcome = 'completed' AND e.assigned_at < @now THEN @now - e.assigned_at ELSE 0 END)
FROM @endings AS e WHERE e.outcome IS NOT NULL GROUP BY e.agent_no;
-- include: parts/change-loads.sql
