SET QUOTED_IDENTIFIER, ANSI_NULLS ON;
GO
-- The sender as it was verified when it sent: its registered role, and how it proved who it is. NULL: written by the
-- switchboard itself, or sent before these were kept.
-- key_version: that of the key that the payload is encrypted under, or in the switchboard's own task_result the result inside
-- of it; NULL: it is plain. Nothing else decides whether a value is an envelope.
-- (A column to a statement: not every server that speaks T-SQL takes more.)
ALTER TABLE dbo.messages ADD sender_role varchar(10) COLLATE Latin1_General_100_BIN2 NULL CONSTRAINT messages_sender_role
    CHECK (sender_role IN ('supervisor', 'worker', 'observer', 'admin'));
ALTER TABLE dbo.messages ADD sender_credential varchar(11) COLLATE Latin1_General_100_BIN2 NULL CONSTRAINT messages_sender_credential
    CHECK (sender_credential IN ('token', 'entra', 'certificate', 'none'));
ALTER TABLE dbo.messages ADD key_version varchar(64) COLLATE Latin1_General_100_BIN2 NULL;
-- Of the parameters.
ALTER TABLE dbo.task_bodies ADD key_version varchar(64) COLLATE Latin1_General_100_BIN2 NULL;
-- Of the result.
ALTER TABLE dbo.task_outcomes ADD key_version varchar(64) COLLATE Latin1_General_100_BIN2 NULL;
ALTER TABLE dbo.task_archive ADD key_version varchar(64) COLLATE Latin1_General_100_BIN2 NULL;
ALTER TABLE dbo.task_archive ADD result_key_version varchar(64) COLLATE Latin1_General_100_BIN2 NULL;
GO
-- For encrypting again under a new version: what is under another one stands before or behind it.
CREATE INDEX messages_by_key ON dbo.messages (key_version, arrival) WHERE key_version IS NOT NULL;
CREATE INDEX task_bodies_by_key ON dbo.task_bodies (key_version, task_no) WHERE key_version IS NOT NULL;
CREATE INDEX task_outcomes_by_key ON dbo.task_outcomes (key_version, task_no) WHERE key_version IS NOT NULL;
CREATE INDEX task_archive_by_key ON dbo.task_archive (key_version, task_id) WHERE key_version IS NOT NULL;
CREATE INDEX task_archive_by_result_key ON dbo.task_archive (result_key_version, task_id) WHERE result_key_version IS NOT NULL;
GO
INSERT INTO dbo.schema_migrations (version, name, applied_at)
VALUES (5, '0005_encryption.sql', DATEDIFF_BIG(MILLISECOND, '19700101', SYSUTCDATETIME()));
GO
