-- A channel with what an agent may do in it: as a member, by a grant of its own, or by one of its role.
CREATE PROCEDURE release.find_channel_access
  @agentId varchar(128),
  @roleGrantee varchar(128),
  @name varchar(128)
AS
SELECT c.kind,
  CASE WHEN EXISTS (SELECT 1 FROM dbo.agents AS a JOIN dbo.channel_members AS m ON m.agent_no = a.agent_no
    WHERE a.agent_id = @agentId AND m.channel_no = c.channel_no) THEN 1 ELSE 0 END AS member,
  g.may_post, g.may_read, g.may_manage
FROM dbo.channels AS c
CROSS APPLY (SELECT COALESCE(MAX(CAST(x.may_post AS int)), 0) AS may_post, COALESCE(MAX(CAST(x.may_read AS int)), 0) AS may_read,
    COALESCE(MAX(CAST(x.may_manage AS int)), 0) AS may_manage
  FROM dbo.channel_grants AS x WHERE x.channel_no = c.channel_no AND x.grantee IN (@agentId, @roleGrantee)) AS g
WHERE c.name = @name;
