SET QUOTED_IDENTIFIER, ANSI_NULLS ON;
GO
-- audit: see below.
INSERT INTO dbo.schema_migrations (version, name, applied_at)
VALUES (3, '0003_audit.sql', DATEDIFF_BIG(MILLISECOND, '19700101', SYSUTCDATETIME()));
GO
