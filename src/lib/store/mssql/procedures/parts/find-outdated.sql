-- At most OUTDATED_ROWS values and OUTDATED_CHARACTERS of text, in the order of version and place.
DECLARE @found TABLE (position int IDENTITY NOT NULL PRIMARY KEY, place $(placeType) NOT NULL);
INSERT INTO @found (place)
SELECT TOP (200 /* OUTDATED_ROWS */) u.place FROM (SELECT l.place, l.key_version
  FROM (SELECT TOP (200 /* OUTDATED_ROWS */) $(place) AS place, $(version) AS key_version FROM $(table) AS x
    WHERE $(version) IS NOT NULL AND $(version) < @keyVersion AND $(version) >= @afterVersion
      AND ($(version) > @afterVersion OR $(place) > @afterPlace)
    ORDER BY $(version), $(place)) AS l
  UNION ALL SELECT g.place, g.key_version
  FROM (SELECT TOP (200 /* OUTDATED_ROWS */) $(place) AS place, $(version) AS key_version FROM $(table) AS x
    WHERE $(version) IS NOT NULL AND $(version) > @keyVersion AND $(version) >= @afterVersion
      AND ($(version) > @afterVersion OR $(place) > @afterPlace)
    ORDER BY $(version), $(place)) AS g) AS u ORDER BY u.key_version, u.place;
SELECT $(ids), $(version) AS key_version, w.place, $(ofSystem) AS of_system, $(text) AS text
FROM (SELECT f.position, f.place, SUM(z.characters) OVER (ORDER BY f.position ROWS UNBOUNDED PRECEDING) - z.characters AS before
  FROM @found AS f CROSS APPLY (SELECT $(characters) AS characters FROM $(table) AS x
    WHERE $(place) = f.place) AS z) AS w
JOIN $(table) AS x ON $(place) = w.place $(contents)
WHERE w.before <= 2097152 /* OUTDATED_CHARACTERS */ AND $(version) IS NOT NULL
ORDER BY w.position;
