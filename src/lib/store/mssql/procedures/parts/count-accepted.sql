-- Adds @accepted messages to the second in which they were accepted, in a row that only this session writes.
IF @accepted > 0
BEGIN
  SET @second = CONCAT('accepted:', @now / 1000);
  UPDATE dbo.counters SET value = value + @accepted WHERE name = @second AND slot = @@SPID;
  IF @@ROWCOUNT = 0 INSERT INTO dbo.counters (name, slot, value) VALUES (@second, @@SPID, @accepted);
  SET @accepted = 0;
END;
