-- Calls of one message each without an ordering key: nearly all.
CREATE PROCEDURE release.send_message
  @items nvarchar(max),
  @maxMailbox int,
  @share int,
  @auditMessages bit,
  @renewalMilliseconds int,
  @clockOffset bigint
AS
-- include: parts/prologue.sql
-- include: parts/read-sends.sql
DECLARE @accepted bigint = (SELECT COUNT(*) FROM @sends WHERE accepted = 1);
IF @accepted > 0
BEGIN
  DECLARE @number bigint, @second varchar(48) = CONCAT('accepted:', @now / 1000);
  BEGIN TRANSACTION;
  -- include: parts/insert-sends.sql
  COMMIT TRANSACTION;
END;
-- include: parts/answer-sends.sql
