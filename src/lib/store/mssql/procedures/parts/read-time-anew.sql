-- Reads the time anew, before what is read by time after a commit or a wait for a lock: what others have made due meanwhile is
-- not due at the time at which the procedure began, and both would pass it over.
SET @now = DATEDIFF_BIG(MILLISECOND, '19700101', SYSUTCDATETIME()) + @clockOffset;
