-- The two roles of agent-communication in its database. Run it before the first migration, as an administrator of the
-- database; it may be run again.
--
--   sqlcmd -S <server> -d <database> -G -i infra/sql/roles.sql
--
-- Then give each principal its role by entra-principal.sql or sql-principal.sql. The grants are on the schema, so that tables
-- of later migrations are included.
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
