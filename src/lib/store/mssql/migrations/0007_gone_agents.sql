SET QUOTED_IDENTIFIER, ANSI_NULLS ON;
GO
-- One index for each of maintenance's two walks: by the time for inactive agents, by the number for deregistered ones. The index
-- before was ordered by time alone, so every step of the second walk sorted all that had gone.
DROP INDEX agents_silent ON dbo.agents;
CREATE INDEX agents_inactive ON dbo.agents (status_changed_at) WHERE status = 'inactive';
CREATE INDEX agents_gone ON dbo.agents (agent_no) INCLUDE (status_changed_at, agent_id) WHERE status = 'deregistered';
GO
INSERT INTO dbo.schema_migrations (version, name, applied_at)
VALUES (7, '0007_gone_agents.sql', DATEDIFF_BIG(MILLISECOND, '19700101', SYSUTCDATETIME()));
GO
