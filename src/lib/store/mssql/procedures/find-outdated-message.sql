-- Values of one kind that are encrypted under another version of the key, after a position; two ranges of the index, before
-- and behind the version, so that what is under it is not read.
CREATE PROCEDURE release.find_outdated_message
  @keyVersion varchar(64),
  @afterVersion varchar(64),
  @afterPlace bigint
AS
-- include: parts/find-outdated.sql
--   placeType = bigint
--   place = x.arrival
--   table = dbo.messages
--   version = x.key_version
--   characters = CAST(x.payload_bytes AS bigint)
--   ids = x.message_id AS id, COALESCE(x.post_id, x.message_id) AS belongs_to
--   ofSystem = CASE WHEN x.sender_no IS NULL THEN 1 ELSE 0 END
--   text = p.payload
--   contents = JOIN dbo.message_payloads AS p ON p.arrival = x.arrival
