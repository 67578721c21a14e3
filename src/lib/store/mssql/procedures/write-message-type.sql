-- Puts a message type in the place of another as it was read (@was NULL: there was none; @schema NULL: there will be none).
CREATE PROCEDURE release.write_message_type
  @operation uniqueidentifier,
  @try int,
  @now bigint,
  @entries nvarchar(max),
  @type varchar(64),
  @was bigint,
  @schema nvarchar(max),
  @updatedAt bigint
AS
-- include: parts/begin-decided.sql
BEGIN TRANSACTION;
IF @was IS NOT NULL
BEGIN
  DELETE FROM dbo.message_types WHERE type = @type AND updated_at = @was;
  IF @@ROWCOUNT <> 1 BEGIN ROLLBACK TRANSACTION; RETURN 1; END;
END;
IF @schema IS NOT NULL INSERT INTO dbo.message_types (type, [schema], updated_at) VALUES (@type, @schema, @updatedAt);
-- include: parts/keep-decision.sql
COMMIT TRANSACTION;
