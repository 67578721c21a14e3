-- A credential that is there under its id was written by this call, whose answer was lost. (The ids of a principal's
-- agents and the capabilities are read from the default columns of OPENJSON: a WITH clause may cut them at 4,000
-- characters.)
CREATE PROCEDURE release.issue_credentials
  @items nvarchar(max),
  @clockOffset bigint
AS
-- include: parts/prologue.sql
DECLARE @issued TABLE (item int NOT NULL PRIMARY KEY, credential_id varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL, kind varchar(24) COLLATE Latin1_General_100_BIN2 NOT NULL,
  agent_id varchar(128) COLLATE Latin1_General_100_BIN2 NULL, agent_no int NULL, secret_hash varchar(64) COLLATE Latin1_General_100_BIN2 NULL, label nvarchar(128) NULL, actor varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL,
  expires_in bigint NULL, roles nvarchar(256) NULL, agent_id_prefix varchar(128) COLLATE Latin1_General_100_BIN2 NULL, max_uses int NULL, subject nvarchar(512) COLLATE Latin1_General_100_BIN2 NULL,
  thumbprint varchar(64) COLLATE Latin1_General_100_BIN2 NULL, agent_ids nvarchar(max) NULL, capabilities nvarchar(max) NULL, max_concurrent_tasks int NULL,
  idle_days int NULL, token_days int NULL, code varchar(24) COLLATE Latin1_General_100_BIN2 NULL);
INSERT INTO @issued (item, credential_id, kind, agent_id, agent_no, secret_hash, label, actor, expires_in, roles,
  agent_id_prefix, max_uses, subject, thumbprint, max_concurrent_tasks, idle_days, token_days)
SELECT j.item, j.credential_id, j.kind, j.agent_id, a.agent_no, j.secret_hash, REPLACE(REPLACE(REPLACE(REPLACE(REPLACE(j.label COLLATE Latin1_General_100_BIN2, NCHAR(64976), NCHAR(34)), NCHAR(64977), NCHAR(92)), NCHAR(64978), NCHAR(10)), NCHAR(64979), NCHAR(13)), NCHAR(64980), NCHAR(9)), j.actor, j.expires_in,
  REPLACE(REPLACE(REPLACE(REPLACE(REPLACE(j.roles COLLATE Latin1_General_100_BIN2, NCHAR(64976), NCHAR(34)), NCHAR(64977), NCHAR(92)), NCHAR(64978), NCHAR(10)), NCHAR(64979), NCHAR(13)), NCHAR(64980), NCHAR(9)), j.agent_id_prefix, j.max_uses, REPLACE(REPLACE(REPLACE(REPLACE(REPLACE(j.subject COLLATE Latin1_General_100_BIN2, NCHAR(64976), NCHAR(34)), NCHAR(64977), NCHAR(92)), NCHAR(64978), NCHAR(10)), NCHAR(64979), NCHAR(13)), NCHAR(64980), NCHAR(9)), j.thumbprint, j.max_concurrent_tasks,
  j.idle_days, j.token_days
FROM OPENJSON(@items) WITH (item int, credential_id varchar(36) '$.credentialId', kind varchar(24), agent_id varchar(128) '$.agentId',
  secret_hash varchar(43) '$.secretHash', label nvarchar(128), actor varchar(128),
  expires_in bigint '$.expiresInMilliseconds', roles nvarchar(256), agent_id_prefix varchar(128) '$.agentIdPrefix',
  max_uses int '$.maxUses', subject nvarchar(512), thumbprint varchar(64), max_concurrent_tasks int '$.maxConcurrentTasks',
  idle_days int '$.idleDays', token_days int '$.tokenDays') AS j
