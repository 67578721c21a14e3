SET QUOTED_IDENTIFIER, ANSI_NULLS ON;
GO
-- older releases: keep
--
-- Those that a clock which was ahead has planned are found by this: the other schedules are not read.
CREATE INDEX schedules_planned ON dbo.schedules (planned_at) WHERE due_at IS NOT NULL;
GO
INSERT INTO dbo.schema_migrations (version, name, applied_at)
VALUES (26, '0026_planned_schedules.sql', DATEDIFF_BIG(MILLISECOND, '19700101', SYSUTCDATETIME()));
GO
