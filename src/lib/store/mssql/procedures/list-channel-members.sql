-- Members of a channel, by id.
CREATE PROCEDURE release.list_channel_members
  @name varchar(128),
  @rows int,
  @after varchar(128)
AS
DECLARE @channelNo int = (SELECT c.channel_no FROM dbo.channels AS c WHERE c.name = @name);
SELECT @channelNo AS channel_no;
SELECT TOP (@rows) a.agent_id, m.added_at
FROM dbo.channel_members AS m JOIN dbo.agents AS a ON a.agent_no = m.agent_no
WHERE m.channel_no = @channelNo AND a.agent_id > @after ORDER BY a.agent_id;
