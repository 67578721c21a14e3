-- Children: tasks that a worker makes by suspending its own until they have ended. What no task uses costs it a byte.
ALTER TABLE tasks ADD COLUMN parent_no INTEGER;
CREATE INDEX tasks_of_parent ON tasks (parent_no, task_no) WHERE parent_no IS NOT NULL;
-- JSON: the types of the children that a task may make; NULL: none.
ALTER TABLE task_bodies ADD COLUMN child_types TEXT;
-- Of the task above all others: how many were made below it.
ALTER TABLE task_bodies ADD COLUMN descendants INTEGER NOT NULL DEFAULT 0;
-- Of children, which stand behind what their parent depended on before: the name that it gave them.
ALTER TABLE task_dependencies ADD COLUMN ref TEXT;

-- Tasks that ended while they waited for children: the open ones are cancelled.
CREATE TABLE ended_parents (task_no INTEGER PRIMARY KEY REFERENCES tasks ON DELETE CASCADE) STRICT;

-- As before, but for one more reason to go on.
CREATE TABLE new_task_suspensions (
  task_no INTEGER PRIMARY KEY REFERENCES tasks ON DELETE CASCADE,
  -- Since the last answer or end of children: past 100 each costs a retry.
  unanswered INTEGER NOT NULL CHECK (unanswered >= 0),
  -- What woke it; NULL: its question is open, or children of it are.
  resumed_by TEXT CHECK (resumed_by = 'answered' OR resumed_by = 'time' OR resumed_by = 'children_ended')
) STRICT;
INSERT INTO new_task_suspensions SELECT task_no, unanswered, resumed_by FROM task_suspensions;
DROP TABLE task_suspensions;
ALTER TABLE new_task_suspensions RENAME TO task_suspensions;
