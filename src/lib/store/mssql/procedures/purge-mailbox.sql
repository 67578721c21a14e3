-- Those of the switchboard go with their tasks. The answer is kept: a repeat of the call would take the next ones.
CREATE PROCEDURE release.purge_mailbox
  @items nvarchar(max),
  @clockOffset bigint
AS
-- include: parts/prologue.sql
-- include: parts/declare-counts.sql
DECLARE @deliverable TABLE (agent_no int NOT NULL);
-- include: parts/declare-ended.sql
DECLARE @operation uniqueidentifier, @actor varchar(128), @dryRun bit, @mailbox varchar(128),
  @mailboxNo int, @sender varchar(128), @senderNo int, @type varchar(64), @before bigint, @dueAfter bigint, @count int = 0;
SELECT @operation = x.operation, @actor = x.actor, @dryRun = x.dry_run, @mailbox = x.mailbox, @sender = x.sender, @type = x.type,
  @before = x.before, @dueAfter = x.due_after
FROM OPENJSON(@items) WITH (operation uniqueidentifier, actor varchar(128), dry_run bit, mailbox varchar(128), sender varchar(128),
  type varchar(64), before bigint, due_after bigint) AS x;
SELECT @mailboxNo = a.agent_no FROM dbo.agents AS a WHERE a.agent_id = @mailbox;
SET @senderNo = (SELECT a.agent_no FROM dbo.agents AS a WHERE a.agent_id = @sender);
DECLARE @answer nvarchar(max) = (SELECT answer FROM dbo.operation_answers WHERE operation_id = @operation);
IF @answer IS NOT NULL SET @count = JSON_VALUE(@answer, '$.count');
ELSE
BEGIN
  INSERT INTO @ended (arrival, receiver_no, was, attempt, becomes, reason, ordering_key)
  SELECT TOP (1000 /* DEAD_LETTER_BATCH_MAX */) m.arrival, m.receiver_no, m.status, m.attempt, 'expired', N'PURGED', CASE WHEN m.joined = 1 THEN m.ordering_key END
  FROM dbo.messages AS m
  WHERE m.receiver_no = @mailboxNo AND m.status = 'queued' AND m.sender_no IS NOT NULL
    AND (@sender IS NULL OR m.sender_no = @senderNo) AND (@type IS NULL OR m.type = @type)
    AND (@before IS NULL OR m.accepted_at < @before) AND (@dueAfter IS NULL OR m.available_at > @dueAfter);
  SET @count = @@ROWCOUNT;
END;
IF @answer IS NULL AND @dryRun = 0 AND @count > 0
BEGIN
  BEGIN TRANSACTION;
  -- include: parts/end-messages.sql
  INSERT INTO audit.entries (at, actor, action, subject_kind, subject_id, detail)
  SELECT @now, COALESCE(@actor, 'system'), 'messages.purged', CASE WHEN @mailbox LIKE '#%' THEN 'channel' ELSE 'agent' END COLLATE Latin1_General_100_BIN2, CASE WHEN @mailbox LIKE '#%' THEN SUBSTRING(@mailbox, 2, 100) ELSE @mailbox END, CONCAT('{"count":' + CAST(@count AS varchar(20)), '}');
  -- include: parts/apply-counts.sql
  INSERT INTO dbo.operation_answers (operation_id, answer, answered_at)
    VALUES (@operation, CONCAT(N'{"count":', @count, N'}'), @now);
  COMMIT TRANSACTION;
END;
SELECT 0 AS item, @mailboxNo AS mailbox_no, @count AS count;
SELECT DISTINCT a.agent_id AS woken FROM @deliverable AS d JOIN dbo.agents AS a ON a.agent_no = d.agent_no;
