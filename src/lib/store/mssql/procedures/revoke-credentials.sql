-- Revokes credentials. The entry of the audit says who did it.
CREATE PROCEDURE release.revoke_credentials
  @items nvarchar(max),
  @clockOffset bigint
AS
-- include: parts/prologue.sql
-- Credentials that end in this batch. renewed_by: the renewal whose first use ends it.
DECLARE @ending TABLE (credential_id varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL PRIMARY KEY, actor varchar(128) COLLATE Latin1_General_100_BIN2 NULL, kind varchar(24) COLLATE Latin1_General_100_BIN2 NOT NULL,
  agent_id varchar(128) COLLATE Latin1_General_100_BIN2 NULL, renewed_by varchar(128) COLLATE Latin1_General_100_BIN2 NULL);
DECLARE @revoked TABLE (credential_id varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL PRIMARY KEY, item int NOT NULL, actor varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL,
  kind varchar(24) COLLATE Latin1_General_100_BIN2 NULL, agent_id varchar(128) COLLATE Latin1_General_100_BIN2 NULL, live bit NOT NULL);
INSERT INTO @revoked (credential_id, item, actor, kind, agent_id, live)
SELECT j.credential_id, j.item, j.actor, c.kind, a.agent_id, CASE WHEN c.credential_no IS NOT NULL AND c.revoked_at IS NULL THEN 1 ELSE 0 END
FROM OPENJSON(@items) WITH (item int, credential_id varchar(36) '$.credentialId', actor varchar(128)) AS j
LEFT JOIN dbo.credentials AS c ON c.credential_id = j.credential_id COLLATE Latin1_General_100_BIN2
LEFT JOIN dbo.agents AS a ON a.agent_no = c.agent_no;
INSERT INTO @ending (credential_id, actor, kind, agent_id)
SELECT r.credential_id, r.actor, r.kind, r.agent_id FROM @revoked AS r WHERE r.live = 1;
INSERT INTO @ending (credential_id, actor, kind, agent_id)
SELECT c.credential_id, r.actor, c.kind, r.agent_id
FROM @revoked AS r JOIN dbo.credentials AS c ON c.renews = r.credential_id
WHERE r.live = 1 AND c.renews IS NOT NULL AND c.last_used_at IS NULL AND c.revoked_at IS NULL
  AND NOT EXISTS (SELECT 1 FROM @ending AS e WHERE e.credential_id = c.credential_id);
IF EXISTS (SELECT 1 FROM @ending AS e)
BEGIN
  BEGIN TRANSACTION;
  -- Who ends one of them meanwhile makes this batch lose the race.
  UPDATE c SET revoked_at = @now
  FROM @ending AS e JOIN dbo.credentials AS c ON c.credential_id = e.credential_id WHERE c.revoked_at IS NULL
  OPTION (LOOP JOIN, FORCE ORDER);
  IF @@ROWCOUNT <> (SELECT COUNT(*) FROM @ending AS e) BEGIN ROLLBACK TRANSACTION; RETURN 1; END;
  INSERT INTO audit.entries (at, actor, action, subject_kind, subject_id, detail)
  SELECT @now, COALESCE(c.actor, 'system'), 'credential.revoked', 'credential', c.credential_id, CONCAT('{"kind":"' + c.kind + '"', ',"agentId":"' + c.agent_id + '"', ',"renewedBy":"' + c.renewed_by + '"', '}')
  FROM @ending AS c ORDER BY c.credential_id;
  COMMIT TRANSACTION;
END;
SELECT r.item, NULL AS code, NULL AS subject FROM @revoked AS r;
SELECT x.item, c.credential_no, c.credential_id, c.kind, c.secret_hash, c.label, c.created_at, c.created_by,
  c.expires_at, c.revoked_at, c.last_used_at, c.roles, c.agent_id_prefix, c.max_uses, c.uses_left, c.subject, c.thumbprint,
  c.agent_ids, c.enrolled_by, c.capabilities, c.max_concurrent_tasks, c.idle_days, c.token_days, c.renews, a.agent_id, a.role, a.status
FROM @revoked AS x JOIN dbo.credentials AS c ON c.credential_id = x.credential_id
LEFT JOIN dbo.agents AS a ON a.agent_no = c.agent_no;
