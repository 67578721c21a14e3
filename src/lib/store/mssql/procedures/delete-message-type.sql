-- Forgets the schema of a custom message type.
CREATE PROCEDURE release.delete_message_type
  @items nvarchar(max),
  @clockOffset bigint
AS
-- include: parts/message-types-read.sql
IF @answer IS NULL
BEGIN
  SET @answer = CONCAT(N'{"deleted":', CASE WHEN @known IS NULL THEN 0 ELSE 1 END, N'}');
  BEGIN TRANSACTION;
  DELETE FROM dbo.message_types WHERE type = @type;
  IF @@ROWCOUNT <> CASE WHEN @known IS NULL THEN 0 ELSE 1 END BEGIN ROLLBACK TRANSACTION; RETURN 1; END;
  INSERT INTO audit.entries (at, actor, action, subject_kind, subject_id, detail)
SELECT @now, COALESCE(@actor, 'system'), 'message_type.deleted', 'message_type', @type, '{}'
WHERE @known IS NOT NULL;
  INSERT INTO dbo.operation_answers (operation_id, answer, answered_at) VALUES (@operation, @answer, @now);
  COMMIT TRANSACTION;
END;
SELECT 0 AS item, CAST(JSON_VALUE(@answer, '$.deleted') AS int) AS deleted;
