-- Values of one kind that are encrypted under another version of the key, after a position; two ranges of the index, before
-- and behind the version, so that what is under it is not read.
CREATE PROCEDURE release.find_outdated_message
  @keyVersion varchar(64),
  @afterVersion varchar(64),
  @afterPlace bigint
AS
DECLARE @found TABLE (position int IDENTITY NOT NULL PRIMARY KEY, place bigint NOT NULL);
INSERT INTO @found (place)
SELECT TOP (200 /* OUTDATED_ROWS */) u.place FROM (SELECT l.place, l.key_version
  FROM (SELECT TOP (200 /* OUTDATED_ROWS */) x.arrival AS place, x.key_version AS key_version FROM dbo.messages AS x
    WHERE x.key_version IS NOT NULL AND x.key_version < @keyVersion AND x.key_version >= @afterVersion
      AND (x.key_version > @afterVersion OR x.arrival > @afterPlace)
    ORDER BY x.key_version, x.arrival) AS l
  UNION ALL SELECT g.place, g.key_version
  FROM (SELECT TOP (200 /* OUTDATED_ROWS */) x.arrival AS place, x.key_version AS key_version FROM dbo.messages AS x
    WHERE x.key_version IS NOT NULL AND x.key_version > @keyVersion AND x.key_version >= @afterVersion
      AND (x.key_version > @afterVersion OR x.arrival > @afterPlace)
    ORDER BY x.key_version, x.arrival) AS g) AS u ORDER BY u.key_version, u.place;
SELECT x.message_id AS id, COALESCE(x.post_id, x.message_id) AS belongs_to, x.key_version AS key_version, w.place, CASE WHEN x.sender_no IS NULL THEN 1 ELSE 0 END AS of_system, p.payload AS text
FROM (SELECT f.position, f.place, SUM(z.characters) OVER (ORDER BY f.position ROWS UNBOUNDED PRECEDING) - z.characters AS before
  FROM @found AS f CROSS APPLY (SELECT CAST(x.payload_bytes AS bigint) AS characters FROM dbo.messages AS x
    WHERE x.arrival = f.place) AS z) AS w
JOIN dbo.messages AS x ON x.arrival = w.place JOIN dbo.message_payloads AS p ON p.arrival = x.arrival
WHERE w.before <= 2097152 /* OUTDATED_CHARACTERS */ AND x.key_version IS NOT NULL
ORDER BY w.position;
