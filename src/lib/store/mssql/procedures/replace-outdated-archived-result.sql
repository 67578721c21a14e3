-- Replaces values of one kind by what they are under the new version of the key. What is replaced is chosen first; that it
-- is still the same value, its place and version tell: a place is never used again.
CREATE PROCEDURE release.replace_outdated_archived_result
  @items nvarchar(max),
  @clockOffset bigint
AS
-- include: parts/prologue.sql
DECLARE @chosen TABLE (position int NOT NULL PRIMARY KEY, place varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL);
DECLARE @chosenRows int, @keyVersion varchar(64) = JSON_VALUE(@items, '$[0].keyVersion'),
  @actor varchar(128) = JSON_VALUE(@items, '$[0].actor');
DECLARE @rows TABLE (position int NOT NULL PRIMARY KEY, [id] varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL, [version] varchar(64) COLLATE Latin1_General_100_BIN2, [was] nvarchar(max) NULL, [text] nvarchar(max) NULL);
INSERT INTO @rows (position, [id], [version])
SELECT r.position, r.[id], r.[version]
FROM OPENJSON(@items, '$[0].rows') WITH (position int, [id] varchar(128), [version] varchar(64)) AS r;
UPDATE r SET [was] = REPLACE(REPLACE(REPLACE(REPLACE(REPLACE(t.[value] COLLATE Latin1_General_100_BIN2, NCHAR(64976), NCHAR(34)), NCHAR(64977), NCHAR(92)), NCHAR(64978), NCHAR(10)), NCHAR(64979), NCHAR(13)), NCHAR(64980), NCHAR(9))
FROM OPENJSON(@items, '$[0].rows_was') AS t JOIN @rows AS r ON r.position = CAST(t.[key] AS int)
OPTION (LOOP JOIN, FORCE ORDER);
UPDATE r SET [text] = REPLACE(REPLACE(REPLACE(REPLACE(REPLACE(t.[value] COLLATE Latin1_General_100_BIN2, NCHAR(64976), NCHAR(34)), NCHAR(64977), NCHAR(92)), NCHAR(64978), NCHAR(10)), NCHAR(64979), NCHAR(13)), NCHAR(64980), NCHAR(9))
FROM OPENJSON(@items, '$[0].rows_text') AS t JOIN @rows AS r ON r.position = CAST(t.[key] AS int)
OPTION (LOOP JOIN, FORCE ORDER);
INSERT INTO @chosen (position, place)
SELECT r.position, x.task_id
FROM @rows AS r JOIN dbo.task_archive AS x ON x.task_id = r.id CROSS APPLY (SELECT v.[value] FROM OPENJSON(x.task) AS v WHERE v.[key] = N'result') AS d
WHERE x.result_key_version = r.version AND LEFT(d.[value], 512 /* COMPARED_CHARACTERS */) COLLATE Latin1_General_100_BIN2 = r.was
OPTION (LOOP JOIN, FORCE ORDER);
SET @chosenRows = @@ROWCOUNT;
IF @chosenRows > 0
BEGIN
  BEGIN TRANSACTION;
  UPDATE x SET task = JSON_MODIFY(x.task, '$.result', r.text), result_key_version = @keyVersion
  FROM @chosen AS c JOIN @rows AS r ON r.position = c.position JOIN dbo.task_archive AS x ON x.task_id = c.place
  WHERE x.result_key_version = r.version
  OPTION (LOOP JOIN, FORCE ORDER);
  IF @@ROWCOUNT <> @chosenRows BEGIN ROLLBACK TRANSACTION; RETURN 1; END;
  INSERT INTO audit.entries (at, actor, action, subject_kind, subject_id, detail)
SELECT @now, COALESCE(@actor, 'system'), 'encryption.rotated', 'encryption_key', @keyVersion, CONCAT('{"kind":"' + 'archived_result' + '"', ',"count":' + CAST(@chosenRows AS varchar(20)), '}');
  COMMIT TRANSACTION;
END;
SELECT @chosenRows AS replaced;
