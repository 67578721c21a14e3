-- Interns the sets of what is to be registered, and finds those that exist, with their state. (Long values are read
-- from the default columns of OPENJSON: a WITH clause may cut them at 4,000 characters.)
IF EXISTS (SELECT 1 FROM @registering AS r WHERE r.set_no IS NULL)
BEGIN
  -- Sets that the agents of a batch have.
  DECLARE @sets TABLE (capabilities_hash varchar(64) COLLATE Latin1_General_100_BIN2 NOT NULL PRIMARY KEY,
    capabilities nvarchar(max) NOT NULL);
  INSERT INTO @sets (capabilities_hash, capabilities)
  SELECT r.capabilities_hash, MAX(v.value)
  FROM OPENJSON(@items) AS i CROSS APPLY OPENJSON(i.value) AS v JOIN @registering AS r ON r.item = i.[key]
  WHERE v.[key] = 'capabilities' AND r.set_no IS NULL GROUP BY r.capabilities_hash;
  -- include: parts/intern-capability-sets.sql
  UPDATE r SET set_no = c.set_no
  FROM @registering AS r JOIN dbo.capability_sets AS c ON c.capabilities_hash = r.capabilities_hash WHERE r.set_no IS NULL;
  IF EXISTS (SELECT 1 FROM @registering AS r WHERE r.set_no IS NULL)
  -- include: parts/give-up.sql
END;
UPDATE r SET agent_no = a.agent_no, created = CASE WHEN a.operation_id = r.operation_id THEN 1 ELSE 0 END
FROM @registering AS r JOIN dbo.agents AS a ON a.agent_id = r.agent_id;
INSERT INTO @status_changes (agent_no, was_role, was_status, was_set_no, was_max, role, status, set_no,
  max_concurrent_tasks, beats, silent_since, actor, metadata_changed, timeout_changed)
SELECT a.agent_no, a.role, a.status, a.set_no, l.max_concurrent_tasks, r.role, 'active', r.set_no,
  r.max_concurrent_tasks, 1, NULL, r.actor, CASE WHEN COALESCE(m.metadata, N'') COLLATE Latin1_General_100_BIN2 = COALESCE(n.metadata, N'')
    AND COALESCE(DATALENGTH(m.metadata), 0) = COALESCE(DATALENGTH(n.metadata), 0) THEN 0 ELSE 1 END,
  CASE WHEN COALESCE(h.heartbeat_timeout_seconds, 0) = COALESCE(r.heartbeat_timeout_seconds, 0) THEN 0 ELSE 1 END
FROM @registering AS r JOIN dbo.agents AS a ON a.agent_no = r.agent_no JOIN dbo.agent_loads AS l ON l.agent_no = r.agent_no
JOIN dbo.agent_heartbeats AS h ON h.agent_no = r.agent_no
LEFT JOIN dbo.agent_metadata AS m ON m.agent_no = r.agent_no
LEFT JOIN (SELECT CAST(i.[key] AS int) AS item, REPLACE(REPLACE(v.value COLLATE Latin1_General_100_BIN2, NCHAR(64976), NCHAR(34)), NCHAR(64977), NCHAR(92)) AS metadata
FROM OPENJSON(@items) AS i CROSS APPLY OPENJSON(i.value) AS v WHERE v.[key] = 'metadata' AND v.value IS NOT NULL) AS n ON n.item = r.item;
INSERT INTO @entering (set_no)
SELECT DISTINCT r.set_no FROM @registering AS r LEFT JOIN @status_changes AS s ON s.agent_no = r.agent_no
WHERE s.agent_no IS NULL OR s.was_status = 'deregistered' OR s.was_set_no <> s.set_no;
