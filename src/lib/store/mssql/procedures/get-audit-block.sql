-- A member counts only where its block says that its numbers are.
CREATE PROCEDURE release.get_audit_block
  @blockNo bigint
AS
DECLARE @first bigint, @last bigint, @floor bigint, @floorBefore bigint = -9007199254740991;
SELECT @first = b.first_entry_no, @last = b.last_entry_no, @floor = b.floor_no FROM audit.blocks AS b WHERE b.block_no = @blockNo;
SELECT @floorBefore = b.floor_no FROM audit.blocks AS b WHERE b.block_no = @blockNo - 1;
SELECT b.block_no, b.first_entry_no, b.last_entry_no, b.entry_count, b.newest_at, b.sealed_at, b.floor_no,
  b.previous_hash, b.hash, d.dropped_at FROM audit.blocks AS b LEFT JOIN audit.dropped_blocks AS d ON d.block_no = b.block_no WHERE b.block_no = @blockNo;
SELECT m.entry_no, m.hash FROM audit.block_entries AS m
WHERE m.entry_no BETWEEN @first AND @last AND m.block_no = @blockNo ORDER BY m.entry_no;
SELECT e.entry_no, e.at, e.actor, e.action, e.subject_kind, e.subject_id, e.detail FROM audit.block_entries AS m JOIN audit.entries AS e ON e.entry_no = m.entry_no
WHERE m.entry_no BETWEEN @first AND @last AND m.block_no = @blockNo;
SELECT TOP (1000 /* AUDIT_BLOCK_MAX_ENTRIES */) e.entry_no FROM audit.entries AS e
WHERE e.entry_no > @floorBefore AND e.entry_no <= @floor AND NOT EXISTS (
  SELECT 1 FROM audit.block_entries AS m JOIN audit.blocks AS b ON b.block_no = m.block_no
  WHERE m.entry_no = e.entry_no AND e.entry_no BETWEEN b.first_entry_no AND b.last_entry_no)
ORDER BY e.entry_no;
