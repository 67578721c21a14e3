-- The call and whom it names; in @agents, one row of the agent when it is there: its number, and when it became a
-- member.
-- include: parts/prologue.sql
DECLARE @name varchar(100), @agentId varchar(128), @actor varchar(128), @code varchar(24), @channelNo int, @held int,
  @agentNo int, @status varchar(24), @addedAt bigint;
SELECT @name = x.name, @agentId = x.agent_id, @actor = x.actor
FROM OPENJSON(@items) WITH (name varchar(100), agent_id varchar(128), actor varchar(128)) AS x;
SELECT @channelNo = c.channel_no, @held = c.members FROM dbo.channels AS c WHERE c.name = @name;
SELECT @agentNo = a.agent_no, @status = a.status FROM dbo.agents AS a WHERE a.agent_id = @agentId;
SET @addedAt = (SELECT m.added_at FROM dbo.channel_members AS m WHERE m.channel_no = @channelNo AND m.agent_no = @agentNo);
IF @channelNo IS NULL SET @code = 'CHANNEL_NOT_FOUND';
