-- The old token is read with what the new one gets, and of the renewals that nobody has used yet all but the newest:
-- with the one that is made here PENDING_RENEWALS_MAX live.
CREATE PROCEDURE release.renew_tokens
  @items nvarchar(max),
  @clockOffset bigint
AS
-- include: parts/prologue.sql
-- Credentials that end in this batch. renewed_by: the renewal whose first use ends it.
DECLARE @ending TABLE (credential_id varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL PRIMARY KEY, actor varchar(128) COLLATE Latin1_General_100_BIN2 NULL, kind varchar(24) COLLATE Latin1_General_100_BIN2 NOT NULL,
  agent_id varchar(128) COLLATE Latin1_General_100_BIN2 NULL, renewed_by varchar(128) COLLATE Latin1_General_100_BIN2 NULL);
DECLARE @renewing TABLE (item int NOT NULL PRIMARY KEY, credential_id varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL, old_id varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL,
  secret_hash varchar(64) COLLATE Latin1_General_100_BIN2 NOT NULL, actor varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL, old_no int NULL, agent_id varchar(128) COLLATE Latin1_General_100_BIN2 NULL, is_there bit NOT NULL);
INSERT INTO @renewing (item, credential_id, old_id, secret_hash, actor, old_no, agent_id, is_there)
SELECT j.item, j.credential_id, j.old_id, j.secret_hash, COALESCE(j.actor COLLATE Latin1_General_100_BIN2, a.agent_id, 'system'), c.credential_no, a.agent_id,
  CASE WHEN t.credential_no IS NULL THEN 0 ELSE 1 END
FROM OPENJSON(@items) WITH (item int, credential_id varchar(36) '$.credentialId', old_id varchar(36) '$.oldId',
  secret_hash varchar(43) '$.secretHash', actor varchar(128)) AS j
LEFT JOIN dbo.credentials AS c ON c.credential_id = j.old_id COLLATE Latin1_General_100_BIN2 AND c.kind = 'token' AND c.revoked_at IS NULL
  AND (c.expires_at IS NULL OR c.expires_at > @now)
LEFT JOIN dbo.agents AS a ON a.agent_no = c.agent_no
LEFT JOIN dbo.credentials AS t ON t.credential_id = j.credential_id COLLATE Latin1_General_100_BIN2;
INSERT INTO @ending (credential_id, actor, kind, agent_id)
SELECT p.credential_id, p.actor, p.kind, p.agent_id
FROM (SELECT c.credential_id, r.actor, c.kind, r.agent_id,
    ROW_NUMBER() OVER (PARTITION BY c.renews ORDER BY c.credential_no DESC) AS place
  FROM @renewing AS r JOIN dbo.credentials AS c ON c.renews = r.old_id
  WHERE r.old_no IS NOT NULL AND r.is_there = 0 AND c.renews IS NOT NULL AND c.last_used_at IS NULL AND c.revoked_at IS NULL) AS p
WHERE p.place >= 5 /* PENDING_RENEWALS_MAX */;
IF EXISTS (SELECT 1 FROM @renewing AS r WHERE r.old_no IS NOT NULL AND r.is_there = 0)
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
  INSERT INTO dbo.credentials (credential_id, kind, agent_no, secret_hash, label, created_at, created_by, expires_at,
    enrolled_by, capabilities, max_concurrent_tasks, idle_days, renews)
  SELECT r.credential_id, 'token', c.agent_no, r.secret_hash, c.label, @now, r.actor, @now + (c.expires_at - c.created_at),
    c.enrolled_by, c.capabilities, c.max_concurrent_tasks, c.idle_days, c.credential_id
  FROM @renewing AS r JOIN dbo.credentials AS c ON c.credential_no = r.old_no
  WHERE r.is_there = 0 AND c.revoked_at IS NULL ORDER BY r.item;
  IF @@ROWCOUNT <> (SELECT COUNT(*) FROM @renewing AS r WHERE r.old_no IS NOT NULL AND r.is_there = 0)
BEGIN ROLLBACK TRANSACTION; RETURN 1; END;
  INSERT INTO audit.entries (at, actor, action, subject_kind, subject_id, detail)
  SELECT @now, COALESCE(r.actor, 'system'), 'credential.renewed', 'credential', r.credential_id, CONCAT('{"agentId":"' + r.agent_id + '"', ',"renews":"' + r.old_id + '"', '}')
  FROM @renewing AS r WHERE r.old_no IS NOT NULL AND r.is_there = 0 ORDER BY r.item;
  COMMIT TRANSACTION;
END;
SELECT r.item, NULL AS code, NULL AS subject FROM @renewing AS r;
SELECT x.item, c.credential_no, c.credential_id, c.kind, c.secret_hash, c.label, c.created_at, c.created_by,
  c.expires_at, c.revoked_at, c.last_used_at, c.roles, c.agent_id_prefix, c.max_uses, c.uses_left, c.subject, c.thumbprint,
  c.agent_ids, c.enrolled_by, c.capabilities, c.max_concurrent_tasks, c.idle_days, c.token_days, c.renews, a.agent_id, a.role, a.status
FROM @renewing AS x JOIN dbo.credentials AS c ON c.credential_id = x.credential_id
LEFT JOIN dbo.agents AS a ON a.agent_no = c.agent_no;
