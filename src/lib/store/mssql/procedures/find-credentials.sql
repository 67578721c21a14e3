-- What is bound by its thumbprint comes before what is bound by its subject, so it is looked for last.
CREATE PROCEDURE release.find_credentials
  @items nvarchar(max),
  @clockOffset bigint
AS
-- include: parts/prologue.sql
DECLARE @wanted TABLE (item int NOT NULL PRIMARY KEY, credential_id varchar(128) COLLATE Latin1_General_100_BIN2 NULL, kind varchar(24) COLLATE Latin1_General_100_BIN2 NULL, subject nvarchar(512) COLLATE Latin1_General_100_BIN2 NULL,
  thumbprint varchar(64) COLLATE Latin1_General_100_BIN2 NULL);
INSERT INTO @wanted (item, credential_id, kind, subject, thumbprint)
SELECT j.item, j.credential_id, j.kind, REPLACE(REPLACE(REPLACE(REPLACE(REPLACE(j.subject COLLATE Latin1_General_100_BIN2, NCHAR(64976), NCHAR(34)), NCHAR(64977), NCHAR(92)), NCHAR(64978), NCHAR(10)), NCHAR(64979), NCHAR(13)), NCHAR(64980), NCHAR(9)), j.thumbprint
FROM OPENJSON(@items) WITH (item int, credential_id varchar(36) '$.credentialId', kind varchar(24), subject nvarchar(512),
  thumbprint varchar(64)) AS j;
UPDATE x SET credential_id = c.credential_id
FROM @wanted AS x JOIN dbo.credentials AS c ON c.kind = x.kind AND c.subject = x.subject
WHERE c.subject IS NOT NULL AND c.revoked_at IS NULL;
UPDATE x SET credential_id = c.credential_id
FROM @wanted AS x JOIN dbo.credentials AS c ON c.thumbprint = x.thumbprint
WHERE c.thumbprint IS NOT NULL AND c.revoked_at IS NULL;
SELECT x.item, NULL AS code, NULL AS subject FROM @wanted AS x;
SELECT x.item, c.credential_no, c.credential_id, c.kind, c.secret_hash, c.label, c.created_at, c.created_by,
  c.expires_at, c.revoked_at, c.last_used_at, c.roles, c.agent_id_prefix, c.max_uses, c.uses_left, c.subject, c.thumbprint,
  c.agent_ids, c.enrolled_by, c.capabilities, c.max_concurrent_tasks, c.idle_days, c.token_days, c.renews, a.agent_id, a.role, a.status
FROM @wanted AS x JOIN dbo.credentials AS c ON c.credential_id = x.credential_id
LEFT JOIN dbo.agents AS a ON a.agent_no = c.agent_no;
