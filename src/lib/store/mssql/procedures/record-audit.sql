-- Adds entries to the audit that belong to no other change. The repeat of a call whose answer was lost adds none.
CREATE PROCEDURE release.record_audit
  @operation uniqueidentifier,
  @entries nvarchar(max),
  @clockOffset bigint
AS
-- include: parts/prologue.sql
DECLARE @try int = 0;
IF EXISTS (SELECT 1 FROM dbo.operation_answers AS o WHERE o.operation_id = @operation) RETURN;
BEGIN TRANSACTION;
-- include: parts/keep-decision.sql
COMMIT TRANSACTION;
