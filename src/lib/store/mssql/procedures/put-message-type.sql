-- Registers or replaces the schema of a custom message type.
CREATE PROCEDURE release.put_message_type
  @items nvarchar(max),
  @clockOffset bigint
AS
-- include: parts/message-types-read.sql
IF @answer IS NULL
BEGIN
  DECLARE @updatedAt bigint = CASE WHEN @known >= @now THEN @known + 1 ELSE @now END;
  DECLARE @schema nvarchar(max) = (SELECT REPLACE(REPLACE(v.value COLLATE Latin1_General_100_BIN2, NCHAR(64976), NCHAR(34)), NCHAR(64977), NCHAR(92)) FROM OPENJSON(@items) AS i CROSS APPLY OPENJSON(i.value) AS v
    WHERE v.[key] = 'schema');
  SET @answer = CONCAT(N'{"created":', CASE WHEN @known IS NULL THEN 1 ELSE 0 END, N',"updatedAt":', @updatedAt, N'}');
  BEGIN TRANSACTION;
  IF @known IS NULL INSERT INTO dbo.message_types (type, [schema], updated_at) VALUES (@type, @schema, @updatedAt);
  ELSE
  BEGIN
    UPDATE dbo.message_types SET [schema] = @schema, updated_at = @updatedAt WHERE type = @type AND updated_at = @known;
    IF @@ROWCOUNT <> 1 BEGIN ROLLBACK TRANSACTION; RETURN 1; END;
  END;
  INSERT INTO audit.entries (at, actor, action, subject_kind, subject_id, detail)
SELECT @now, COALESCE(@actor, 'system'), 'message_type.put', 'message_type', @type, CONCAT('{"created":' + CASE WHEN CASE WHEN @known IS NULL THEN 1 ELSE 0 END = 1 THEN 'true' ELSE 'false' END, '}');
  INSERT INTO dbo.operation_answers (operation_id, answer, answered_at) VALUES (@operation, @answer, @now);
  COMMIT TRANSACTION;
END;
SELECT 0 AS item, CAST(JSON_VALUE(@answer, '$.created') AS int) AS created, CAST(JSON_VALUE(@answer, '$.updatedAt') AS bigint) AS updated_at;
