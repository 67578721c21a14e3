-- What the rules of dead letters look at: those of a selection, oldest first (ids that are no dead letters are passed over; a
-- filter that is NULL is none), and their receivers, with how full their mailboxes are.
CREATE PROCEDURE release.read_dead_letters
  @operation uniqueidentifier,
  @ids nvarchar(max),
  @receiver varchar(128),
  @type varchar(64),
  @reason nvarchar(max),
  @before bigint,
  @clockOffset bigint
AS
-- include: parts/find-decision.sql
DECLARE @chosen TABLE (position int IDENTITY NOT NULL PRIMARY KEY, arrival bigint NOT NULL,
  message_id varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL, receiver_no int NOT NULL);
IF @ids IS NOT NULL
  INSERT INTO @chosen (arrival, message_id, receiver_no)
  SELECT TOP (1000 /* DEAD_LETTER_BATCH_MAX */) m.arrival, m.message_id, m.receiver_no
  FROM (SELECT DISTINCT CAST(v.value AS varchar(128)) COLLATE Latin1_General_100_BIN2 AS message_id
    FROM OPENJSON(@ids) AS v) AS x
  JOIN dbo.messages AS m ON m.message_id = x.message_id
  WHERE m.status = 'dead_lettered' ORDER BY m.ended_at, m.arrival;
ELSE IF @receiver IS NOT NULL
  INSERT INTO @chosen (arrival, message_id, receiver_no)
  SELECT TOP (1000 /* DEAD_LETTER_BATCH_MAX */) m.arrival, m.message_id, m.receiver_no FROM dbo.messages AS m
  WHERE m.receiver_no = (SELECT a.agent_no FROM dbo.agents AS a WHERE a.agent_id = @receiver) AND m.status = 'dead_lettered' AND (@type IS NULL OR m.type = @type)
  AND (@reason IS NULL OR (m.reason = @reason COLLATE Latin1_General_100_BIN2 AND DATALENGTH(m.reason) = DATALENGTH(@reason)))
    AND (@before IS NULL OR m.ended_at < @before)
  ORDER BY m.ended_at, m.arrival;
ELSE
  INSERT INTO @chosen (arrival, message_id, receiver_no)
  SELECT TOP (1000 /* DEAD_LETTER_BATCH_MAX */) m.arrival, m.message_id, m.receiver_no FROM dbo.messages AS m
  WHERE m.status = 'dead_lettered' AND (@type IS NULL OR m.type = @type)
  AND (@reason IS NULL OR (m.reason = @reason COLLATE Latin1_General_100_BIN2 AND DATALENGTH(m.reason) = DATALENGTH(@reason))) AND (@before IS NULL OR m.ended_at < @before)
  ORDER BY m.ended_at, m.arrival;
SELECT c.arrival, c.message_id, c.receiver_no FROM @chosen AS c ORDER BY c.position;
SELECT a.agent_no, a.agent_id, CASE WHEN a.status = 'deregistered' THEN 0 ELSE 1 END AS registered,
  COALESCE((SELECT SUM(n.value) FROM dbo.counters AS n WHERE n.name = CONCAT('mailbox:', a.agent_no)), 0) AS depth
FROM (SELECT DISTINCT c.receiver_no FROM @chosen AS c) AS x JOIN dbo.agents AS a ON a.agent_no = x.receiver_no;
