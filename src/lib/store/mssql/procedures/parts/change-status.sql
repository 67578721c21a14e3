-- Writes the changes of @status_changes, the counts of workers per capability set and in all, and the audit; the
-- change of a status is stamped with the time. Loses the race when an agent is not what the batch read. Inside the
-- transaction, before anything of tasks or messages. @status_changes stays, for the caller to empty or read.
SELECT @statusChanges = COUNT(*) FROM @status_changes;
IF @statusChanges > 0
BEGIN
  UPDATE l SET set_no = s.set_no, max_concurrent_tasks = s.max_concurrent_tasks,
    working = CASE WHEN s.role = 'worker' AND s.status = 'active' THEN 1 ELSE 0 END
  FROM @status_changes AS s JOIN dbo.agent_loads AS l ON l.agent_no = s.agent_no
  WHERE l.set_no = s.was_set_no AND l.max_concurrent_tasks = s.was_max
  OPTION (LOOP JOIN, FORCE ORDER);
  IF @@ROWCOUNT <> @statusChanges BEGIN ROLLBACK TRANSACTION; RETURN 1; END;
  UPDATE a SET role = s.role, status = s.status, set_no = s.set_no,
    status_changed_at = CASE WHEN s.status = a.status THEN a.status_changed_at ELSE @now END,
    mailbox_left = CASE WHEN s.status = 'deregistered' AND a.status <> 'deregistered' THEN 1
      WHEN s.status <> 'deregistered' THEN 0 ELSE a.mailbox_left END
  FROM @status_changes AS s JOIN dbo.agents AS a ON a.agent_no = s.agent_no
  WHERE a.role = s.was_role AND a.status = s.was_status AND a.set_no = s.was_set_no
  OPTION (LOOP JOIN, FORCE ORDER);
  IF @@ROWCOUNT <> @statusChanges BEGIN ROLLBACK TRANSACTION; RETURN 1; END;
  UPDATE h SET beating = CASE WHEN s.status IN ('active', 'draining') THEN 1 ELSE 0 END,
    last_heartbeat_at = CASE WHEN s.beats = 1 THEN @now ELSE h.last_heartbeat_at END
  FROM @status_changes AS s JOIN dbo.agent_heartbeats AS h ON h.agent_no = s.agent_no
  WHERE s.silent_since IS NULL OR h.last_heartbeat_at <= s.silent_since
  OPTION (LOOP JOIN, FORCE ORDER);
  IF @@ROWCOUNT <> @statusChanges BEGIN ROLLBACK TRANSACTION; RETURN 1; END;
  INSERT INTO @counts (name, delta)
  SELECT d.name, d.delta
  FROM @status_changes AS s JOIN dbo.agent_loads AS l ON l.agent_no = s.agent_no
  CROSS APPLY (SELECT
    CASE WHEN s.was_role = 'worker' AND s.was_status <> 'deregistered' THEN 1 ELSE 0 END AS was_worker,
    CASE WHEN s.role = 'worker' AND s.status <> 'deregistered' THEN 1 ELSE 0 END AS is_worker,
    CASE WHEN s.was_role = 'worker' AND s.was_status = 'active' THEN 1 ELSE 0 END AS was_active,
    CASE WHEN s.role = 'worker' AND s.status = 'active' THEN 1 ELSE 0 END AS is_active,
    CASE WHEN s.was_role = 'worker' AND s.was_status = 'active' AND l.active_tasks < s.was_max THEN 1 ELSE 0 END AS was_free,
    CASE WHEN l.assignable = 1 THEN 1 ELSE 0 END AS is_free) AS w
  CROSS APPLY (VALUES ('agents:workers', w.is_worker - w.was_worker),
    (CONCAT('set:', s.was_set_no, ':workers'), -w.was_worker), (CONCAT('set:', s.set_no, ':workers'), w.is_worker),
    (CONCAT('set:', s.was_set_no, ':active'), -w.was_active), (CONCAT('set:', s.set_no, ':active'), w.is_active),
    (CONCAT('set:', s.was_set_no, ':free'), -w.was_free), (CONCAT('set:', s.set_no, ':free'), w.is_free)) AS d (name, delta)
  WHERE d.delta <> 0;
  -- What the audit says of @status_changes: loads and heartbeats are no changes.
  INSERT INTO audit.entries (at, actor, action, subject_kind, subject_id, detail)
  SELECT @now, COALESCE(s.actor, 'system'), CASE WHEN s.status = 'deregistered' THEN 'agent.deregistered' ELSE 'agent.status_changed' END, 'agent', a.agent_id, CONCAT('{"from":"' + s.was_status + '"', ',"to":"' + s.status + '"', '}')
  FROM @status_changes AS s JOIN dbo.agents AS a ON a.agent_no = s.agent_no WHERE s.status <> s.was_status;
  INSERT INTO audit.entries (at, actor, action, subject_kind, subject_id, detail)
  SELECT @now, COALESCE(s.actor, 'system'), 'agent.changed', 'agent', a.agent_id, CONCAT('{"role":"' + s.role + '"', ',"maxConcurrentTasks":' + CAST(s.max_concurrent_tasks AS varchar(20)), ',"capabilitiesChanged":' + CASE WHEN CASE WHEN s.set_no <> s.was_set_no THEN 1 ELSE 0 END = 1 THEN 'true' ELSE 'false' END, ',"metadataChanged":' + CASE WHEN s.metadata_changed = 1 THEN 'true' ELSE 'false' END, ',"heartbeatTimeoutChanged":' + CASE WHEN s.timeout_changed = 1 THEN 'true' ELSE 'false' END, '}')
  FROM @status_changes AS s JOIN dbo.agents AS a ON a.agent_no = s.agent_no
  WHERE s.role <> s.was_role OR s.set_no <> s.was_set_no OR s.max_concurrent_tasks <> s.was_max OR s.metadata_changed = 1 OR s.timeout_changed = 1;
END;
