-- Deletes dead letters; their payloads go with them.
CREATE PROCEDURE release.purge_dead_letters
  @operation uniqueidentifier,
  @try int,
  @now bigint,
  @entries nvarchar(max),
  @arrivals nvarchar(max)
AS
-- include: parts/begin-decided.sql
-- Additions to counters, collected until the end of the transaction. name as in apply-counts.
DECLARE @counts TABLE (name varchar(48) COLLATE Latin1_General_100_BIN2 NOT NULL, delta bigint NOT NULL);
DECLARE @accepted bigint = 0;
DECLARE @second varchar(48);
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
