-- Lets a managed identity or another application into the database by its client id, so that nobody asks Entra ID: neither the
-- server nor whoever runs this needs rights in the directory. Run it as an Entra administrator of the server, after roles.sql;
-- it may be run again, and replaces the user of an identity that has been made anew under the same name.
--
--   sqlcmd -S <server> -d <database> -G -i infra/sql/managed-identity.sql
--     -v principal="<name>" clientId="<client id>" role="agent_communication_app"
--
-- scripts/deploy/prepare-database.ts does the same with the identity that the template made.
SET QUOTED_IDENTIFIER, ANSI_NULLS ON;
GO
DECLARE @principal sysname = N'$(principal)', @role sysname = N'$(role)', @statement nvarchar(max);
-- The SID of an application's user is the 16 bytes of its client id.
DECLARE @sid varbinary(16) = CAST(CAST('$(clientId)' AS uniqueidentifier) AS varbinary(16));
IF EXISTS (SELECT 1 FROM sys.database_principals WHERE name = @principal AND sid <> @sid)
BEGIN
  SET @statement = N'DROP USER ' + QUOTENAME(@principal);
  EXEC (@statement);
END;
IF DATABASE_PRINCIPAL_ID(@principal) IS NULL
BEGIN
  SET @statement = N'CREATE USER ' + QUOTENAME(@principal) + N' WITH SID = ' + CONVERT(varchar(34), @sid, 1) + N', TYPE = E';
  EXEC (@statement);
END;
SET @statement = N'ALTER ROLE ' + QUOTENAME(@role) + N' ADD MEMBER ' + QUOTENAME(@principal);
EXEC (@statement);
GO
