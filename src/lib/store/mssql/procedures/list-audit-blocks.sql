-- Blocks of the audit, by number.
CREATE PROCEDURE release.list_audit_blocks
  @limit int,
  @after bigint
AS
SELECT TOP (@limit) b.block_no, b.first_entry_no, b.last_entry_no, b.entry_count, b.newest_at, b.sealed_at, b.floor_no,
  b.previous_hash, b.hash, d.dropped_at FROM audit.blocks AS b LEFT JOIN audit.dropped_blocks AS d ON d.block_no = b.block_no
WHERE b.block_no > @after ORDER BY b.block_no;
