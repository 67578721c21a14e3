-- A channel with its grants.
CREATE PROCEDURE release.get_channel
  @name varchar(128)
AS
DECLARE @channelNo int = (SELECT c.channel_no FROM dbo.channels AS c WHERE c.name = @name);
-- Two recordsets: the channel of @channelNo, and its grants.
SELECT c.channel_no, c.name, c.kind, c.description, c.created_by, c.created_at, c.members FROM dbo.channels AS c WHERE c.channel_no = @channelNo;
SELECT g.grantee, g.may_post, g.may_read, g.may_manage FROM dbo.channel_grants AS g WHERE g.channel_no = @channelNo;
