-- Who replaces a token at this moment waits for its row, or is waited for: then the id is no longer there. The first
-- use of a renewal ends the token that was renewed, in the same transaction.
CREATE PROCEDURE release.use_credentials
  @items nvarchar(max),
  @clockOffset bigint
AS
-- include: parts/prologue.sql
-- Credentials that end in this batch. renewed_by: the renewal whose first use ends it.
DECLARE @ending TABLE (credential_id varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL PRIMARY KEY, actor varchar(128) COLLATE Latin1_General_100_BIN2 NULL, kind varchar(24) COLLATE Latin1_General_100_BIN2 NOT NULL,
  agent_id varchar(128) COLLATE Latin1_General_100_BIN2 NULL, renewed_by varchar(128) COLLATE Latin1_General_100_BIN2 NULL);
DECLARE @named TABLE (credential_id varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL PRIMARY KEY, item int NOT NULL, actor varchar(128) COLLATE Latin1_General_100_BIN2 NULL);
INSERT INTO @named (credential_id, item, actor)
SELECT j.credential_id, j.item, j.actor
FROM OPENJSON(@items) WITH (item int, credential_id varchar(36) '$.credentialId', actor varchar(128)) AS j;
INSERT INTO @ending (credential_id, actor, kind, agent_id, renewed_by)
SELECT old.credential_id, MIN(n.actor), MIN(old.kind), MIN(a.agent_id), MIN(c.credential_id)
FROM @named AS n JOIN dbo.credentials AS c ON c.credential_id = n.credential_id
JOIN dbo.credentials AS old ON old.credential_id = c.renews JOIN dbo.agents AS a ON a.agent_no = old.agent_no
WHERE c.last_used_at IS NULL AND c.revoked_at IS NULL AND old.revoked_at IS NULL GROUP BY old.credential_id;
BEGIN TRANSACTION;
UPDATE c SET last_used_at = @now
FROM @named AS n JOIN dbo.credentials AS c ON c.credential_id = n.credential_id
WHERE c.revoked_at IS NULL AND (c.last_used_at IS NULL OR c.last_used_at <= @now - 86400000 /* CREDENTIAL_USE_MILLISECONDS */)
OPTION (LOOP JOIN, FORCE ORDER);
IF EXISTS (SELECT 1 FROM @ending AS e)
BEGIN
  -- Who ends one of them meanwhile makes this batch lose the race.
  UPDATE c SET revoked_at = @now
  FROM @ending AS e JOIN dbo.credentials AS c ON c.credential_id = e.credential_id WHERE c.revoked_at IS NULL
  OPTION (LOOP JOIN, FORCE ORDER);
  IF @@ROWCOUNT <> (SELECT COUNT(*) FROM @ending AS e) BEGIN ROLLBACK TRANSACTION; RETURN 1; END;
  INSERT INTO audit.entries (at, actor, action, subject_kind, subject_id, detail)
  SELECT @now, COALESCE(c.actor, 'system'), 'credential.revoked', 'credential', c.credential_id, CONCAT('{"kind":"' + c.kind + '"', ',"agentId":"' + c.agent_id + '"', ',"renewedBy":"' + c.renewed_by + '"', '}')
  FROM @ending AS c ORDER BY c.credential_id;
END;
COMMIT TRANSACTION;
SELECT n.item, NULL AS code, NULL AS subject, CASE WHEN c.credential_no IS NULL THEN 0 ELSE 1 END AS live
FROM @named AS n LEFT JOIN dbo.credentials AS c ON c.credential_id = n.credential_id AND c.revoked_at IS NULL;
