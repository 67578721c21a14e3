-- Ends credentials and adds one, as rules/credentials.ts has decided. Who ends one of them meanwhile, or the token that is
-- renewed, makes this one lose the race.
CREATE PROCEDURE release.write_credentials
  @operation uniqueidentifier,
  @try int,
  @now bigint,
  @entries nvarchar(max),
  @ended nvarchar(max),
  @credential_id varchar(128),
  @kind varchar(64),
  @agent_no int,
  @secret_hash varchar(64),
  @label nvarchar(128),
  @created_by varchar(128),
  @expires_at bigint,
  @roles nvarchar(256),
  @agent_id_prefix varchar(128),
  @max_uses int,
  @uses_left int,
  @subject nvarchar(512),
  @thumbprint varchar(64),
  @agent_ids nvarchar(max),
  @enrolled_by varchar(128),
  @capabilities nvarchar(max),
  @max_concurrent_tasks int,
  @idle_days int,
  @token_days int,
  @renews varchar(128)
AS
-- include: parts/begin-decided.sql
DECLARE @ending TABLE (credential_id varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL PRIMARY KEY);
INSERT INTO @ending (credential_id)
SELECT CAST(j.value AS varchar(128)) COLLATE Latin1_General_100_BIN2 FROM OPENJSON(@ended) AS j;
DECLARE @endingRows int = @@ROWCOUNT;
BEGIN TRANSACTION;
UPDATE c SET revoked_at = @now
FROM @ending AS e JOIN dbo.credentials AS c ON c.credential_id = e.credential_id WHERE c.revoked_at IS NULL
OPTION (LOOP JOIN, FORCE ORDER);
IF @@ROWCOUNT <> @endingRows BEGIN ROLLBACK TRANSACTION; RETURN 1; END;
IF @credential_id IS NOT NULL
BEGIN
  INSERT INTO dbo.credentials (credential_id, kind, agent_no, secret_hash, label, created_at, created_by, expires_at, roles,
    agent_id_prefix, max_uses, uses_left, subject, thumbprint, agent_ids, enrolled_by, capabilities, max_concurrent_tasks,
    idle_days, token_days, renews)
  SELECT @credential_id, @kind, @agent_no, @secret_hash, @label, @now, @created_by, @expires_at, @roles,
    @agent_id_prefix, @max_uses, @uses_left, @subject, @thumbprint, @agent_ids, @enrolled_by, @capabilities, @max_concurrent_tasks,
    @idle_days, @token_days, @renews
  WHERE @renews IS NULL OR EXISTS (SELECT 1 FROM dbo.credentials AS c WHERE c.credential_id = @renews AND c.revoked_at IS NULL);
  IF @@ROWCOUNT <> 1 BEGIN ROLLBACK TRANSACTION; RETURN 1; END;
END;
-- include: parts/keep-decision.sql
COMMIT TRANSACTION;
