-- An agent with its load, heartbeat, capabilities and metadata.
CREATE PROCEDURE release.get_agent
  @agentId varchar(128)
AS
SELECT a.agent_no, a.agent_id, a.role, a.status, c.capabilities, l.max_concurrent_tasks, l.active_tasks,
  a.registered_at, h.last_heartbeat_at, h.heartbeat_timeout_seconds, l.completed, l.failed, l.lost, l.released, l.completed_milliseconds, l.p95_milliseconds, m.metadata FROM dbo.agents AS a
JOIN dbo.agent_loads AS l ON l.agent_no = a.agent_no
JOIN dbo.agent_heartbeats AS h ON h.agent_no = a.agent_no
JOIN dbo.capability_sets AS c ON c.set_no = a.set_no
LEFT JOIN dbo.agent_metadata AS m ON m.agent_no = a.agent_no
WHERE a.agent_id = @agentId;
