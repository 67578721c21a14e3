-- Replaces values of one kind by what they are under the new version of the key. What is replaced is chosen first; that it
-- is still the same value, its place and version tell: a place is never used again.
CREATE PROCEDURE release.replace_outdated_archived_result
  @items nvarchar(max),
  @clockOffset bigint
AS
-- include: parts/prologue.sql
-- include: parts/choose-outdated.sql
--   placeType = varchar(128) COLLATE Latin1_General_100_BIN2
--   place = x.task_id
--   found = dbo.task_archive AS x ON x.task_id = r.id CROSS APPLY (SELECT v.[value] FROM OPENJSON(x.task) AS v WHERE v.[key] = N'result') AS d
--   version = x.result_key_version
--   text = d.[value]
--   given = REPLACE(REPLACE(REPLACE(REPLACE(REPLACE(t.[value] COLLATE Latin1_General_100_BIN2, NCHAR(64976), NCHAR(34)), NCHAR(64977), NCHAR(92)), NCHAR(64978), NCHAR(10)), NCHAR(64979), NCHAR(13)), NCHAR(64980), NCHAR(9))
IF @chosenRows > 0
BEGIN
  BEGIN TRANSACTION;
  UPDATE x SET task = JSON_MODIFY(x.task, '$.result', r.text), result_key_version = @keyVersion
  FROM @chosen AS c JOIN @rows AS r ON r.position = c.position JOIN dbo.task_archive AS x ON x.task_id = c.place
  WHERE x.result_key_version = r.version
  OPTION (LOOP JOIN, FORCE ORDER);
  IF @@ROWCOUNT <> @chosenRows BEGIN ROLLBACK TRANSACTION; RETURN 1; END;
  -- include: parts/audit-rotation.sql
  --   kind = 'archived_result'
  COMMIT TRANSACTION;
END;
SELECT @chosenRows AS replaced;
