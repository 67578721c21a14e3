-- What was done, by whom, to what. Entries are added in the transaction of the change itself, and never change. Numbers are
-- given in the order of commits; the newest entry is never deleted, so none is given twice. (No other index: every change would
-- pay for it. A time is found by halving the numbers, other filters walk back through the entries.)
CREATE TABLE audit_entries (
  entry_no INTEGER PRIMARY KEY,
  at INTEGER NOT NULL,
  -- The agent's id, 'system', or '*' for a caller without a name.
  actor TEXT NOT NULL CHECK (length(actor) BETWEEN 1 AND 128),
  action TEXT NOT NULL CHECK (length(action) BETWEEN 1 AND 64),
  subject_kind TEXT NOT NULL CHECK (length(subject_kind) BETWEEN 1 AND 24),
  subject_id TEXT NOT NULL CHECK (length(subject_id) BETWEEN 1 AND 160),
  -- Ids, numbers, names of states and counts as a JSON object.
  detail TEXT NOT NULL CHECK (length(detail) <= 2000)
) STRICT;

-- Blocks of entries, each with the hash of the one before.
CREATE TABLE audit_blocks (
  block_no INTEGER PRIMARY KEY CHECK (block_no > 0),
  first_entry_no INTEGER NOT NULL,
  last_entry_no INTEGER NOT NULL,
  entry_count INTEGER NOT NULL CHECK (entry_count BETWEEN 1 AND 1000),
  newest_at INTEGER NOT NULL,
  sealed_at INTEGER NOT NULL,
  -- Every entry up to this number is in this block or an earlier one.
  floor_no INTEGER NOT NULL,
  previous_hash TEXT NOT NULL CHECK (length(previous_hash) = 64),
  hash TEXT NOT NULL CHECK (length(hash) = 64)
) STRICT;
CREATE TABLE audit_block_entries (
  entry_no INTEGER PRIMARY KEY,
  block_no INTEGER NOT NULL REFERENCES audit_blocks,
  -- Of the entry as it was sealed.
  hash TEXT NOT NULL CHECK (length(hash) = 64)
) STRICT;
-- Blocks whose entries retention has taken.
CREATE TABLE audit_dropped_blocks (
  block_no INTEGER PRIMARY KEY REFERENCES audit_blocks,
  dropped_at INTEGER NOT NULL
) STRICT;

CREATE TRIGGER audit_entries_stay BEFORE UPDATE ON audit_entries
  BEGIN SELECT raise(ABORT, 'audit entries do not change'); END;
CREATE TRIGGER audit_blocks_stay BEFORE UPDATE ON audit_blocks
  BEGIN SELECT raise(ABORT, 'audit blocks do not change'); END;
CREATE TRIGGER audit_block_entries_stay BEFORE UPDATE ON audit_block_entries
  BEGIN SELECT raise(ABORT, 'audit blocks do not change'); END;
CREATE TRIGGER audit_dropped_blocks_stay BEFORE UPDATE ON audit_dropped_blocks
  BEGIN SELECT raise(ABORT, 'audit blocks do not change'); END;
CREATE TRIGGER audit_blocks_are_kept BEFORE DELETE ON audit_blocks
  BEGIN SELECT raise(ABORT, 'audit blocks are kept'); END;
CREATE TRIGGER audit_dropped_blocks_are_kept BEFORE DELETE ON audit_dropped_blocks
  BEGIN SELECT raise(ABORT, 'audit blocks are kept'); END;
-- Entries go only with their whole block, which has been marked before.
CREATE TRIGGER audit_entries_are_kept BEFORE DELETE ON audit_entries
  WHEN NOT EXISTS (SELECT 1 FROM audit_block_entries b JOIN audit_dropped_blocks d USING (block_no) WHERE b.entry_no = OLD.entry_no)
  BEGIN SELECT raise(ABORT, 'audit entries are kept until their block is dropped'); END;
CREATE TRIGGER audit_block_entries_are_kept BEFORE DELETE ON audit_block_entries
  WHEN NOT EXISTS (SELECT 1 FROM audit_dropped_blocks d WHERE d.block_no = OLD.block_no)
    OR EXISTS (SELECT 1 FROM audit_entries e WHERE e.entry_no = OLD.entry_no)
  BEGIN SELECT raise(ABORT, 'audit entries are kept until their block is dropped'); END;
-- In order, and never the newest: its numbers would be given again.
CREATE TRIGGER audit_blocks_drop_in_order BEFORE INSERT ON audit_dropped_blocks
  WHEN NEW.block_no <> coalesce((SELECT max(block_no) FROM audit_dropped_blocks), 0) + 1
    OR NEW.block_no >= (SELECT max(block_no) FROM audit_blocks)
  BEGIN SELECT raise(ABORT, 'audit blocks are dropped in order, all but the newest'); END;
