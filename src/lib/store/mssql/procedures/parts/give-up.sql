-- Gives up: undoes the transaction, if there is one, and says so. Not by THROW: a race is no fault to be reported as an error
-- of severity 16 (some servers do not even count right in the session that an error has passed through).
BEGIN
  IF @@TRANCOUNT > 0 ROLLBACK TRANSACTION;
  RETURN 1;
END;
