-- Replaces values of one kind by what they are under the new version of the key. What is replaced is chosen first; that it
-- is still the same value, its place and version tell: a place is never used again.
CREATE PROCEDURE release.replace_outdated_schedule
  @items nvarchar(max),
  @clockOffset bigint
AS
-- include: parts/prologue.sql
-- include: parts/choose-outdated.sql
--   placeType = bigint
--   place = x.schedule_no
--   found = dbo.schedules AS x ON x.schedule_no = CAST(r.id AS bigint)
--   version = x.key_version
--   text = x.contents
--   given = REPLACE(REPLACE(t.[value] COLLATE Latin1_General_100_BIN2, NCHAR(64976), NCHAR(34)), NCHAR(64977), NCHAR(92))
IF @chosenRows > 0
BEGIN
  BEGIN TRANSACTION;
  UPDATE x SET contents = r.text, key_version = @keyVersion
  FROM @chosen AS c JOIN @rows AS r ON r.position = c.position JOIN dbo.schedules AS x ON x.schedule_no = c.place
  WHERE x.key_version = r.version
  OPTION (LOOP JOIN, FORCE ORDER);
  IF @@ROWCOUNT <> @chosenRows BEGIN ROLLBACK TRANSACTION; RETURN 1; END;
  -- include: parts/audit-rotation.sql
  --   kind = 'schedule'
  COMMIT TRANSACTION;
END;
SELECT @chosenRows AS replaced;
