-- assigned to running; the assignment message has done its work.
INSERT INTO @moved_on (task_no, task_attempt)
SELECT c.task_no, c.attempt FROM @calls AS c WHERE c.code IS NULL AND c.answer IS NULL AND c.status = 'assigned';
SET @begun = @@ROWCOUNT;
IF @begun > 0
BEGIN
  UPDATE t SET version = t.version + 1, status = 'running', started_at = @now
  FROM @moved_on AS m JOIN dbo.tasks AS t ON t.task_no = m.task_no
  WHERE t.status = 'assigned' AND t.attempt = m.task_attempt
  OPTION (LOOP JOIN, FORCE ORDER);
  IF @@ROWCOUNT <> @begun BEGIN ROLLBACK TRANSACTION; RETURN 1; END;
  INSERT INTO @counts (name, delta) VALUES ('tasks:assigned', -@begun), ('tasks:running', @begun);
END;
