-- What the rules of message types look at.
CREATE PROCEDURE release.read_message_type
  @operation uniqueidentifier,
  @type varchar(64),
  @clockOffset bigint
AS
-- include: parts/find-decision.sql
SELECT t.type, t.[schema], t.updated_at FROM dbo.message_types AS t WHERE t.type = @type;
