-- Queues dead letters again, in the order of @arrivals: a new arrival number, the same attempt, maxAttempts more of them, no
-- time to live any more.
CREATE PROCEDURE release.redrive_dead_letters
  @operation uniqueidentifier,
  @try int,
  @now bigint,
  @entries nvarchar(max),
  @arrivals nvarchar(max)
AS
-- include: parts/begin-decided.sql
-- include: parts/declare-counts.sql
DECLARE @number bigint, @count int = (SELECT COUNT(*) FROM OPENJSON(@arrivals) AS j);
DECLARE @chosen TABLE (position int NOT NULL PRIMARY KEY, arrival bigint NOT NULL, receiver_no int NOT NULL,
  ordering_key varchar(128) COLLATE Latin1_General_100_BIN2 NULL, held bit NOT NULL, joined bit NOT NULL);
INSERT INTO @chosen (position, arrival, receiver_no, ordering_key, held, joined)
SELECT CAST(j.[key] AS int) + 1, m.arrival, m.receiver_no, m.ordering_key, 0, 1
FROM OPENJSON(@arrivals) AS j JOIN dbo.messages AS m ON m.arrival = CAST(j.value AS bigint) WHERE m.status = 'dead_lettered';
UPDATE c SET joined = 0 FROM @chosen AS c WHERE c.ordering_key IS NOT NULL AND EXISTS (SELECT 1 FROM dbo.messages AS w
  WHERE w.receiver_no = c.receiver_no AND w.ordering_key = c.ordering_key AND w.joined = 0 AND w.status = 'queued' AND w.available_at <= @now);
BEGIN TRANSACTION;
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
  joined = c.joined, attempt_limit = m.attempt + m.max_attempts, available_at = @now, expires_at = NULL, ended_at = NULL, settlement = NULL
FROM @chosen AS c JOIN dbo.messages AS m ON m.arrival = c.arrival WHERE m.status = 'dead_lettered'
OPTION (LOOP JOIN, FORCE ORDER);
IF @@ROWCOUNT <> @count BEGIN ROLLBACK TRANSACTION; RETURN 1; END;
INSERT INTO @counts (name, delta) VALUES ('messages:dead_lettered', -@count), ('messages:queued', @count);
INSERT INTO @counts (name, delta) SELECT CONCAT('mailbox:', c.receiver_no), 1 FROM @chosen AS c;
-- include: parts/apply-counts.sql
-- include: parts/keep-decision.sql
COMMIT TRANSACTION;
SELECT DISTINCT a.agent_id AS woken FROM @chosen AS c JOIN dbo.agents AS a ON a.agent_no = c.receiver_no;
