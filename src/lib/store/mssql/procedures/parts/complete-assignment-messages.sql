-- Completes the assignment messages of the attempts in @moved_on, in whatever state they are; they have no ordering
-- key that would have to move on. Needs declare-counts. Loses the race when one changes meanwhile. Leaves @moved_on
-- empty.
IF EXISTS (SELECT 1 FROM @moved_on)
BEGIN
  UPDATE t SET arrival = m.arrival, receiver_no = m.receiver_no, was = m.status, attempt = m.attempt
  FROM @moved_on AS t JOIN dbo.messages AS m ON m.task_no = t.task_no AND m.task_attempt = t.task_attempt
  WHERE m.task_no IS NOT NULL AND m.type = 'task_assignment' AND m.status IN ('queued', 'leased', 'dead_lettered');
  DELETE FROM @moved_on WHERE arrival IS NULL;
  UPDATE m SET status = 'completed', lease_expires_at = NULL, claim_id = NULL, ended_at = @now, settlement = 'task_ended'
  FROM @moved_on AS t JOIN dbo.messages AS m ON m.arrival = t.arrival WHERE m.status = t.was AND m.attempt = t.attempt;
  IF @@ROWCOUNT <> (SELECT COUNT(*) FROM @moved_on) BEGIN ROLLBACK TRANSACTION; RETURN 1; END;
  INSERT INTO @counts (name, delta)
  SELECT c.name, c.delta FROM @moved_on AS t CROSS APPLY (VALUES (CONCAT('messages:', t.was), -1), ('messages:completed', 1),
    (CONCAT('mailbox:', t.receiver_no), CASE WHEN t.was = 'dead_lettered' THEN 0 ELSE -1 END)) AS c (name, delta);
  DELETE FROM @moved_on;
END;
