-- Makes an agent a member of a channel, unless it is one already.
CREATE PROCEDURE release.add_channel_member
  @items nvarchar(max),
  @clockOffset bigint
AS
-- include: parts/channel-members-read.sql
IF @code IS NULL SET @code = CASE WHEN @agentNo IS NULL THEN 'AGENT_NOT_FOUND'
  WHEN @status = 'deregistered' THEN 'AGENT_DEREGISTERED' END;
IF @code IS NULL AND @addedAt IS NULL AND @held >= 1000 /* CHANNEL_MEMBERS_MAX */ SET @code = 'FULL';
IF @code IS NULL AND @addedAt IS NULL
BEGIN
  BEGIN TRANSACTION;
  UPDATE dbo.channels SET members = members + 1 WHERE channel_no = @channelNo AND members < 1000 /* CHANNEL_MEMBERS_MAX */;
  IF @@ROWCOUNT <> 1 BEGIN ROLLBACK TRANSACTION; RETURN 1; END;
  INSERT INTO dbo.channel_members (channel_no, agent_no, added_at) VALUES (@channelNo, @agentNo, @now);
  INSERT INTO audit.entries (at, actor, action, subject_kind, subject_id, detail)
SELECT @now, COALESCE(@actor, 'system'), 'channel.member_added', 'channel', @name, CONCAT('{"agentId":"' + m.agent_id + '"', '}')
FROM (SELECT @agentId AS agent_id) AS m;
  COMMIT TRANSACTION;
  SET @addedAt = @now;
END;
SELECT 0 AS item, @code AS code, @addedAt AS added_at;
