-- In order of issue; a key that is used up ended with its last use. What has ended does not come back.
CREATE PROCEDURE release.delete_ended_credentials
  @items nvarchar(max),
  @inactiveRetention bigint,
  @clockOffset bigint
AS
-- include: parts/prologue.sql
DECLARE @aging TABLE (credential_no int NOT NULL PRIMARY KEY, ended bit NOT NULL);
DECLARE @after int = JSON_VALUE(@items, '$[0].after'), @next int, @read int, @limit bigint = @now - @inactiveRetention;
INSERT INTO @aging (credential_no, ended)
SELECT TOP (1000 /* MAINTENANCE_BATCH_ROWS */) c.credential_no, CASE WHEN c.expires_at <= @limit OR c.revoked_at <= @limit
  OR (c.kind <> 'enrolment' AND COALESCE(c.last_used_at, c.created_at) <= @limit - 86400000 /* CREDENTIAL_USE_MILLISECONDS */
    - CAST(c.idle_days AS bigint) * 86400000 /* DAY_MILLISECONDS */)
  OR (c.uses_left = 0 AND c.last_used_at <= @limit) THEN 1 ELSE 0 END
FROM dbo.credentials AS c WHERE c.credential_no > @after ORDER BY c.credential_no;
SET @read = @@ROWCOUNT;
IF @read = 1000 /* MAINTENANCE_BATCH_ROWS */ SET @next = (SELECT MAX(a.credential_no) FROM @aging AS a);
DELETE c FROM @aging AS a JOIN dbo.credentials AS c ON c.credential_no = a.credential_no WHERE a.ended = 1
OPTION (LOOP JOIN, FORCE ORDER);
SELECT @@ROWCOUNT AS done, @next AS next;
