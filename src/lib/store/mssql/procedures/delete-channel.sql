-- Its members and grants go with the row.
CREATE PROCEDURE release.delete_channel
  @items nvarchar(max),
  @clockOffset bigint
AS
-- include: parts/prologue.sql
DECLARE @name varchar(100), @operation uniqueidentifier, @actor varchar(128), @answer nvarchar(max), @channelNo int,
  @kind varchar(10), @members int, @grants int;
SELECT @name = x.name, @operation = x.operation, @actor = x.actor
FROM OPENJSON(@items) WITH (name varchar(100), operation uniqueidentifier, actor varchar(128)) AS x;
SET @answer = (SELECT o.answer FROM dbo.operation_answers AS o WHERE o.operation_id = @operation);
SELECT @channelNo = c.channel_no, @kind = c.kind, @members = c.members, @grants = c.grants FROM dbo.channels AS c WHERE c.name = @name;
IF @answer IS NULL
BEGIN
  SET @answer = CONCAT(N'{"deleted":', CASE WHEN @channelNo IS NULL THEN 0 ELSE 1 END, N'}');
  BEGIN TRANSACTION;
  IF @channelNo IS NOT NULL
  BEGIN
    DELETE FROM dbo.channels WHERE channel_no = @channelNo;
    IF @@ROWCOUNT <> 1 BEGIN ROLLBACK TRANSACTION; RETURN 1; END;
    UPDATE dbo.agents SET status = 'deregistered', status_changed_at = @now, mailbox_left = 1
    WHERE agent_no = @channelNo AND status = 'active';
    IF @@ROWCOUNT <> 1 BEGIN ROLLBACK TRANSACTION; RETURN 1; END;
    UPDATE dbo.agent_heartbeats SET beating = 0 WHERE agent_no = @channelNo;
    INSERT INTO audit.entries (at, actor, action, subject_kind, subject_id, detail)
SELECT @now, COALESCE(@actor, 'system'), 'channel.deleted', 'channel', @name, CONCAT('{"kind":"' + @kind + '"', ',"members":' + CAST(@members AS varchar(20)), ',"grants":' + CAST(@grants AS varchar(20)), '}');
  END;
  INSERT INTO dbo.operation_answers (operation_id, answer, answered_at) VALUES (@operation, @answer, @now);
  COMMIT TRANSACTION;
END;
SELECT 0 AS item, CAST(JSON_VALUE(@answer, '$.deleted') AS int) AS deleted;
