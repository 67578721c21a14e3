-- Values of one kind that are encrypted under another version of the key, after a position; two ranges of the index, before
-- and behind the version, so that what is under it is not read.
CREATE PROCEDURE release.find_outdated_schedule
  @keyVersion varchar(64),
  @afterVersion varchar(64),
  @afterPlace bigint
AS
-- include: parts/find-outdated.sql
--   placeType = bigint
--   place = x.schedule_no
--   table = dbo.schedules
--   version = x.key_version
--   characters = CAST(DATALENGTH(x.contents) / 2 AS bigint)
--   ids = CAST(x.schedule_no AS varchar(20)) AS id, x.schedule_id AS belongs_to
--   ofSystem = 0
--   text = x.contents
--   contents = JOIN dbo.agents AS a ON a.agent_no = x.supervisor_no
