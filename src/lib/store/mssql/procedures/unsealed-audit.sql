-- The newest block; the oldest entries without one; and the floor after these are in one. The block is read first:
-- one that somebody else adds meanwhile has the number that this one would get.
CREATE PROCEDURE release.unsealed_audit
  @operation uniqueidentifier,
  @settled int,
  @clockOffset bigint
AS
-- include: parts/find-decision.sql
DECLARE @floor bigint = COALESCE((SELECT TOP (1) b.floor_no FROM audit.blocks AS b ORDER BY b.block_no DESC), -9007199254740991);
DECLARE @open TABLE (entry_no bigint NOT NULL PRIMARY KEY);
SELECT TOP (1) b.block_no, b.first_entry_no, b.last_entry_no, b.entry_count, b.newest_at, b.sealed_at, b.floor_no,
  b.previous_hash, b.hash, d.dropped_at FROM audit.blocks AS b LEFT JOIN audit.dropped_blocks AS d ON d.block_no = b.block_no
ORDER BY b.block_no DESC;
INSERT INTO @open (entry_no)
SELECT TOP (1000 /* AUDIT_BLOCK_MAX_ENTRIES */) e.entry_no FROM audit.entries AS e
WHERE e.entry_no > @floor AND (e.at <= @now - @settled OR e.at > @now + 60000 /* AHEAD_MILLISECONDS */) AND NOT EXISTS (SELECT 1 FROM audit.block_entries AS m WHERE m.entry_no = e.entry_no)
ORDER BY e.entry_no;
SELECT e.entry_no, e.at, e.actor, e.action, e.subject_kind, e.subject_id, e.detail FROM @open AS o JOIN audit.entries AS e ON e.entry_no = o.entry_no ORDER BY e.entry_no;
SELECT COALESCE(MAX(e.entry_no), @floor) AS floor_no FROM audit.entries AS e
WHERE e.entry_no > @floor AND e.entry_no <= (SELECT MAX(o.entry_no) FROM @open AS o) AND e.at <= @now - 300000 /* FLOOR_MILLISECONDS */;
