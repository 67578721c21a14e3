-- Lets an Entra ID principal (a managed identity, an application, a group, a person) into the database. Run it as an Entra
-- administrator of the server, after roles.sql; it may be run again.
--
--   sqlcmd -S <server> -d <database> -G -i infra/sql/entra-principal.sql
--     -v principal="<display name>" role="agent_communication_app"        (or agent_communication_migrator)
SET QUOTED_IDENTIFIER, ANSI_NULLS ON;
GO
DECLARE @principal sysname = N'$(principal)', @role sysname = N'$(role)', @statement nvarchar(max);
IF DATABASE_PRINCIPAL_ID(@principal) IS NULL
BEGIN
  SET @statement = N'CREATE USER ' + QUOTENAME(@principal) + N' FROM EXTERNAL PROVIDER';
  EXEC (@statement);
END;
SET @statement = N'ALTER ROLE ' + QUOTENAME(@role) + N' ADD MEMBER ' + QUOTENAME(@principal);
EXEC (@statement);
GO
