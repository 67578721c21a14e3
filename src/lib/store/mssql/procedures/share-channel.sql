-- Whether two agents are members of one channel.
CREATE PROCEDURE release.share_channel
  @agentId varchar(128),
  @otherId varchar(128)
AS
SELECT TOP (1) 1 AS shared FROM dbo.agents AS a JOIN dbo.channel_members AS x ON x.agent_no = a.agent_no
JOIN dbo.channel_members AS y ON y.channel_no = x.channel_no
JOIN dbo.agents AS b ON b.agent_no = y.agent_no
WHERE a.agent_id = @agentId AND b.agent_id = @otherId;
