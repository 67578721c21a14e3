-- An agent's row comes before its load, against the lock order, because the load refers to it: nobody else can hold
-- either. Who registers the same id at once loses by the unique id, and finds the agent when it tries again.
INSERT INTO dbo.agents (agent_id, role, status, set_no, registered_at, status_changed_at, operation_id)
SELECT r.agent_id, r.role, 'active', r.set_no, @now, @now, r.operation_id
FROM @registering AS r WHERE r.agent_no IS NULL ORDER BY r.agent_id;
IF @@ROWCOUNT > 0
BEGIN
  UPDATE r SET agent_no = a.agent_no, is_new = 1, created = 1
  FROM @registering AS r JOIN dbo.agents AS a ON a.agent_id = r.agent_id WHERE r.agent_no IS NULL;
  INSERT INTO dbo.agent_loads (agent_no, agent_id, set_no, working, max_concurrent_tasks)
  SELECT r.agent_no, r.agent_id, r.set_no, CASE WHEN r.role = 'worker' THEN 1 ELSE 0 END, r.max_concurrent_tasks
  FROM @registering AS r WHERE r.is_new = 1;
  INSERT INTO dbo.agent_heartbeats (agent_no, last_heartbeat_at, heartbeat_timeout_seconds, beating)
  SELECT r.agent_no, @now, r.heartbeat_timeout_seconds, 1 FROM @registering AS r WHERE r.is_new = 1;
  INSERT INTO @counts (name, delta)
  SELECT d.name, 1 FROM @registering AS r
  CROSS APPLY (VALUES ('agents:workers', 1), (CONCAT('set:', r.set_no, ':workers'), 1), (CONCAT('set:', r.set_no, ':active'), 1),
    (CONCAT('set:', r.set_no, ':free'), CASE WHEN r.max_concurrent_tasks > 0 THEN 1 ELSE 0 END)) AS d (name, counts)
  WHERE r.is_new = 1 AND r.role = 'worker' AND d.counts = 1;
  INSERT INTO audit.entries (at, actor, action, subject_kind, subject_id, detail)
SELECT @now, COALESCE(r.actor, 'system'), 'agent.registered', 'agent', r.agent_id, CONCAT('{"role":"' + r.role + '"', ',"status":"' + 'active' + '"', ',"maxConcurrentTasks":' + CAST(r.max_concurrent_tasks AS varchar(20)), '}')
FROM @registering AS r WHERE r.is_new = 1 ORDER BY r.item;
END;
