-- The beginning of a procedure that writes what a rule has decided; @now is the time at which it did.
SET NOCOUNT, XACT_ABORT ON;
SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
SET LOCK_TIMEOUT 5000 /* LOCK_TIMEOUT_MILLISECONDS */;
