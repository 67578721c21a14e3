-- The call, and the answer that an earlier try of it was given: its repeat would find the type as it left it.
-- include: parts/prologue.sql
DECLARE @type varchar(64), @operation uniqueidentifier, @answer nvarchar(max), @known bigint, @actor varchar(128);
SELECT @type = x.type, @operation = x.operation, @actor = x.actor
FROM OPENJSON(@items) WITH (type varchar(64), operation uniqueidentifier, actor varchar(128)) AS x;
SET @answer = (SELECT answer FROM dbo.operation_answers WHERE operation_id = @operation);
SET @known = (SELECT updated_at FROM dbo.message_types WHERE type = @type);
