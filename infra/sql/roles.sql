-- The two roles of agent-communication in its database. Run it before the first migration, as an administrator of the
-- database; it may be run again.
--
--   sqlcmd -S <server> -d <database> -G -i infra/sql/roles.sql
--
-- Then give each principal its role by entra-principal.sql or sql-principal.sql. The grants are on the schema dbo, so that
-- tables of later migrations are included; those on the audit's tables are made here or by the migration, whichever comes last.
SET QUOTED_IDENTIFIER, ANSI_NULLS ON;
GO
-- What the app runs as: rows of the tables, and the sequences (NEXT VALUE FOR asks for UPDATE). Nothing of it changes the
-- schema.
IF DATABASE_PRINCIPAL_ID(N'agent_communication_app') IS NULL CREATE ROLE agent_communication_app;
GO
GRANT SELECT, INSERT, UPDATE, DELETE ON SCHEMA::dbo TO agent_communication_app;
GO
-- What `npm run migrate` runs as.
IF DATABASE_PRINCIPAL_ID(N'agent_communication_migrator') IS NULL CREATE ROLE agent_communication_migrator;
GO
GRANT SELECT, INSERT, UPDATE, DELETE, REFERENCES ON SCHEMA::dbo TO agent_communication_migrator;
GO
GRANT ALTER ON SCHEMA::dbo TO agent_communication_migrator;
GRANT CREATE TABLE, CREATE VIEW, CREATE PROCEDURE, CREATE FUNCTION TO agent_communication_migrator;
GO
-- The audit has a schema of its own, which is the migrator's: the app may add to it and read it, and nothing else. What is
-- older than the floor of audit.policy goes only by a procedure that takes whole sealed blocks.
IF SCHEMA_ID(N'audit') IS NULL EXEC (N'CREATE SCHEMA audit AUTHORIZATION agent_communication_migrator');
GO
ALTER AUTHORIZATION ON SCHEMA::audit TO agent_communication_migrator;
GO
IF OBJECT_ID(N'audit.entries') IS NOT NULL
BEGIN
  GRANT SELECT, INSERT ON audit.entries TO agent_communication_app;
  GRANT SELECT, INSERT ON audit.blocks TO agent_communication_app;
  GRANT SELECT, INSERT ON audit.block_entries TO agent_communication_app;
  GRANT SELECT ON audit.dropped_blocks TO agent_communication_app;
  GRANT SELECT ON audit.policy TO agent_communication_app;
  GRANT EXECUTE ON audit.drop_oldest_block TO agent_communication_app;
END;
GO
