-- Drops the seconds of the rate that no minute looks at any more, and answers that no caller asks for again.
CREATE PROCEDURE release.drop_old_rates
  @clockOffset bigint
AS
-- include: parts/prologue.sql
DECLARE @oldest varchar(48) = CONCAT('accepted:', @now / 1000 - 120 /* RATE_SECONDS */), @rows int = 1000 /* MAINTENANCE_BATCH_ROWS */;
WHILE @rows = 1000 /* MAINTENANCE_BATCH_ROWS */
BEGIN
  DELETE TOP (1000 /* MAINTENANCE_BATCH_ROWS */) FROM dbo.counters WHERE name >= 'accepted:' AND name < @oldest;
  SET @rows = @@ROWCOUNT;
END;
SET @rows = 1000 /* MAINTENANCE_BATCH_ROWS */;
WHILE @rows = 1000 /* MAINTENANCE_BATCH_ROWS */
BEGIN
  DELETE TOP (1000 /* MAINTENANCE_BATCH_ROWS */) FROM dbo.operation_answers WHERE answered_at < @now - 600000 /* ANSWER_MILLISECONDS */;
  SET @rows = @@ROWCOUNT;
END;
SELECT @rows AS done;