LEFT JOIN dbo.agents AS a ON a.agent_id = j.agent_id COLLATE Latin1_General_100_BIN2;
UPDATE i SET agent_ids = REPLACE(REPLACE(REPLACE(REPLACE(REPLACE(v.value COLLATE Latin1_General_100_BIN2, NCHAR(64976), NCHAR(34)), NCHAR(64977), NCHAR(92)), NCHAR(64978), NCHAR(10)), NCHAR(64979), NCHAR(13)), NCHAR(64980), NCHAR(9))
FROM @issued AS i JOIN OPENJSON(@items) AS o ON o.[key] = i.item CROSS APPLY OPENJSON(o.value) AS v
WHERE v.[key] = 'agentIds' AND v.value IS NOT NULL;
UPDATE i SET capabilities = REPLACE(REPLACE(REPLACE(REPLACE(REPLACE(v.value COLLATE Latin1_General_100_BIN2, NCHAR(64976), NCHAR(34)), NCHAR(64977), NCHAR(92)), NCHAR(64978), NCHAR(10)), NCHAR(64979), NCHAR(13)), NCHAR(64980), NCHAR(9))
FROM @issued AS i JOIN OPENJSON(@items) AS o ON o.[key] = i.item CROSS APPLY OPENJSON(o.value) AS v
WHERE v.[key] = 'capabilities' AND v.value IS NOT NULL;
UPDATE i SET code = CASE WHEN EXISTS (SELECT 1 FROM dbo.credentials AS c WHERE c.credential_id = i.credential_id) THEN 'THERE'
  WHEN i.agent_id IS NOT NULL AND i.agent_no IS NULL THEN 'AGENT_NOT_FOUND'
  WHEN EXISTS (SELECT 1 FROM dbo.credentials AS c WHERE c.kind = i.kind AND c.subject = i.subject AND c.subject IS NOT NULL
    AND c.revoked_at IS NULL) THEN 'ID_TAKEN'
  WHEN EXISTS (SELECT 1 FROM dbo.credentials AS c WHERE c.thumbprint = i.thumbprint AND c.thumbprint IS NOT NULL
    AND c.revoked_at IS NULL) THEN 'ID_TAKEN' END
FROM @issued AS i;
IF EXISTS (SELECT 1 FROM @issued AS i WHERE i.code IS NULL)
BEGIN
  BEGIN TRANSACTION;
  INSERT INTO dbo.credentials (credential_id, kind, agent_no, secret_hash, label, created_at, created_by, expires_at, roles,
  agent_id_prefix, max_uses, uses_left, subject, thumbprint, agent_ids, capabilities, max_concurrent_tasks, idle_days, token_days)
SELECT i.credential_id, i.kind, i.agent_no, i.secret_hash, i.label, @now, i.actor, @now + i.expires_in, i.roles,
  i.agent_id_prefix, i.max_uses, i.max_uses, i.subject, i.thumbprint, i.agent_ids, i.capabilities, i.max_concurrent_tasks,
  i.idle_days, i.token_days
FROM @issued AS i WHERE i.code IS NULL ORDER BY i.item;
  INSERT INTO audit.entries (at, actor, action, subject_kind, subject_id, detail)
SELECT @now, COALESCE(c.actor, 'system'), 'credential.issued', 'credential', c.credential_id, CONCAT('{"kind":"' + c.kind + '"', ',"agentId":"' + c.agent_id + '"', '}')
FROM @issued AS c WHERE c.code IS NULL ORDER BY c.item;
  COMMIT TRANSACTION;
END;
SELECT i.item, CASE WHEN i.code <> 'THERE' THEN i.code END AS code, NULL AS subject FROM @issued AS i;
SELECT x.item, c.credential_no, c.credential_id, c.kind, c.secret_hash, c.label, c.created_at, c.created_by,
  c.expires_at, c.revoked_at, c.last_used_at, c.roles, c.agent_id_prefix, c.max_uses, c.uses_left, c.subject, c.thumbprint,
  c.agent_ids, c.enrolled_by, c.capabilities, c.max_concurrent_tasks, c.idle_days, c.token_days, c.renews, a.agent_id, a.role, a.status
FROM @issued AS x JOIN dbo.credentials AS c ON c.credential_id = x.credential_id
LEFT JOIN dbo.agents AS a ON a.agent_no = c.agent_no;
