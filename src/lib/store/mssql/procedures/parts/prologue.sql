-- The beginning of every batch. @now is the time at which it begins, or of READ_TIME; @clockOffset is 0 outside
-- tests.
SET NOCOUNT ON;
SET XACT_ABORT ON;
SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
SET LOCK_TIMEOUT 5000 /* LOCK_TIMEOUT_MILLISECONDS */;
DECLARE @now bigint = DATEDIFF_BIG(MILLISECOND, '19700101', SYSUTCDATETIME()) + @clockOffset;
