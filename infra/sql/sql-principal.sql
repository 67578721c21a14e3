-- Lets a SQL login into the database. Run it as an administrator of the database, after roles.sql; it may be run again.
--
--   sqlcmd -S <server> -d <database> -i infra/sql/sql-principal.sql
--     -v principal="<name>" password="<password>" role="agent_communication_app"     (or agent_communication_migrator)
--
-- A login of that name (CREATE LOGIN in master) is used when there is one; otherwise the database itself keeps the password,
-- as Azure SQL can. A quote in the password has to be doubled.
SET QUOTED_IDENTIFIER, ANSI_NULLS ON;
GO
DECLARE @principal sysname = N'$(principal)', @password nvarchar(128) = N'$(password)', @role sysname = N'$(role)',
  @statement nvarchar(max);
IF DATABASE_PRINCIPAL_ID(@principal) IS NULL
BEGIN
  SET @statement = N'CREATE USER ' + QUOTENAME(@principal) + CASE
    WHEN SUSER_ID(@principal) IS NOT NULL THEN N' FOR LOGIN ' + QUOTENAME(@principal)
    ELSE N' WITH PASSWORD = ' + QUOTENAME(@password, '''')
  END;
  EXEC (@statement);
END;
SET @statement = N'ALTER ROLE ' + QUOTENAME(@role) + N' ADD MEMBER ' + QUOTENAME(@principal);
EXEC (@statement);
GO
