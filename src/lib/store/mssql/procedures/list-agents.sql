-- A filter that is NULL is none. The plan is made for the filters that are there (RECOMPILE), so that each has its index.
CREATE PROCEDURE release.list_agents
  @role varchar(64),
  @status varchar(64),
  @capability varchar(128),
  @registered int,
  @matesOf varchar(128),
  @rows int,
  @after varchar(128)
AS
SELECT TOP (@rows) a.agent_no, a.agent_id, a.role, a.status, c.capabilities, l.max_concurrent_tasks, l.active_tasks,
  a.registered_at, h.last_heartbeat_at, h.heartbeat_timeout_seconds, l.completed, l.failed, l.lost, l.released, l.completed_milliseconds, l.p95_milliseconds, m.metadata FROM dbo.agents AS a
JOIN dbo.agent_loads AS l ON l.agent_no = a.agent_no
JOIN dbo.agent_heartbeats AS h ON h.agent_no = a.agent_no
JOIN dbo.capability_sets AS c ON c.set_no = a.set_no
LEFT JOIN dbo.agent_metadata AS m ON m.agent_no = a.agent_no
WHERE a.agent_id > @after AND (@role IS NULL OR a.role = @role) AND (@status IS NULL OR a.status = @status)
  AND (@capability IS NULL OR a.set_no IN (SELECT s.set_no FROM dbo.set_capabilities AS s WHERE s.capability = @capability))
  AND (@registered = 0 OR a.status <> 'deregistered')
  AND (@matesOf IS NULL OR a.agent_id = @matesOf OR a.agent_no IN (SELECT m.agent_no FROM dbo.agents AS o
    JOIN dbo.channel_members AS x ON x.agent_no = o.agent_no JOIN dbo.channel_members AS m ON m.channel_no = x.channel_no
    WHERE o.agent_id = @matesOf))
ORDER BY a.agent_id
OPTION (RECOMPILE);
