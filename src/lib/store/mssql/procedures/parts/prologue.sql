-- The beginning of a procedure. @now is the time at which it begins; @clockOffset is 0 outside tests.
SET NOCOUNT, XACT_ABORT ON;
SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
SET LOCK_TIMEOUT 5000 /* LOCK_TIMEOUT_MILLISECONDS */;
DECLARE @now bigint = DATEDIFF_BIG(MILLISECOND, '19700101', SYSUTCDATETIME()) + @clockOffset;
