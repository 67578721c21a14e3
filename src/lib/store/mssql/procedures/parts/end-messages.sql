-- Ends all messages of @ended, once: the rows, the counts, the mailboxes, and the next of their ordering keys. Inside
-- the transaction; loses the race when one is no longer as it was read. Leaves @ended empty.
SET @endedRows = (SELECT COUNT(*) FROM @ended);
IF @endedRows > 0
BEGIN
  INSERT INTO @ended_keys (receiver_no, ordering_key, ended)
  SELECT e.receiver_no, e.ordering_key, COUNT(*) FROM @ended AS e
  WHERE e.ordering_key IS NOT NULL AND e.was IN ('queued', 'leased') GROUP BY e.receiver_no, e.ordering_key;
  -- include: parts/leave-keys.sql
  UPDATE m SET status = e.becomes, held = 0, lease_expires_at = NULL, claim_id = NULL, ended_at = @now,
    settlement = COALESCE(e.settlement, m.settlement), reason = COALESCE(e.reason, m.reason)
  FROM @ended AS e JOIN dbo.messages AS m ON m.arrival = e.arrival
  WHERE m.status = e.was AND m.attempt = e.attempt AND (e.lease_expires_at IS NULL OR m.lease_expires_at = e.lease_expires_at)
  OPTION (LOOP JOIN, FORCE ORDER);
  IF @@ROWCOUNT <> @endedRows BEGIN ROLLBACK TRANSACTION; RETURN 1; END;
  -- include: parts/free-next-of-keys.sql
  INSERT INTO @counts (name, delta)
  SELECT c.name, c.delta FROM @ended AS e CROSS APPLY (VALUES (CONCAT('messages:', e.was), -1), (CONCAT('messages:', e.becomes), 1),
    (CONCAT('mailbox:', e.receiver_no), CASE WHEN e.was IN ('queued', 'leased') THEN -1 ELSE 0 END)) AS c (name, delta);
  DELETE FROM @ended;
END;
