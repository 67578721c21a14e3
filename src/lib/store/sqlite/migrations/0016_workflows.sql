-- Workflows: tasks that are created together, depend on each other, and end together. What no task uses costs it two bytes.
CREATE TABLE workflows (
  workflow_no INTEGER PRIMARY KEY AUTOINCREMENT,
  workflow_id TEXT NOT NULL UNIQUE,
  supervisor_no INTEGER NOT NULL REFERENCES agents,
  -- 1: when a task fails for good, those that nobody was given are cancelled.
  stop_on_failure INTEGER NOT NULL CHECK (stop_on_failure IN (0, 1)),
  notify TEXT NOT NULL CHECK (notify = 'each' OR notify = 'end' OR notify = 'none'),
  status TEXT NOT NULL CHECK (status = 'running' OR status = 'completed' OR status = 'failed' OR status = 'cancelled'),
  -- Raised by the end and the retry of its tasks.
  version INTEGER NOT NULL DEFAULT 1,
  open_tasks INTEGER NOT NULL CHECK (open_tasks >= 0),
  -- How its tasks have ended; of those that were cancelled, what was not needed or stopped apart.
  completed INTEGER NOT NULL DEFAULT 0,
  failed INTEGER NOT NULL DEFAULT 0,
  cancelled INTEGER NOT NULL DEFAULT 0,
  not_needed INTEGER NOT NULL DEFAULT 0,
  stopped INTEGER NOT NULL DEFAULT 0,
  created_at INTEGER NOT NULL,
  ended_at INTEGER,
  idempotency_key TEXT UNIQUE,
  request_hash TEXT NOT NULL,
  CHECK ((status = 'running') = (ended_at IS NULL))
) STRICT;
CREATE INDEX workflows_of_supervisor ON workflows (supervisor_no, workflow_no);

CREATE TABLE workflow_tasks (
  workflow_no INTEGER NOT NULL REFERENCES workflows ON DELETE CASCADE,
  -- What others depend on comes before them.
  position INTEGER NOT NULL,
  task_no INTEGER NOT NULL UNIQUE REFERENCES tasks ON DELETE CASCADE,
  ref TEXT NOT NULL,
  PRIMARY KEY (workflow_no, position)
) STRICT, WITHOUT ROWID;

ALTER TABLE tasks ADD COLUMN workflow_no INTEGER;
-- 1: it is cancelled when a task of its workflow fails for good before anybody was given it.
ALTER TABLE tasks ADD COLUMN stops INTEGER NOT NULL DEFAULT 0 CHECK (stops IN (0, 1));
CREATE INDEX tasks_of_workflow ON tasks (workflow_no, task_no) WHERE workflow_no IS NOT NULL;
