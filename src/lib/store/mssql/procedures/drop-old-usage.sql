-- Deletes hours of usage past their retention, the oldest first.
CREATE PROCEDURE release.drop_old_usage
  @clockOffset bigint
AS
-- include: parts/prologue.sql
DECLARE @done int;
DELETE TOP (1000 /* MAINTENANCE_BATCH_ROWS */) FROM dbo.usage_hours
WHERE hour < @now - 400 /* USAGE_RETENTION_DAYS */ * CAST(86400000 /* DAY_MILLISECONDS */ AS bigint);
SET @done = @@ROWCOUNT;
SELECT @done AS done;
