-- Values of one kind that are encrypted under another version of the key, after a position; two ranges of the index, before
-- and behind the version, so that what is under it is not read.
CREATE PROCEDURE release.find_outdated_archived_result
  @keyVersion varchar(64),
  @afterVersion varchar(64),
  @afterPlace varchar(128)
AS
DECLARE @found TABLE (position int IDENTITY NOT NULL PRIMARY KEY, place varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL);
INSERT INTO @found (place)
SELECT TOP (200 /* OUTDATED_ROWS */) u.place FROM (SELECT l.place, l.key_version
  FROM (SELECT TOP (200 /* OUTDATED_ROWS */) x.task_id AS place, x.result_key_version AS key_version FROM dbo.task_archive AS x
    WHERE x.result_key_version IS NOT NULL AND x.result_key_version < @keyVersion AND x.result_key_version >= @afterVersion
      AND (x.result_key_version > @afterVersion OR x.task_id > @afterPlace)
    ORDER BY x.result_key_version, x.task_id) AS l
  UNION ALL SELECT g.place, g.key_version
  FROM (SELECT TOP (200 /* OUTDATED_ROWS */) x.task_id AS place, x.result_key_version AS key_version FROM dbo.task_archive AS x
    WHERE x.result_key_version IS NOT NULL AND x.result_key_version > @keyVersion AND x.result_key_version >= @afterVersion
      AND (x.result_key_version > @afterVersion OR x.task_id > @afterPlace)
    ORDER BY x.result_key_version, x.task_id) AS g) AS u ORDER BY u.key_version, u.place;
SELECT x.task_id AS id, x.task_id AS belongs_to, x.result_key_version AS key_version, w.place, 0 AS of_system, d.[value] AS text
FROM (SELECT f.position, f.place, SUM(z.characters) OVER (ORDER BY f.position ROWS UNBOUNDED PRECEDING) - z.characters AS before
  FROM @found AS f CROSS APPLY (SELECT CAST(DATALENGTH(x.task) / 2 AS bigint) AS characters FROM dbo.task_archive AS x
    WHERE x.task_id = f.place) AS z) AS w
JOIN dbo.task_archive AS x ON x.task_id = w.place CROSS APPLY (SELECT v.[value] FROM OPENJSON(x.task) AS v WHERE v.[key] = N'result') AS d
WHERE w.before <= 2097152 /* OUTDATED_CHARACTERS */ AND x.result_key_version IS NOT NULL
ORDER BY w.position;
