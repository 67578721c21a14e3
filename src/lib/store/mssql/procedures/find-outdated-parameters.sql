-- Values of one kind that are encrypted under another version of the key, after a position; two ranges of the index, before
-- and behind the version, so that what is under it is not read.
CREATE PROCEDURE release.find_outdated_parameters
  @keyVersion varchar(64),
  @afterVersion varchar(64),
  @afterPlace bigint
AS
DECLARE @found TABLE (position int IDENTITY NOT NULL PRIMARY KEY, place bigint NOT NULL);
INSERT INTO @found (place)
SELECT TOP (200 /* OUTDATED_ROWS */) u.place FROM (SELECT l.place, l.key_version
  FROM (SELECT TOP (200 /* OUTDATED_ROWS */) x.task_no AS place, x.key_version AS key_version FROM dbo.task_bodies AS x
    WHERE x.key_version IS NOT NULL AND x.key_version < @keyVersion AND x.key_version >= @afterVersion
      AND (x.key_version > @afterVersion OR x.task_no > @afterPlace)
    ORDER BY x.key_version, x.task_no) AS l
  UNION ALL SELECT g.place, g.key_version
  FROM (SELECT TOP (200 /* OUTDATED_ROWS */) x.task_no AS place, x.key_version AS key_version FROM dbo.task_bodies AS x
    WHERE x.key_version IS NOT NULL AND x.key_version > @keyVersion AND x.key_version >= @afterVersion
      AND (x.key_version > @afterVersion OR x.task_no > @afterPlace)
    ORDER BY x.key_version, x.task_no) AS g) AS u ORDER BY u.key_version, u.place;
SELECT t.task_id AS id, t.task_id AS belongs_to, x.key_version AS key_version, w.place, 0 AS of_system, x.parameters AS text
FROM (SELECT f.position, f.place, SUM(z.characters) OVER (ORDER BY f.position ROWS UNBOUNDED PRECEDING) - z.characters AS before
  FROM @found AS f CROSS APPLY (SELECT CAST(DATALENGTH(x.parameters) / 2 AS bigint) AS characters FROM dbo.task_bodies AS x
    WHERE x.task_no = f.place) AS z) AS w
JOIN dbo.task_bodies AS x ON x.task_no = w.place JOIN dbo.tasks AS t ON t.task_no = x.task_no
WHERE w.before <= 2097152 /* OUTDATED_CHARACTERS */ AND x.key_version IS NOT NULL
ORDER BY w.position;
