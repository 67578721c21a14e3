-- Returns the messages of @requeued to their mailboxes, to become available at available_at. Leaves @requeued empty.
SET @requeuedRows = (SELECT COUNT(*) FROM @requeued);
IF @requeuedRows > 0
BEGIN
  UPDATE m SET status = 'queued', lease_expires_at = NULL, claim_id = NULL, available_at = q.available_at,
    settlement = q.settlement, reason = COALESCE(q.reason, m.reason)
  FROM @requeued AS q JOIN dbo.messages AS m ON m.arrival = q.arrival
  WHERE m.status = 'leased' AND m.attempt = q.attempt AND (q.lease_expires_at IS NULL OR m.lease_expires_at = q.lease_expires_at)
  OPTION (LOOP JOIN, FORCE ORDER);
  IF @@ROWCOUNT <> @requeuedRows BEGIN ROLLBACK TRANSACTION; RETURN 1; END;
  INSERT INTO @counts (name, delta) VALUES ('messages:leased', -@requeuedRows), ('messages:queued', @requeuedRows);
  INSERT INTO @deliverable (agent_no) SELECT DISTINCT q.receiver_no FROM @requeued AS q;
  DELETE FROM @requeued;
END;
