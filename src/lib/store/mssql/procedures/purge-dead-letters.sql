-- Deletes dead letters; their payloads go with them.
CREATE PROCEDURE release.purge_dead_letters
  @operation uniqueidentifier,
  @try int,
  @now bigint,
  @entries nvarchar(max),
  @arrivals nvarchar(max)
AS
-- include: parts/begin-decided.sql
-- include: parts/declare-counts.sql
DECLARE @purged TABLE (arrival bigint NOT NULL PRIMARY KEY);
DECLARE @purgedRows int;
INSERT INTO @purged (arrival) SELECT CAST(j.value AS bigint) FROM OPENJSON(@arrivals) AS j;
SET @purgedRows = @@ROWCOUNT;
BEGIN TRANSACTION;
DELETE m FROM @purged AS p JOIN dbo.messages AS m ON m.arrival = p.arrival AND m.status = 'dead_lettered'
OPTION (LOOP JOIN, FORCE ORDER);
IF @@ROWCOUNT <> @purgedRows BEGIN ROLLBACK TRANSACTION; RETURN 1; END;
INSERT INTO @counts (name, delta) VALUES ('messages:dead_lettered', -@purgedRows);
-- include: parts/apply-counts.sql
-- include: parts/keep-decision.sql
COMMIT TRANSACTION;
