-- How many values are encrypted under another version of the key, counted up to @max.
CREATE PROCEDURE release.count_outdated
  @max int,
  @keyVersion varchar(64)
AS
SELECT SUM(n.found) AS outdated FROM (SELECT COUNT(*) AS found FROM (SELECT TOP (@max) x.key_version FROM dbo.messages AS x
  WHERE x.key_version IS NOT NULL AND x.key_version < @keyVersion) AS f
UNION ALL SELECT COUNT(*) AS found FROM (SELECT TOP (@max) x.key_version FROM dbo.messages AS x
  WHERE x.key_version IS NOT NULL AND x.key_version > @keyVersion) AS f
UNION ALL SELECT COUNT(*) AS found FROM (SELECT TOP (@max) x.key_version FROM dbo.task_bodies AS x
  WHERE x.key_version IS NOT NULL AND x.key_version < @keyVersion) AS f
UNION ALL SELECT COUNT(*) AS found FROM (SELECT TOP (@max) x.key_version FROM dbo.task_bodies AS x
  WHERE x.key_version IS NOT NULL AND x.key_version > @keyVersion) AS f
UNION ALL SELECT COUNT(*) AS found FROM (SELECT TOP (@max) x.key_version FROM dbo.task_outcomes AS x
  WHERE x.key_version IS NOT NULL AND x.key_version < @keyVersion) AS f
UNION ALL SELECT COUNT(*) AS found FROM (SELECT TOP (@max) x.key_version FROM dbo.task_outcomes AS x
  WHERE x.key_version IS NOT NULL AND x.key_version > @keyVersion) AS f
UNION ALL SELECT COUNT(*) AS found FROM (SELECT TOP (@max) x.key_version FROM dbo.task_archive AS x
  WHERE x.key_version IS NOT NULL AND x.key_version < @keyVersion) AS f
UNION ALL SELECT COUNT(*) AS found FROM (SELECT TOP (@max) x.key_version FROM dbo.task_archive AS x
  WHERE x.key_version IS NOT NULL AND x.key_version > @keyVersion) AS f
UNION ALL SELECT COUNT(*) AS found FROM (SELECT TOP (@max) x.result_key_version FROM dbo.task_archive AS x
  WHERE x.result_key_version IS NOT NULL AND x.result_key_version < @keyVersion) AS f
UNION ALL SELECT COUNT(*) AS found FROM (SELECT TOP (@max) x.result_key_version FROM dbo.task_archive AS x
  WHERE x.result_key_version IS NOT NULL AND x.result_key_version > @keyVersion) AS f
UNION ALL SELECT COUNT(*) AS found FROM (SELECT TOP (@max) x.key_version FROM dbo.task_values AS x
  WHERE x.key_version IS NOT NULL AND x.key_version < @keyVersion) AS f
UNION ALL SELECT COUNT(*) AS found FROM (SELECT TOP (@max) x.key_version FROM dbo.task_values AS x
  WHERE x.key_version IS NOT NULL AND x.key_version > @keyVersion) AS f
UNION ALL SELECT COUNT(*) AS found FROM (SELECT TOP (@max) x.key_version FROM dbo.task_archive_values AS x
  WHERE x.key_version IS NOT NULL AND x.key_version < @keyVersion) AS f
UNION ALL SELECT COUNT(*) AS found FROM (SELECT TOP (@max) x.key_version FROM dbo.task_archive_values AS x
  WHERE x.key_version IS NOT NULL AND x.key_version > @keyVersion) AS f
UNION ALL SELECT COUNT(*) AS found FROM (SELECT TOP (@max) x.key_version FROM dbo.schedules AS x
  WHERE x.key_version IS NOT NULL AND x.key_version < @keyVersion) AS f
UNION ALL SELECT COUNT(*) AS found FROM (SELECT TOP (@max) x.key_version FROM dbo.schedules AS x
  WHERE x.key_version IS NOT NULL AND x.key_version > @keyVersion) AS f) AS n;
