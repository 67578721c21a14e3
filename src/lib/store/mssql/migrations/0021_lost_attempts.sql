SET QUOTED_IDENTIFIER, ANSI_NULLS ON;
GO
-- older releases: empty
-- (Procedures of before would count lost attempts as failed.)
--
-- Attempts that an agent has lost (by silence or timeout) and those that it gave back, apart from the failed ones. What was counted as failed until
-- now is told apart by the next daily maintenance, which counts the attempts of the last 30 days anew.
ALTER TABLE dbo.agent_loads ADD lost int NOT NULL CONSTRAINT agent_loads_lost_default DEFAULT 0;
ALTER TABLE dbo.agent_loads ADD released int NOT NULL CONSTRAINT agent_loads_released_default DEFAULT 0;
GO
ALTER TABLE dbo.agent_loads ADD CONSTRAINT agent_loads_lost CHECK (lost >= 0 AND released >= 0);
-- An assignment weighs 64 workers and rewrites the entry of one: with these included it looks up none of them.
DROP INDEX agent_loads_assignable ON dbo.agent_loads;
CREATE INDEX agent_loads_assignable ON dbo.agent_loads (set_no, assignable, load, last_assigned_at, agent_id)
  INCLUDE (active_tasks, max_concurrent_tasks, completed, failed, lost);
INSERT INTO dbo.counters (name, slot)
SELECT n.name, s.slot FROM (VALUES ('tasks:attempts_failed_total'), ('tasks:attempts_lost_total')) AS n (name)
CROSS JOIN (VALUES (0), (1), (2), (3), (4), (5), (6), (7)) AS s (slot);
GO
INSERT INTO dbo.schema_migrations (version, name, applied_at)
VALUES (21, '0021_lost_attempts.sql', DATEDIFF_BIG(MILLISECOND, '19700101', SYSUTCDATETIME()));
GO
