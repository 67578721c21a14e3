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
-- include: parts/declare-counts.sql
DECLARE @deliverable TABLE (agent_no int NOT NULL);
-- include: parts/declare-ended.sql
-- include: parts/declare-requeued.sql
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
