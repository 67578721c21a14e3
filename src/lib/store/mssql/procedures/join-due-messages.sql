-- Mailboxes with something to join are found by a loose walk of the index; one that fills the batch is visited again.
CREATE PROCEDURE release.join_due_messages
  @items nvarchar(max),
  @clockOffset bigint
AS
-- include: parts/prologue.sql
-- Messages that have become due and are to join their keys, in the order of position, as they were read.
DECLARE @joining TABLE (position int IDENTITY NOT NULL PRIMARY KEY, arrival bigint NOT NULL, receiver_no int NOT NULL,
  ordering_key varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL, held bit NOT NULL);
DECLARE @joiningRows int, @joiningNumber bigint;
DECLARE @after int = JSON_VALUE(@items, '$[0].after'), @next int, @probed int = 0, @due int = 0;
WHILE @probed < 1000 /* MAINTENANCE_BATCH_ROWS */ AND @due < 200 /* JOINS_PER_TRANSACTION */
BEGIN
  SET @next = (SELECT MIN(m.receiver_no) FROM dbo.messages AS m WHERE m.joined = 0 AND m.status = 'queued' AND m.receiver_no > @after);
  IF @next IS NULL BREAK;
  INSERT INTO @joining (arrival, receiver_no, ordering_key, held)
  SELECT o.arrival, o.receiver_no, o.ordering_key, 0 FROM (SELECT TOP (200 /* JOINS_PER_TRANSACTION */ - @due) m.arrival, m.receiver_no, m.ordering_key, m.available_at FROM dbo.messages AS m
  WHERE m.receiver_no = @next AND m.joined = 0 AND m.status = 'queued' AND m.available_at <= @now
  ORDER BY m.available_at, m.arrival) AS o
  ORDER BY o.available_at, o.arrival;
  SET @due = @due + @@ROWCOUNT;
  SET @probed = @probed + 1;
  IF @due < 200 /* JOINS_PER_TRANSACTION */ SET @after = @next;
END;
SET @after = CASE WHEN @next IS NOT NULL THEN @after END;
IF @due = 0
BEGIN
  SELECT 0 AS done, @after AS next;
  RETURN;
END;
DECLARE @deliverable TABLE (agent_no int NOT NULL);
-- include: parts/join-due.sql
SELECT @due AS done, @after AS next;
SELECT DISTINCT a.agent_id AS woken FROM @deliverable AS d JOIN dbo.agents AS a ON a.agent_no = d.agent_no;
