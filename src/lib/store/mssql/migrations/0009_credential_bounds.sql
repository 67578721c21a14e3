SET QUOTED_IDENTIFIER, ANSI_NULLS ON;
GO
-- What may be registered with a credential, its end by disuse, the life of the tokens that an enrolment key gives, and renewals.
-- A JSON array of capabilities, each exact or with * at its end; NULL: any.
ALTER TABLE dbo.credentials ADD capabilities nvarchar(max) NULL
  CONSTRAINT credentials_capabilities CHECK (capabilities IS NULL OR ISJSON(capabilities) = 1);
ALTER TABLE dbo.credentials ADD max_concurrent_tasks int NULL
  CONSTRAINT credentials_max_concurrent_tasks CHECK (max_concurrent_tasks >= 0);
-- Of an enrolment key: of the tokens that it gives.
ALTER TABLE dbo.credentials ADD idle_days int NULL CONSTRAINT credentials_idle_days CHECK (idle_days > 0);
ALTER TABLE dbo.credentials ADD token_days int NULL CONSTRAINT credentials_token_days CHECK (token_days > 0);
-- The id of the token that this one renews, which may be gone by now.
ALTER TABLE dbo.credentials ADD renews varchar(36) COLLATE Latin1_General_100_BIN2 NULL;
GO
CREATE INDEX credentials_renewals ON dbo.credentials (renews, credential_no) WHERE renews IS NOT NULL;
GO
INSERT INTO dbo.schema_migrations (version, name, applied_at)
VALUES (9, '0009_credential_bounds.sql', DATEDIFF_BIG(MILLISECOND, '19700101', SYSUTCDATETIME()));
GO
