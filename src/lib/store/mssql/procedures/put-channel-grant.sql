-- @granted: what is there now as one number, NULL for nothing; @wanted likewise, 0 for nothing.
CREATE PROCEDURE release.put_channel_grant
  @items nvarchar(max),
  @clockOffset bigint
AS
-- include: parts/prologue.sql
DECLARE @name varchar(100), @grantee varchar(128), @agentId varchar(128), @actor varchar(128), @code varchar(24), @channelNo int,
  @held int, @agentNo int, @status varchar(24), @post bit, @read bit, @manage bit, @granted int, @wanted int;
SELECT @name = x.name, @grantee = x.grantee, @agentId = x.agent_id, @actor = x.actor, @post = x.may_post, @read = x.may_read,
  @manage = x.may_manage
FROM OPENJSON(@items) WITH (name varchar(100), grantee varchar(128), agent_id varchar(128), actor varchar(128), may_post bit,
  may_read bit, may_manage bit) AS x;
SET @wanted = CAST(@post AS int) + 2 * CAST(@read AS int) + 4 * CAST(@manage AS int);
SELECT @channelNo = c.channel_no, @held = c.grants FROM dbo.channels AS c WHERE c.name = @name;
SELECT @agentNo = a.agent_no, @status = a.status FROM dbo.agents AS a WHERE a.agent_id = @agentId;
SET @granted = (SELECT CAST(g.may_post AS int) + 2 * CAST(g.may_read AS int) + 4 * CAST(g.may_manage AS int)
  FROM dbo.channel_grants AS g WHERE g.channel_no = @channelNo AND g.grantee = @grantee);
IF @channelNo IS NULL SET @code = 'CHANNEL_NOT_FOUND';
IF @agentId IS NOT NULL AND @wanted > 0
BEGIN
  IF @code IS NULL SET @code = CASE WHEN @agentNo IS NULL THEN 'AGENT_NOT_FOUND'
  WHEN @status = 'deregistered' THEN 'AGENT_DEREGISTERED' END;
END;
IF @code IS NULL AND @wanted > 0 AND @granted IS NULL AND @held >= 200 /* CHANNEL_GRANTS_MAX */ SET @code = 'FULL';
IF @code IS NULL AND @wanted <> COALESCE(@granted, 0)
BEGIN
  BEGIN TRANSACTION;
  UPDATE dbo.channels SET grants = grants + CASE WHEN @granted IS NULL THEN 1 WHEN @wanted = 0 THEN -1 ELSE 0 END
  WHERE channel_no = @channelNo AND (@granted IS NOT NULL OR grants < 200 /* CHANNEL_GRANTS_MAX */);
  IF @@ROWCOUNT <> 1 BEGIN ROLLBACK TRANSACTION; RETURN 1; END;
  IF @granted IS NULL
    INSERT INTO dbo.channel_grants (channel_no, grantee, agent_no, may_post, may_read, may_manage)
    VALUES (@channelNo, @grantee, @agentNo, @post, @read, @manage);
  ELSE IF @wanted = 0
    DELETE FROM dbo.channel_grants WHERE channel_no = @channelNo AND grantee = @grantee;
  ELSE
  UPDATE dbo.channel_grants SET may_post = @post, may_read = @read, may_manage = @manage
  WHERE channel_no = @channelNo AND grantee = @grantee;
  IF @@ROWCOUNT <> 1 BEGIN ROLLBACK TRANSACTION; RETURN 1; END;
  INSERT INTO audit.entries (at, actor, action, subject_kind, subject_id, detail)
SELECT @now, COALESCE(@actor, 'system'), 'channel.grant_changed', 'channel', @name, CONCAT('{"grantee":"' + g.grantee + '"', ',"post":' + CASE WHEN g.may_post = 1 THEN 'true' ELSE 'false' END, ',"read":' + CASE WHEN g.may_read = 1 THEN 'true' ELSE 'false' END, ',"manage":' + CASE WHEN g.may_manage = 1 THEN 'true' ELSE 'false' END, '}')
FROM (SELECT @grantee AS grantee, @post AS may_post, @read AS may_read, @manage AS may_manage) AS g;
  COMMIT TRANSACTION;
END;
SELECT 0 AS item, @code AS code;
