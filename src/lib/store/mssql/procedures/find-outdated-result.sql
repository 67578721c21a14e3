-- Values of one kind that are encrypted under another version of the key, after a position; two ranges of the index, before
-- and behind the version, so that what is under it is not read.
CREATE PROCEDURE release.find_outdated_result
  @keyVersion varchar(64),
  @afterVersion varchar(64),
  @afterPlace bigint
AS
-- include: parts/find-outdated.sql
--   placeType = bigint
--   place = x.task_no
--   table = dbo.task_outcomes
--   version = x.key_version
--   characters = CAST(DATALENGTH(x.result) / 2 AS bigint)
--   ids = t.task_id AS id, t.task_id AS belongs_to
--   ofSystem = 0
--   text = x.result
--   contents = JOIN dbo.tasks AS t ON t.task_no = x.task_no
