-- Values of one kind that are encrypted under another version of the key, after a position; two ranges of the index, before
-- and behind the version, so that what is under it is not read.
CREATE PROCEDURE release.find_outdated_archived_parameters
  @keyVersion varchar(64),
  @afterVersion varchar(64),
  @afterPlace varchar(128)
AS
-- include: parts/find-outdated.sql
--   placeType = varchar(128) COLLATE Latin1_General_100_BIN2
--   place = x.task_id
--   table = dbo.task_archive
--   version = x.key_version
--   characters = CAST(DATALENGTH(x.task) / 2 AS bigint)
--   ids = x.task_id AS id, x.task_id AS belongs_to
--   ofSystem = 0
--   text = d.[value]
--   contents = CROSS APPLY (SELECT v.[value] FROM OPENJSON(x.task) AS v WHERE v.[key] = N'parameters') AS d
