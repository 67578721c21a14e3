SET QUOTED_IDENTIFIER, ANSI_NULLS ON;
GO
-- older releases: keep
-- Tokens of an agent that are not revoked: a renewal counts them, and those of its past may be a hundred thousand.
CREATE INDEX credentials_live_tokens ON dbo.credentials (agent_no) INCLUDE (expires_at) WHERE kind = 'token' AND revoked_at IS NULL;
GO
INSERT INTO dbo.schema_migrations (version, name, applied_at)
VALUES (23, '0023_live_tokens.sql', DATEDIFF_BIG(MILLISECOND, '19700101', SYSUTCDATETIME()));
GO
