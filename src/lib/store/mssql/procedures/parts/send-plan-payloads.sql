-- What the messages of send-plan say.
IF @messages > 0
  INSERT INTO dbo.message_payloads (arrival, payload)
  SELECT @arrival + p.place, p.payload FROM @plan AS p WHERE p.receiver_no IS NOT NULL;
