-- The lowest number whose entry of the audit is of @time or later, as far as numbers follow time, into @low; by halving.
SET @low = COALESCE((SELECT MIN(e.entry_no) FROM audit.entries AS e), 0);
SET @high = COALESCE((SELECT MAX(e.entry_no) FROM audit.entries AS e), -1) + 1;
WHILE @low < @high
BEGIN
  SET @middle = @low + (@high - @low) / 2;
  SET @found = (SELECT TOP (1) e.at FROM audit.entries AS e WHERE e.entry_no >= @middle ORDER BY e.entry_no);
  IF @found < @time SET @low = @middle + 1;
  ELSE SET @high = @middle;
END;
