SET QUOTED_IDENTIFIER, ANSI_NULLS ON;
GO
-- credentials: see below.
INSERT INTO dbo.schema_migrations (version, name, applied_at)
VALUES (2, '0002_credentials.sql', DATEDIFF_BIG(MILLISECOND, '19700101', SYSUTCDATETIME()));
GO
