-- The procedure of the audit's owner decides what may go; the app may do no more than ask.
CREATE PROCEDURE release.drop_oldest_block
  @auditRetention bigint,
  @clockOffset bigint
AS
-- include: parts/prologue.sql
DECLARE @before bigint = @now - @auditRetention, @blockNo bigint, @entries int;
EXEC audit.drop_oldest_block @before = @before, @blockNo = @blockNo OUTPUT, @entries = @entries OUTPUT;
SELECT @entries AS done, @blockNo AS block_no;
