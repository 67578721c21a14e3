SET QUOTED_IDENTIFIER, ANSI_NULLS ON;
GO
-- Messages of work queues name their holder: an agent that one of them names is not deleted, so that no other agent gets its name.
CREATE INDEX messages_by_holder ON dbo.messages (holder) WHERE holder IS NOT NULL;
-- Names that are free already, or were given again later than the lease.
UPDATE m SET holder = NULL FROM dbo.messages AS m
WHERE m.holder IS NOT NULL AND NOT EXISTS (SELECT 1 FROM dbo.agents AS a
  WHERE a.agent_id = m.holder AND a.registered_at <= COALESCE(m.ended_at, m.lease_expires_at, m.available_at));
GO
INSERT INTO dbo.schema_migrations (version, name, applied_at)
VALUES (12, '0012_named_holders.sql', DATEDIFF_BIG(MILLISECOND, '19700101', SYSUTCDATETIME()));
GO
