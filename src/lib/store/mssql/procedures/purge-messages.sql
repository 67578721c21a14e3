-- In order of arrival, so no index has to be kept for the purge: what is older than the cutoff is at the front.
CREATE PROCEDURE release.purge_messages
  @items nvarchar(max),
  @messageRetention bigint,
  @deadLetterRetention bigint,
  @clockOffset bigint
AS
-- include: parts/prologue.sql
DECLARE @oldest TABLE (arrival bigint NOT NULL PRIMARY KEY, status varchar(13) NOT NULL, accepted_at bigint NOT NULL,
  ended_at bigint NULL);
DECLARE @after bigint = JSON_VALUE(@items, '$[0].after'), @next bigint, @read int, @stop bigint, @deadLetters int;
DECLARE @ended bigint = @now - @messageRetention, @dead bigint = @now - @deadLetterRetention;
INSERT INTO @oldest (arrival, status, accepted_at, ended_at)
SELECT TOP (1000 /* MAINTENANCE_BATCH_ROWS */) m.arrival, m.status, m.accepted_at, m.ended_at
FROM dbo.messages AS m WHERE m.arrival > @after ORDER BY m.arrival;
SET @read = @@ROWCOUNT;
SET @stop = (SELECT MIN(o.arrival) FROM @oldest AS o WHERE o.accepted_at > @ended AND o.accepted_at > @dead);
IF @stop IS NULL AND @read = 1000 /* MAINTENANCE_BATCH_ROWS */ SET @next = (SELECT MAX(o.arrival) FROM @oldest AS o);
-- Ended messages to be deleted.
DECLARE @purged TABLE (arrival bigint NOT NULL PRIMARY KEY, status varchar(24) COLLATE Latin1_General_100_BIN2 NOT NULL);
DECLARE @purgedRows int;
INSERT INTO @purged (arrival, status)
SELECT o.arrival, o.status FROM @oldest AS o
WHERE (@stop IS NULL OR o.arrival < @stop)
  AND ((o.status IN ('completed', 'expired') AND o.ended_at <= @ended) OR (o.status = 'dead_lettered' AND o.ended_at <= @dead));
IF @@ROWCOUNT = 0
BEGIN
  SELECT 0 AS purged, 0 AS dead_letters, @next AS next;
  RETURN;
END;
SET @deadLetters = (SELECT COUNT(*) FROM @purged AS p WHERE p.status = 'dead_lettered');
-- include: parts/declare-counts.sql
BEGIN TRANSACTION;
SET @purgedRows = (SELECT COUNT(*) FROM @purged);
IF @purgedRows > 0
BEGIN
  INSERT INTO audit.entries (at, actor, action, subject_kind, subject_id, detail)
  SELECT @now, COALESCE(NULL, 'system'), 'dead_letters.purged', 'message', m.message_id, CONCAT('{"receiver":"' + a.agent_id + '"', '}')
  FROM @purged AS c JOIN dbo.messages AS m ON m.arrival = c.arrival JOIN dbo.agents AS a ON a.agent_no = m.receiver_no
  WHERE m.status = 'dead_lettered' ORDER BY c.arrival;
  DELETE m FROM @purged AS p JOIN dbo.messages AS m ON m.arrival = p.arrival AND m.status = p.status
  OPTION (LOOP JOIN, FORCE ORDER);
  IF @@ROWCOUNT <> @purgedRows BEGIN ROLLBACK TRANSACTION; RETURN 1; END;
  INSERT INTO @counts (name, delta) SELECT CONCAT('messages:', p.status), -COUNT(*) FROM @purged AS p GROUP BY p.status;
  DELETE FROM @purged;
END;
-- include: parts/apply-counts.sql
COMMIT TRANSACTION;
SELECT @purgedRows - @deadLetters AS purged, @deadLetters AS dead_letters, @next AS next;
