-- What the rules of credentials look at: credentials by their ids, renewals of them that nobody has used yet, an agent, and
-- whether a subject or thumbprint is bound; of a token that is renewed, how many valid ones its agent has.
CREATE PROCEDURE release.read_credentials
  @operation uniqueidentifier,
  @credentialId varchar(128),
  @renews varchar(128),
  @agentId varchar(128),
  @kind varchar(64),
  @subject nvarchar(512),
  @thumbprint varchar(64),
  @clockOffset bigint
AS
-- include: parts/find-decision.sql
SELECT c.agent_no, c.credential_no, c.credential_id, c.kind, c.secret_hash, c.label, c.created_at, c.created_by,
  c.expires_at, c.revoked_at, c.last_used_at, c.roles, c.agent_id_prefix, c.max_uses, c.uses_left, c.subject, c.thumbprint,
  c.agent_ids, c.enrolled_by, c.capabilities, c.max_concurrent_tasks, c.idle_days, c.token_days, c.renews, a.agent_id, a.role, a.status
FROM dbo.credentials AS c LEFT JOIN dbo.agents AS a ON a.agent_no = c.agent_no WHERE c.credential_id IN (@credentialId, @renews);
SELECT c.credential_id, c.kind, c.renews, a.agent_id
FROM dbo.credentials AS c JOIN dbo.agents AS a ON a.agent_no = c.agent_no
WHERE c.renews IN (@credentialId, @renews) AND c.renews IS NOT NULL AND c.last_used_at IS NULL AND c.revoked_at IS NULL
ORDER BY c.credential_no DESC;
SELECT (SELECT a.agent_no FROM dbo.agents AS a WHERE a.agent_id = @agentId) AS agent_no,
  CASE WHEN EXISTS (SELECT 1 FROM dbo.credentials AS c WHERE c.kind = @kind AND c.subject = @subject AND c.subject IS NOT NULL
      AND c.revoked_at IS NULL)
    OR EXISTS (SELECT 1 FROM dbo.credentials AS c WHERE c.thumbprint = @thumbprint AND c.thumbprint IS NOT NULL
      AND c.revoked_at IS NULL) THEN 1 ELSE 0 END AS bound,
  CASE WHEN @renews IS NULL THEN 0 ELSE (SELECT COUNT(*) FROM (SELECT TOP (105 /* LIVE_TOKENS_MAX + PENDING_RENEWALS_MAX */) c.credential_no
    FROM dbo.credentials AS c WHERE c.agent_no = (SELECT t.agent_no FROM dbo.credentials AS t WHERE t.credential_id = @renews)
      AND c.kind = 'token' AND c.revoked_at IS NULL AND (c.expires_at IS NULL OR c.expires_at > @now)) AS live) END AS live_tokens;
