-- Seals a block of the audit with its members. Of two that seal at once the keys let one through.
CREATE PROCEDURE release.seal_audit
  @operation uniqueidentifier,
  @try int,
  @now bigint,
  @entries nvarchar(max),
  @block_no bigint,
  @first_entry_no bigint,
  @last_entry_no bigint,
  @entry_count int,
  @newest_at bigint,
  @floor_no bigint,
  @previous_hash varchar(64),
  @hash varchar(64),
  @members nvarchar(max)
AS
-- include: parts/begin-decided.sql
BEGIN TRANSACTION;
INSERT INTO audit.blocks (block_no, first_entry_no, last_entry_no, entry_count, newest_at, sealed_at, floor_no, previous_hash, hash)
VALUES (@block_no, @first_entry_no, @last_entry_no, @entry_count, @newest_at, @now, @floor_no, @previous_hash, @hash);
INSERT INTO audit.block_entries (entry_no, block_no, hash)
SELECT x.entry_no, @block_no, x.hash FROM OPENJSON(@members) WITH (entry_no bigint, hash varchar(64)) AS x;
-- include: parts/keep-decision.sql
COMMIT TRANSACTION;
