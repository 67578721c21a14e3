-- @agentId: only what that agent may read: as a member, by a grant of its own, or by one of its role (@roleGrantee).
-- A filter that is NULL is none. The plan is made for the filters that are there (RECOMPILE), so that each has its index.
CREATE PROCEDURE release.list_channels
  @kind varchar(64),
  @agentId varchar(128),
  @roleGrantee varchar(128),
  @rows int,
  @after varchar(128)
AS
SELECT TOP (@rows) c.channel_no, c.name, c.kind, c.description, c.created_by, c.created_at, c.members FROM dbo.channels AS c
WHERE c.name > @after AND (@kind IS NULL OR c.kind = @kind) AND (@agentId IS NULL OR c.channel_no IN (
  SELECT m.channel_no FROM dbo.agents AS a JOIN dbo.channel_members AS m ON m.agent_no = a.agent_no WHERE a.agent_id = @agentId
  UNION ALL SELECT g.channel_no FROM dbo.channel_grants AS g WHERE g.grantee IN (@agentId, @roleGrantee) AND g.may_read = 1))
ORDER BY c.name
OPTION (RECOMPILE);
