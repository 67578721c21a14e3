-- The schema of a custom message type.
CREATE PROCEDURE release.find_message_type
  @type varchar(64)
AS
SELECT type, [schema], updated_at FROM dbo.message_types WHERE type = @type;
