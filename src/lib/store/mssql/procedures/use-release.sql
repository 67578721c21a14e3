-- Writes that this release is in use. Each process calls it when it connects, and then at most once an hour: migrate never
-- fills a schema that was in use within a day.
CREATE PROCEDURE release.use_release
  @clockOffset bigint
AS
-- include: parts/prologue.sql
UPDATE dbo.releases SET in_use_at = @now WHERE slot = '$(slot)' AND hash = '$(hash)' AND in_use_at < @now;
