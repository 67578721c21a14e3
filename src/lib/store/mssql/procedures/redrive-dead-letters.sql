-- Queues dead letters again, by id or by filter: a new arrival number, the same attempt, maxAttempts more of them, no time
-- to live any more. Those of deregistered agents stay, and those for which a mailbox has no room.
CREATE PROCEDURE release.redrive_dead_letters
  @items nvarchar(max),
  @maxMailbox int,
  @clockOffset bigint
AS
-- include: parts/dead-letters-select.sql
-- include: parts/declare-counts.sql
DECLARE @deliverable TABLE (agent_no int NOT NULL);
IF @answer IS NULL
BEGIN
  DELETE c FROM @chosen AS c JOIN dbo.agents AS a ON a.agent_no = c.receiver_no WHERE a.status = 'deregistered';
  -- Those for which the mailbox has no room.
  DELETE c FROM @chosen AS c
  JOIN (SELECT x.position, ROW_NUMBER() OVER (PARTITION BY x.receiver_no ORDER BY x.position) AS place FROM @chosen AS x) AS p
    ON p.position = c.position
  CROSS APPLY (SELECT SUM(n.value) AS depth FROM dbo.counters AS n WHERE n.name = CONCAT('mailbox:', c.receiver_no)) AS b
  WHERE b.depth + p.place > @maxMailbox;
  UPDATE c SET joined = 0 FROM @chosen AS c WHERE c.ordering_key IS NOT NULL AND (EXISTS (SELECT 1 FROM dbo.messages AS w
    WHERE w.receiver_no = c.receiver_no AND w.ordering_key = c.ordering_key AND w.joined = 0 AND w.status = 'queued' AND w.available_at <= @now));
  SET @count = (SELECT COUNT(*) FROM @chosen);
END;
IF @answer IS NULL AND @dryRun = 0 AND @count > 0
BEGIN
  DECLARE @number bigint;
  BEGIN TRANSACTION;
  INSERT INTO audit.entries (at, actor, action, subject_kind, subject_id, detail)
SELECT @now, COALESCE(@actor, 'system'), 'dead_letters.redriven', 'message', m.message_id, CONCAT('{"receiver":"' + a.agent_id + '"', '}')
FROM @chosen AS c JOIN dbo.messages AS m ON m.arrival = c.arrival JOIN dbo.agents AS a ON a.agent_no = m.receiver_no
WHERE m.status = 'dead_lettered' ORDER BY c.arrival;
  DECLARE @keys TABLE (receiver_no int NOT NULL, ordering_key varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL, added int NOT NULL, head int NOT NULL,
    PRIMARY KEY (receiver_no, ordering_key));
  INSERT INTO @keys (receiver_no, ordering_key, added, head)
  SELECT s.receiver_no, s.ordering_key, COUNT(*), MIN(s.position) FROM @chosen AS s
  WHERE s.joined = 1 AND s.ordering_key IS NOT NULL GROUP BY s.receiver_no, s.ordering_key;
  DECLARE @keyRows int = @@ROWCOUNT, @joinedRows int;
  IF @keyRows > 0
  BEGIN
    -- include: parts/add-to-ordering-keys.sql
    UPDATE s SET held = 1
    FROM @keys AS a JOIN @chosen AS s ON s.receiver_no = a.receiver_no AND s.ordering_key = a.ordering_key
    JOIN dbo.ordering_keys AS k ON k.receiver_no = a.receiver_no AND k.ordering_key = a.ordering_key
    WHERE s.joined = 1 AND (s.position > a.head OR k.unsettled > a.added);
  END;
  SET @number = NEXT VALUE FOR dbo.message_arrivals;
  UPDATE m SET arrival = @number * 4096 /* ARRIVALS_PER_NUMBER */ + c.position - 1, status = 'queued', held = CASE WHEN c.joined = 1 THEN c.held ELSE 1 END,
    joined = c.joined,    attempt_limit = m.attempt + m.max_attempts, available_at = @now, expires_at = NULL, ended_at = NULL, settlement = NULL
  FROM @chosen AS c JOIN dbo.messages AS m ON m.arrival = c.arrival WHERE m.status = 'dead_lettered'
  OPTION (LOOP JOIN, FORCE ORDER);
  IF @@ROWCOUNT <> @count BEGIN ROLLBACK TRANSACTION; RETURN 1; END;
  INSERT INTO @counts (name, delta) VALUES ('messages:dead_lettered', -@count), ('messages:queued', @count);
  INSERT INTO @counts (name, delta) SELECT CONCAT('mailbox:', c.receiver_no), 1 FROM @chosen AS c;
  INSERT INTO @deliverable (agent_no) SELECT DISTINCT c.receiver_no FROM @chosen AS c;
  -- include: parts/apply-counts.sql
  -- Keeps the answer in the same transaction.
  INSERT INTO dbo.operation_answers (operation_id, answer, answered_at)
    VALUES (@operation, CONCAT(N'{"count":', @count, N'}'), @now);
  COMMIT TRANSACTION;
END;
SELECT 0 AS item, @count AS count;
SELECT DISTINCT a.agent_id AS woken FROM @deliverable AS d JOIN dbo.agents AS a ON a.agent_no = d.agent_no;
