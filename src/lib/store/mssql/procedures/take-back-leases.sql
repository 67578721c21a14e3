-- Mailboxes with leases are found by a loose walk of the index: one seek per mailbox, whatever the number of
-- messages. A mailbox that fills the batch is visited again.
CREATE PROCEDURE release.take_back_leases
  @items nvarchar(max),
  @clockOffset bigint
AS
-- include: parts/prologue.sql
DECLARE @overdue TABLE (arrival bigint NOT NULL PRIMARY KEY);
DECLARE @after int = JSON_VALUE(@items, '$[0].after'), @next int, @probed int = 0, @due int = 0;
DECLARE @deadLettered int = 0, @returned int = 0;
WHILE @probed < 1000 /* MAINTENANCE_BATCH_ROWS */ AND @due < 1000 /* MAINTENANCE_BATCH_ROWS */
BEGIN
  SET @next = (SELECT MIN(m.receiver_no) FROM dbo.messages AS m WHERE m.status = 'leased' AND m.receiver_no > @after);
  IF @next IS NULL BREAK;
  INSERT INTO @overdue (arrival)
  SELECT TOP (1000 /* MAINTENANCE_BATCH_ROWS */ - @due) m.arrival FROM dbo.messages AS m
  WHERE m.receiver_no = @next AND m.status = 'leased' AND m.lease_expires_at <= @now ORDER BY m.lease_expires_at;
  SET @due = @due + @@ROWCOUNT;
  SET @probed = @probed + 1;
  IF @due < 1000 /* MAINTENANCE_BATCH_ROWS */ SET @after = @next;
END;
SET @after = CASE WHEN @next IS NOT NULL THEN @after END;
IF @due = 0
BEGIN
  SELECT 0 AS ended, 0 AS dead_lettered, @after AS next;
  RETURN;
END;
-- Additions to counters, collected until the end of the transaction. name as in apply-counts.
DECLARE @counts TABLE (name varchar(48) COLLATE Latin1_General_100_BIN2 NOT NULL, delta bigint NOT NULL);
DECLARE @accepted bigint = 0;
DECLARE @second varchar(48);
DECLARE @deliverable TABLE (agent_no int NOT NULL);
-- What DECLARE_ENDED's table holds: messages to be ended, as they were read. attempt and was fence the row;
-- lease_expires_at does too where it is given: a lease that has ended may have been renewed since. settlement and
-- reason leave what is stored when NULL. ordering_key is the one that the row has joined: KEY_TO_LEAVE.
DECLARE @ended TABLE (arrival bigint NOT NULL PRIMARY KEY, receiver_no int NOT NULL,
  was varchar(24) COLLATE Latin1_General_100_BIN2 NOT NULL, attempt int NOT NULL, becomes varchar(24) COLLATE Latin1_General_100_BIN2 NOT NULL, settlement varchar(24) COLLATE Latin1_General_100_BIN2 NULL, reason nvarchar(max) NULL,
  ordering_key varchar(128) COLLATE Latin1_General_100_BIN2 NULL, lease_expires_at bigint NULL);
DECLARE @endedRows int;
-- How many messages of which ordering keys end.
DECLARE @ended_keys TABLE (receiver_no int NOT NULL, ordering_key varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL, ended int NOT NULL,
  PRIMARY KEY (receiver_no, ordering_key));
DECLARE @endedKeys int;
-- Leased messages to be returned to their mailboxes, as they were read; see DECLARE_ENDED.
DECLARE @requeued TABLE (arrival bigint NOT NULL PRIMARY KEY, receiver_no int NOT NULL,
  attempt int NOT NULL, available_at bigint NOT NULL, settlement varchar(24) COLLATE Latin1_General_100_BIN2 NULL, reason nvarchar(max) NULL,
  lease_expires_at bigint NULL);
DECLARE @requeuedRows int;
-- include: parts/take-back.sql
SET @deadLettered = (SELECT COUNT(*) FROM @ended);
SET @returned = (SELECT COUNT(*) FROM @requeued);
BEGIN TRANSACTION;
-- include: parts/end-messages.sql
-- include: parts/requeue-messages.sql
-- include: parts/apply-counts.sql
DELETE FROM @counts;
COMMIT TRANSACTION;
SELECT @deadLettered + @returned AS ended, @deadLettered AS dead_lettered, @after AS next;
SELECT DISTINCT a.agent_id AS woken FROM @deliverable AS d JOIN dbo.agents AS a ON a.agent_no = d.agent_no;
