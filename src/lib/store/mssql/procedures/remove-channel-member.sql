-- Ends the membership of an agent in a channel.
CREATE PROCEDURE release.remove_channel_member
  @items nvarchar(max),
  @clockOffset bigint
AS
-- include: parts/channel-members-read.sql
IF @code IS NULL AND @addedAt IS NOT NULL
BEGIN
  BEGIN TRANSACTION;
  UPDATE dbo.channels SET members = members - 1 WHERE channel_no = @channelNo;
  IF @@ROWCOUNT <> 1 BEGIN ROLLBACK TRANSACTION; RETURN 1; END;
  DELETE FROM dbo.channel_members WHERE channel_no = @channelNo AND agent_no = @agentNo;
  IF @@ROWCOUNT <> 1 BEGIN ROLLBACK TRANSACTION; RETURN 1; END;
  INSERT INTO audit.entries (at, actor, action, subject_kind, subject_id, detail)
SELECT @now, COALESCE(@actor, 'system'), 'channel.member_removed', 'channel', @name, CONCAT('{"agentId":"' + m.agent_id + '"', '}')
FROM (SELECT @agentId AS agent_id) AS m;
  COMMIT TRANSACTION;
END;
SELECT 0 AS item, @code AS code, @addedAt AS added_at;
