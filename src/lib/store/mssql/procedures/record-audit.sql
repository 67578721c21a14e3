-- Adds entries to the audit that belong to no other change. The repeat of a call whose answer was lost adds none.
CREATE PROCEDURE release.record_audit
  @items nvarchar(max),
  @clockOffset bigint
AS
-- include: parts/prologue.sql
DECLARE @operation uniqueidentifier;
SELECT @operation = x.operation FROM OPENJSON(@items) WITH (operation uniqueidentifier) AS x;
IF NOT EXISTS (SELECT 1 FROM dbo.operation_answers AS o WHERE o.operation_id = @operation)
BEGIN
  BEGIN TRANSACTION;
  INSERT INTO audit.entries (at, actor, action, subject_kind, subject_id, detail)
SELECT @now, COALESCE(x.actor, 'system'), x.action, x.subject_kind, x.subject_id, REPLACE(REPLACE(x.detail COLLATE Latin1_General_100_BIN2, NCHAR(64976), NCHAR(34)), NCHAR(64977), NCHAR(92))
FROM OPENJSON(@items, '$[0].entries') WITH (n int, actor varchar(128), action varchar(64), subject_kind varchar(24),
  subject_id varchar(160), detail nvarchar(2000)) AS x
ORDER BY x.n;
  INSERT INTO dbo.operation_answers (operation_id, answer, answered_at) VALUES (@operation, N'{}', @now);
  COMMIT TRANSACTION;
END;
SELECT 0 AS item, 1 AS done;
