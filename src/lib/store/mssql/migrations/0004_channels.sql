SET QUOTED_IDENTIFIER, ANSI_NULLS ON;
GO
-- channels: see below.
INSERT INTO dbo.schema_migrations (version, name, applied_at)
VALUES (4, '0004_channels.sql', DATEDIFF_BIG(MILLISECOND, '19700101', SYSUTCDATETIME()));
GO
