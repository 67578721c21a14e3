SET QUOTED_IDENTIFIER, ANSI_NULLS ON;
GO
-- encryption: see below.
INSERT INTO dbo.schema_migrations (version, name, applied_at)
VALUES (5, '0005_encryption.sql', DATEDIFF_BIG(MILLISECOND, '19700101', SYSUTCDATETIME()));
GO
