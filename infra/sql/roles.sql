-- The two roles of agent-communication in its database. Run it before the first migration, as an administrator of the
-- database, and again with every new version, before its migration and after it; it changes nothing that is as it should be.
--
--   sqlcmd -S <server> -d <database> -G -i infra/sql/roles.sql
--
-- Then give each principal its role by entra-principal.sql or sql-principal.sql.
SET QUOTED_IDENTIFIER, ANSI_NULLS ON;
GO
-- Three schemas in which releases of the procedures stand side by side, and the audit's. They belong to dbo, as the tables
-- do: where procedures and tables have one owner, who may execute a procedure needs no right on the tables.
IF SCHEMA_ID(N'release_a') IS NULL EXEC (N'CREATE SCHEMA release_a AUTHORIZATION dbo');
GO
IF SCHEMA_ID(N'release_b') IS NULL EXEC (N'CREATE SCHEMA release_b AUTHORIZATION dbo');
GO
IF SCHEMA_ID(N'release_c') IS NULL EXEC (N'CREATE SCHEMA release_c AUTHORIZATION dbo');
GO
IF SCHEMA_ID(N'audit') IS NULL EXEC (N'CREATE SCHEMA audit AUTHORIZATION dbo');
GO
-- Versions before the procedures gave it to the migrator.
IF EXISTS (SELECT 1 FROM sys.schemas AS s WHERE s.name = N'audit' AND s.principal_id <> DATABASE_PRINCIPAL_ID(N'dbo'))
  ALTER AUTHORIZATION ON SCHEMA::audit TO dbo;
GO
-- What the app runs as. It may execute the procedures of a release, and nothing else: it reads no table, writes none, and
-- changes no schema.
IF DATABASE_PRINCIPAL_ID(N'agent_communication_app') IS NULL CREATE ROLE agent_communication_app;
GO
GRANT EXECUTE ON SCHEMA::release_a TO agent_communication_app;
GO
GRANT EXECUTE ON SCHEMA::release_b TO agent_communication_app;
GO
GRANT EXECUTE ON SCHEMA::release_c TO agent_communication_app;
GO
-- What versions before the procedures were given.
REVOKE SELECT, INSERT, UPDATE, DELETE ON SCHEMA::dbo FROM agent_communication_app;
GO
IF OBJECT_ID(N'audit.entries') IS NOT NULL
BEGIN
  REVOKE SELECT, INSERT ON audit.entries FROM agent_communication_app;
  REVOKE SELECT, INSERT ON audit.blocks FROM agent_communication_app;
  REVOKE SELECT, INSERT ON audit.block_entries FROM agent_communication_app;
  REVOKE SELECT ON audit.dropped_blocks FROM agent_communication_app;
  REVOKE SELECT ON audit.policy FROM agent_communication_app;
  REVOKE EXECUTE ON audit.drop_oldest_block FROM agent_communication_app;
END;
GO
-- What `npm run migrate` and `cli copy` run as.
IF DATABASE_PRINCIPAL_ID(N'agent_communication_migrator') IS NULL CREATE ROLE agent_communication_migrator;
GO
GRANT SELECT, INSERT, UPDATE, DELETE, REFERENCES ON SCHEMA::dbo TO agent_communication_migrator;
GO
GRANT ALTER ON SCHEMA::dbo TO agent_communication_migrator;
GRANT CONTROL ON SCHEMA::audit TO agent_communication_migrator;
GRANT ALTER, REFERENCES, EXECUTE ON SCHEMA::release_a TO agent_communication_migrator;
GRANT ALTER, REFERENCES, EXECUTE ON SCHEMA::release_b TO agent_communication_migrator;
GRANT ALTER, REFERENCES, EXECUTE ON SCHEMA::release_c TO agent_communication_migrator;
GRANT CREATE TABLE, CREATE VIEW, CREATE PROCEDURE, CREATE FUNCTION, CREATE TYPE TO agent_communication_migrator;
GO
