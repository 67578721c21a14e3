-- By id, as nearly all are: agents with tokens of their own.
CREATE PROCEDURE release.find_credentials_by_id
  @items nvarchar(max),
  @clockOffset bigint
AS
-- include: parts/prologue.sql
DECLARE @wanted TABLE (item int NOT NULL PRIMARY KEY, credential_id varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL);
INSERT INTO @wanted (item, credential_id)
SELECT j.item, j.credential_id FROM OPENJSON(@items) WITH (item int, credential_id varchar(36) '$.credentialId') AS j;
SELECT x.item, NULL AS code, NULL AS subject FROM @wanted AS x;
SELECT x.item, c.credential_no, c.credential_id, c.kind, c.secret_hash, c.label, c.created_at, c.created_by,
  c.expires_at, c.revoked_at, c.last_used_at, c.roles, c.agent_id_prefix, c.max_uses, c.uses_left, c.subject, c.thumbprint,
  c.agent_ids, c.enrolled_by, c.capabilities, c.max_concurrent_tasks, c.idle_days, c.token_days, c.renews, a.agent_id, a.role, a.status
FROM @wanted AS x JOIN dbo.credentials AS c ON c.credential_id = x.credential_id
LEFT JOIN dbo.agents AS a ON a.agent_no = c.agent_no;
