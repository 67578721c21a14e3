-- INSERT OR REPLACE deletes the row that it replaces without its DELETE triggers: what is there is not inserted once more.
-- An entry that gets its number from SQLite, as each of ours does, has -1 here and costs no look. A number beyond 2^53 would be the
-- last that node can read: every later one is higher.
CREATE TRIGGER audit_entries_are_not_replaced BEFORE INSERT ON audit_entries
  WHEN NEW.entry_no <> -1 AND (NEW.entry_no > 9007199254740991 OR EXISTS (SELECT 1 FROM audit_entries e WHERE e.entry_no = NEW.entry_no))
  BEGIN SELECT raise(ABORT, 'audit entries do not change, and have numbers up to 2^53'); END;
CREATE TRIGGER audit_blocks_are_not_replaced BEFORE INSERT ON audit_blocks
  WHEN EXISTS (SELECT 1 FROM audit_blocks b WHERE b.block_no = NEW.block_no)
  BEGIN SELECT raise(ABORT, 'audit blocks do not change'); END;
CREATE TRIGGER audit_block_entries_are_not_replaced BEFORE INSERT ON audit_block_entries
  WHEN EXISTS (SELECT 1 FROM audit_block_entries m WHERE m.entry_no = NEW.entry_no)
  BEGIN SELECT raise(ABORT, 'audit blocks do not change'); END;
