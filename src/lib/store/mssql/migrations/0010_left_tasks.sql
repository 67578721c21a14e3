SET QUOTED_IDENTIFIER, ANSI_NULLS ON;
GO
-- Agents that do not work any more and whose tasks have not all been given back; those that drain are among them.
CREATE INDEX agent_loads_left ON dbo.agent_loads (agent_no) WHERE working = 0 AND active_tasks > 0;
GO
INSERT INTO dbo.schema_migrations (version, name, applied_at)
VALUES (10, '0010_left_tasks.sql', DATEDIFF_BIG(MILLISECOND, '19700101', SYSUTCDATETIME()));
GO
