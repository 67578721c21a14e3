-- Lets the messages of @joining, of which there are some, join their keys: a transaction of its own, in which the
-- number is taken while the keys are locked. Loses the race when one of them has joined or ended meanwhile. At most
-- ARRIVALS_PER_NUMBER.
SET @joiningRows = (SELECT COUNT(*) FROM @joining);
BEGIN TRANSACTION;
DECLARE @keys TABLE (receiver_no int NOT NULL, ordering_key varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL, added int NOT NULL, head int NOT NULL,
    PRIMARY KEY (receiver_no, ordering_key));
INSERT INTO @keys (receiver_no, ordering_key, added, head)
SELECT s.receiver_no, s.ordering_key, COUNT(*), MIN(s.position) FROM @joining AS s
WHERE s.position > 0 AND s.ordering_key IS NOT NULL GROUP BY s.receiver_no, s.ordering_key;
DECLARE @keyRows int = @@ROWCOUNT, @joinedRows int;
IF @keyRows > 0
BEGIN
  -- include: parts/add-to-ordering-keys.sql
  UPDATE s SET held = 1
  FROM @keys AS a JOIN @joining AS s ON s.receiver_no = a.receiver_no AND s.ordering_key = a.ordering_key
  JOIN dbo.ordering_keys AS k ON k.receiver_no = a.receiver_no AND k.ordering_key = a.ordering_key
  WHERE s.position > 0 AND (s.position > a.head OR k.unsettled > a.added);
END;
SET @joiningNumber = NEXT VALUE FOR dbo.message_arrivals;
UPDATE m SET arrival = @joiningNumber * 4096 /* ARRIVALS_PER_NUMBER */ + j.position - 1, joined = 1, held = j.held
FROM @joining AS j JOIN dbo.messages AS m ON m.arrival = j.arrival
WHERE m.joined = 0 AND m.status = 'queued'
OPTION (LOOP JOIN, FORCE ORDER);
IF @@ROWCOUNT <> @joiningRows BEGIN ROLLBACK TRANSACTION; RETURN 1; END;
COMMIT TRANSACTION;
INSERT INTO @deliverable (agent_no) SELECT DISTINCT j.receiver_no FROM @joining AS j WHERE j.held = 0;
