-- Adds or removes one member (@addedMembers 1 or -1), or puts one grant in the place of another (@had: there was one, @has:
-- there will be), as rules/channels.ts has decided, if the channel is as it was.
CREATE PROCEDURE release.change_channel
  @operation uniqueidentifier,
  @try int,
  @now bigint,
  @entries nvarchar(max),
  @channelNo int,
  @wereMembers int,
  @wereGrants int,
  @addedMembers int,
  @agentNo int,
  @grantee varchar(128),
  @had bit,
  @has bit,
  @mayPost bit,
  @mayRead bit,
  @mayManage bit
AS
-- include: parts/begin-decided.sql
BEGIN TRANSACTION;
UPDATE dbo.channels SET members = members + @addedMembers, grants = grants + CAST(@has AS int) - CAST(@had AS int)
WHERE channel_no = @channelNo AND members = @wereMembers AND grants = @wereGrants;
IF @@ROWCOUNT <> 1 BEGIN ROLLBACK TRANSACTION; RETURN 1; END;
IF @addedMembers > 0 INSERT INTO dbo.channel_members (channel_no, agent_no, added_at) VALUES (@channelNo, @agentNo, @now);
IF @addedMembers < 0
BEGIN
  DELETE FROM dbo.channel_members WHERE channel_no = @channelNo AND agent_no = @agentNo;
  IF @@ROWCOUNT <> 1 BEGIN ROLLBACK TRANSACTION; RETURN 1; END;
END;
IF @had = 1
BEGIN
  DELETE FROM dbo.channel_grants WHERE channel_no = @channelNo AND grantee = @grantee;
  IF @@ROWCOUNT <> 1 BEGIN ROLLBACK TRANSACTION; RETURN 1; END;
END;
IF @has = 1
  INSERT INTO dbo.channel_grants (channel_no, grantee, agent_no, may_post, may_read, may_manage)
  VALUES (@channelNo, @grantee, @agentNo, @mayPost, @mayRead, @mayManage);
-- include: parts/keep-decision.sql
COMMIT TRANSACTION;
