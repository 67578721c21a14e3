-- Deletes dead letters, by id or by filter.
CREATE PROCEDURE release.purge_dead_letters
  @items nvarchar(max),
  @clockOffset bigint
AS
-- include: parts/dead-letters-select.sql
IF @answer IS NULL SET @count = (SELECT COUNT(*) FROM @chosen);
IF @answer IS NULL AND @dryRun = 0 AND @count > 0
BEGIN
  -- Additions to counters, collected until the end of the transaction. name as in apply-counts.
  DECLARE @counts TABLE (name varchar(48) COLLATE Latin1_General_100_BIN2 NOT NULL, delta bigint NOT NULL);
  DECLARE @accepted bigint = 0;
  DECLARE @second varchar(48);
  -- Ended messages to be deleted.
  DECLARE @purged TABLE (arrival bigint NOT NULL PRIMARY KEY, status varchar(24) COLLATE Latin1_General_100_BIN2 NOT NULL);
  DECLARE @purgedRows int;
  INSERT INTO @purged (arrival, status) SELECT c.arrival, 'dead_lettered' FROM @chosen AS c;
  BEGIN TRANSACTION;
  SET @purgedRows = (SELECT COUNT(*) FROM @purged);
  IF @purgedRows > 0
  BEGIN
    INSERT INTO audit.entries (at, actor, action, subject_kind, subject_id, detail)
    SELECT @now, COALESCE(@actor, 'system'), 'dead_letters.purged', 'message', m.message_id, CONCAT('{"receiver":"' + a.agent_id + '"', '}')
    FROM @purged AS c JOIN dbo.messages AS m ON m.arrival = c.arrival JOIN dbo.agents AS a ON a.agent_no = m.receiver_no
    WHERE m.status = 'dead_lettered' ORDER BY c.arrival;
    DELETE m FROM @purged AS p JOIN dbo.messages AS m ON m.arrival = p.arrival AND m.status = p.status
    OPTION (LOOP JOIN, FORCE ORDER);
    IF @@ROWCOUNT <> @purgedRows BEGIN ROLLBACK TRANSACTION; RETURN 1; END;
    INSERT INTO @counts (name, delta) SELECT CONCAT('messages:', p.status), -COUNT(*) FROM @purged AS p GROUP BY p.status;
    DELETE FROM @purged;
  END;
  -- include: parts/apply-counts.sql
  -- Keeps the answer in the same transaction.
  INSERT INTO dbo.operation_answers (operation_id, answer, answered_at)
    VALUES (@operation, CONCAT(N'{"count":', @count, N'}'), @now);
  COMMIT TRANSACTION;
END;
SELECT 0 AS item, @count AS count;
