-- Values of one kind that are encrypted under another version of the key, after a position; two ranges of the index, before
-- and behind the version, so that what is under it is not read.
CREATE PROCEDURE release.find_outdated_task_value
  @keyVersion varchar(64),
  @afterVersion varchar(64),
  @afterPlace bigint
AS
-- include: parts/find-outdated.sql
--   placeType = bigint
--   place = x.value_no
--   table = dbo.task_values
--   version = x.key_version
--   characters = CAST(DATALENGTH(x.value) / 2 AS bigint)
--   ids = CAST(x.value_no AS varchar(20)) AS id, t.task_id AS belongs_to, x.name
--   ofSystem = 0
--   text = x.value
--   contents = JOIN dbo.tasks AS t ON t.task_no = x.task_no
