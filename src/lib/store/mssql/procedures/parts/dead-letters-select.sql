-- The chosen dead letters, oldest first, into @chosen; ids that are no dead letters are passed over. @done: the
-- answer of an earlier try of the same operation, whose repeat would count otherwise.
-- include: parts/prologue.sql
DECLARE @operation uniqueidentifier, @dryRun bit, @receiver varchar(128), @type varchar(64), @reason nvarchar(max), @before bigint,
  @byIds bit, @count int, @actor varchar(128);
SELECT @operation = x.operation, @actor = x.actor, @dryRun = x.dry_run, @receiver = x.receiver, @type = x.type, @reason = REPLACE(REPLACE(REPLACE(REPLACE(REPLACE(x.reason COLLATE Latin1_General_100_BIN2, NCHAR(64976), NCHAR(34)), NCHAR(64977), NCHAR(92)), NCHAR(64978), NCHAR(10)), NCHAR(64979), NCHAR(13)), NCHAR(64980), NCHAR(9)),
  @before = x.before, @byIds = x.by_ids
FROM OPENJSON(@items) WITH (operation uniqueidentifier, actor varchar(128), dry_run bit, receiver varchar(128), type varchar(64), reason nvarchar(max),
  before bigint, by_ids bit) AS x;
DECLARE @answer nvarchar(max) = (SELECT answer FROM dbo.operation_answers WHERE operation_id = @operation);
DECLARE @chosen TABLE (position int IDENTITY NOT NULL PRIMARY KEY, arrival bigint NOT NULL, receiver_no int NOT NULL,
  ordering_key varchar(128) COLLATE Latin1_General_100_BIN2 NULL, held bit NOT NULL, joined bit NOT NULL DEFAULT 1);
IF @answer IS NOT NULL SET @count = JSON_VALUE(@answer, '$.count');
ELSE IF @byIds = 1
  INSERT INTO @chosen (arrival, receiver_no, ordering_key, held)
  SELECT TOP (1000 /* DEAD_LETTER_BATCH_MAX */) m.arrival, m.receiver_no, m.ordering_key, 0
  FROM (SELECT DISTINCT CAST(v.value AS varchar(128)) COLLATE Latin1_General_100_BIN2 AS message_id
    FROM OPENJSON(@items) AS i CROSS APPLY OPENJSON(i.value, '$.ids') AS v) AS x
  JOIN dbo.messages AS m ON m.message_id = x.message_id
  WHERE m.status = 'dead_lettered' ORDER BY m.ended_at, m.arrival;
ELSE IF @receiver IS NOT NULL
  INSERT INTO @chosen (arrival, receiver_no, ordering_key, held)
  SELECT TOP (1000 /* DEAD_LETTER_BATCH_MAX */) m.arrival, m.receiver_no, m.ordering_key, 0 FROM dbo.messages AS m
  WHERE m.receiver_no = (SELECT a.agent_no FROM dbo.agents AS a WHERE a.agent_id = @receiver) AND m.status = 'dead_lettered' AND (@type IS NULL OR m.type = @type)
  AND (@reason IS NULL OR (m.reason = @reason COLLATE Latin1_General_100_BIN2 AND DATALENGTH(m.reason) = DATALENGTH(@reason)))
    AND (@before IS NULL OR m.ended_at < @before)
  ORDER BY m.ended_at, m.arrival;
ELSE
INSERT INTO @chosen (arrival, receiver_no, ordering_key, held)
SELECT TOP (1000 /* DEAD_LETTER_BATCH_MAX */) m.arrival, m.receiver_no, m.ordering_key, 0 FROM dbo.messages AS m
WHERE m.status = 'dead_lettered' AND (@type IS NULL OR m.type = @type)
AND (@reason IS NULL OR (m.reason = @reason COLLATE Latin1_General_100_BIN2 AND DATALENGTH(m.reason) = DATALENGTH(@reason))) AND (@before IS NULL OR m.ended_at < @before)
ORDER BY m.ended_at, m.arrival;
