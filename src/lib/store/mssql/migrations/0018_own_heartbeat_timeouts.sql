SET QUOTED_IDENTIFIER, ANSI_NULLS ON;
GO
-- older releases: empty
-- (Procedures of before would take an agent for silent by the setting, whatever its own timeout is.)
--
-- An agent may say at its registration how long it can be silent. silent_at is the time at which it falls silent, as long as it
-- gives no further sign of life; without a timeout of its own it has none, and the setting counts from the last heartbeat.
-- renewal_milliseconds: how old the last one may grow before a call renews it; a quarter of a third of the timeout.
ALTER TABLE dbo.agent_heartbeats ADD heartbeat_timeout_seconds int NULL;
GO
ALTER TABLE dbo.agent_heartbeats ADD CONSTRAINT agent_heartbeats_timeout CHECK (heartbeat_timeout_seconds BETWEEN 10 AND 86400);
ALTER TABLE dbo.agent_heartbeats ADD silent_at AS (last_heartbeat_at + CAST(heartbeat_timeout_seconds AS bigint) * 1000) PERSISTED;
ALTER TABLE dbo.agent_heartbeats ADD renewal_milliseconds AS (heartbeat_timeout_seconds * 1000 / 12) PERSISTED;
GO
CREATE INDEX agent_heartbeats_silent ON dbo.agent_heartbeats (silent_at) INCLUDE (heartbeat_timeout_seconds)
  WHERE beating = 1 AND heartbeat_timeout_seconds IS NOT NULL;
-- With the timeout behind, a sweep passes over agents with one of their own without looking at their rows.
DROP INDEX agent_heartbeats_beating ON dbo.agent_heartbeats;
CREATE INDEX agent_heartbeats_beating ON dbo.agent_heartbeats (last_heartbeat_at, heartbeat_timeout_seconds) WHERE beating = 1;
GO
INSERT INTO dbo.schema_migrations (version, name, applied_at)
VALUES (18, '0018_own_heartbeat_timeouts.sql', DATEDIFF_BIG(MILLISECOND, '19700101', SYSUTCDATETIME()));
GO
