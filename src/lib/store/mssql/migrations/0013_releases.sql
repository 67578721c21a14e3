SET QUOTED_IDENTIFIER, ANSI_NULLS ON;
GO
-- older releases: keep
-- (This line is in every migration from here on. `keep`: procedures that were made for the schema before may go on beside it,
-- because it only adds what they may ignore. `empty`: they may not, and go with it.)
--
-- The app calls procedures, which read and write the tables in its place. That takes one owner for all of them: dbo. What
-- roles.sql made before this migration belongs to the migrator.
IF EXISTS (SELECT 1 FROM sys.schemas AS s WHERE s.name = N'audit' AND s.principal_id <> DATABASE_PRINCIPAL_ID(N'dbo'))
  THROW 50113, 'the schema audit must belong to dbo: run infra/sql/roles.sql again, as an administrator of the database', 1;
GO
-- Three schemas in which releases of the procedures stand side by side; made here when roles.sql has not made them.
IF SCHEMA_ID(N'release_a') IS NULL EXEC (N'CREATE SCHEMA release_a AUTHORIZATION dbo');
GO
IF SCHEMA_ID(N'release_b') IS NULL EXEC (N'CREATE SCHEMA release_b AUTHORIZATION dbo');
GO
IF SCHEMA_ID(N'release_c') IS NULL EXEC (N'CREATE SCHEMA release_c AUTHORIZATION dbo');
GO
-- Which release stands in which schema. Each process writes in_use_at when it connects, and once an hour.
CREATE TABLE dbo.releases (
  slot varchar(16) COLLATE Latin1_General_100_BIN2 NOT NULL CONSTRAINT releases_pk PRIMARY KEY
    CONSTRAINT releases_slot CHECK (slot IN ('release_a', 'release_b', 'release_c')),
  hash varchar(16) COLLATE Latin1_General_100_BIN2 NOT NULL,
  made_at bigint NOT NULL,
  in_use_at bigint NOT NULL
);
GO
-- 0003 let the app at the audit; a procedure does that now.
IF DATABASE_PRINCIPAL_ID(N'agent_communication_app') IS NOT NULL
BEGIN
  REVOKE SELECT, INSERT ON audit.entries FROM agent_communication_app;
  REVOKE SELECT, INSERT ON audit.blocks FROM agent_communication_app;
  REVOKE SELECT, INSERT ON audit.block_entries FROM agent_communication_app;
  REVOKE SELECT ON audit.dropped_blocks FROM agent_communication_app;
  REVOKE SELECT ON audit.policy FROM agent_communication_app;
  REVOKE EXECUTE ON audit.drop_oldest_block FROM agent_communication_app;
END;
GO
INSERT INTO dbo.schema_migrations (version, name, applied_at)
VALUES (13, '0013_releases.sql', DATEDIFF_BIG(MILLISECOND, '19700101', SYSUTCDATETIME()));
GO
