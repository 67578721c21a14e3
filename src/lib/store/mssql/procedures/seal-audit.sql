-- Of two that seal at once the keys let one through; the other finds the block there when it is sent again, and seals
-- nothing.
CREATE PROCEDURE release.seal_audit
  @items nvarchar(max),
  @clockOffset bigint
AS
-- include: parts/prologue.sql
DECLARE @blockNo bigint, @done int = 0;
DECLARE @row TABLE (block_no bigint NOT NULL PRIMARY KEY, first_entry_no bigint NOT NULL, last_entry_no bigint NOT NULL,
  entry_count int NOT NULL, newest_at bigint NOT NULL, sealed_at bigint NOT NULL, floor_no bigint NOT NULL,
  previous_hash varchar(64) NOT NULL, hash varchar(64) NOT NULL);
DECLARE @members TABLE (entry_no bigint NOT NULL PRIMARY KEY, hash varchar(64) NOT NULL);
INSERT INTO @row (block_no, first_entry_no, last_entry_no, entry_count, newest_at, sealed_at, floor_no, previous_hash, hash)
SELECT x.block_no, x.first_entry_no, x.last_entry_no, x.entry_count, x.newest_at, x.sealed_at, x.floor_no, x.previous_hash, x.hash
FROM OPENJSON(@items, '$[0].row') WITH (block_no bigint, first_entry_no bigint, last_entry_no bigint, entry_count int, newest_at bigint,
  sealed_at bigint, floor_no bigint, previous_hash varchar(64), hash varchar(64)) AS x;
SET @blockNo = (SELECT r.block_no FROM @row AS r);
INSERT INTO @members (entry_no, hash)
SELECT x.entry_no, x.hash FROM OPENJSON(@items, '$[0].members') WITH (entry_no bigint, hash varchar(64)) AS x;
IF NOT EXISTS (SELECT 1 FROM audit.blocks AS b WHERE b.block_no = @blockNo)
  AND NOT EXISTS (SELECT 1 FROM @members AS m JOIN audit.block_entries AS e ON e.entry_no = m.entry_no)
BEGIN
  BEGIN TRANSACTION;
  INSERT INTO audit.blocks (block_no, first_entry_no, last_entry_no, entry_count, newest_at, sealed_at, floor_no, previous_hash, hash)
  SELECT r.block_no, r.first_entry_no, r.last_entry_no, r.entry_count, r.newest_at, r.sealed_at, r.floor_no, r.previous_hash, r.hash
  FROM @row AS r;
  INSERT INTO audit.block_entries (entry_no, block_no, hash)
  SELECT m.entry_no, @blockNo, m.hash FROM @members AS m;
  SET @done = @@ROWCOUNT;
  COMMIT TRANSACTION;
END;
SELECT @done AS done;
