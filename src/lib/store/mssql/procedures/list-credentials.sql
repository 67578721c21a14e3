-- A filter that is NULL is none. The plan is made for the filters that are there (RECOMPILE), so that each has its index.
CREATE PROCEDURE release.list_credentials
  @agentId varchar(128),
  @kind varchar(64),
  @rows int,
  @before bigint
AS
SELECT TOP (@rows) c.credential_no, c.credential_id, c.kind, c.secret_hash, c.label, c.created_at, c.created_by,
  c.expires_at, c.revoked_at, c.last_used_at, c.roles, c.agent_id_prefix, c.max_uses, c.uses_left, c.subject, c.thumbprint,
  c.agent_ids, c.enrolled_by, c.capabilities, c.max_concurrent_tasks, c.idle_days, c.token_days, c.renews, a.agent_id, a.role, a.status FROM dbo.credentials AS c LEFT JOIN dbo.agents AS a ON a.agent_no = c.agent_no
WHERE c.credential_no < @before AND (@kind IS NULL OR c.kind = @kind) AND (@agentId IS NULL OR (c.agent_no IS NOT NULL
  AND c.agent_no = (SELECT x.agent_no FROM dbo.agents AS x WHERE x.agent_id = @agentId)))
ORDER BY c.credential_no DESC
OPTION (RECOMPILE);
