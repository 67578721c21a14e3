-- Dependencies with conditions: a task may wait that another one completes, ends, or fails.
ALTER TABLE task_dependencies ADD COLUMN condition TEXT NOT NULL DEFAULT 'completed'
  CHECK (condition = 'completed' OR condition = 'ended' OR condition = 'failed');
-- 1: it was cancelled because it was not needed, which is neither a completion nor a failure to those that wait for it.
ALTER TABLE ended_dependencies ADD COLUMN not_needed INTEGER NOT NULL DEFAULT 0 CHECK (not_needed IN (0, 1));
-- The task whose end has ended this one, if one has.
ALTER TABLE task_outcomes ADD COLUMN because_of TEXT;
