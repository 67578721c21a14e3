SET QUOTED_IDENTIFIER, ANSI_NULLS ON;
GO
-- older releases: keep
-- (Procedures of before neither read nor write it: a task that they create has no such limit.)
--
-- A task may say by when an attempt has to be started; start_deadline_at is that time while an agent has it.
ALTER TABLE dbo.tasks ADD start_timeout_milliseconds bigint NULL;
GO
ALTER TABLE dbo.tasks ADD CONSTRAINT tasks_start_timeout CHECK (start_timeout_milliseconds > 0);
ALTER TABLE dbo.tasks ADD start_deadline_at AS (assigned_at + start_timeout_milliseconds) PERSISTED;
GO
CREATE INDEX tasks_unstarted ON dbo.tasks (start_deadline_at) WHERE status = 'assigned' AND start_timeout_milliseconds IS NOT NULL;
GO
INSERT INTO dbo.schema_migrations (version, name, applied_at)
VALUES (19, '0019_start_timeouts.sql', DATEDIFF_BIG(MILLISECOND, '19700101', SYSUTCDATETIME()));
GO
