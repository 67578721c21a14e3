-- Right after the INSERT into @ended_keys: takes them from the unsettled ones of their keys, whose rows are locked
-- from here on.
SET @endedKeys = @@ROWCOUNT;
IF @endedKeys > 0
BEGIN
  UPDATE k SET unsettled = k.unsettled - e.ended
  FROM @ended_keys AS e JOIN dbo.ordering_keys AS k ON k.receiver_no = e.receiver_no AND k.ordering_key = e.ordering_key
  OPTION (LOOP JOIN, FORCE ORDER);
  IF @@ROWCOUNT <> @endedKeys BEGIN ROLLBACK TRANSACTION; RETURN 1; END;
END;
