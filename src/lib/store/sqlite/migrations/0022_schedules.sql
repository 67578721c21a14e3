-- Schedules: tasks or workflows that are created at times that a cron expression names.
CREATE TABLE schedules (
  schedule_no INTEGER PRIMARY KEY AUTOINCREMENT,
  schedule_id TEXT NOT NULL UNIQUE,
  -- With the agent its schedules go.
  supervisor_no INTEGER NOT NULL REFERENCES agents ON DELETE CASCADE,
  cron TEXT NOT NULL,
  timezone TEXT NOT NULL,
  overlap TEXT NOT NULL CHECK (overlap = 'allow' OR overlap = 'skip'),
  enabled INTEGER NOT NULL CHECK (enabled IN (0, 1)),
  creates TEXT NOT NULL CHECK (creates = 'task' OR creates = 'workflow'),
  -- The task or workflow, or its envelope.
  contents TEXT NOT NULL CHECK (json_valid(contents)),
  key_version TEXT,
  due_at INTEGER CHECK (due_at IS NULL OR enabled = 1),
  -- When due_at was found; in the future: by a clock that was ahead.
  planned_at INTEGER NOT NULL,
  -- Refused firings in a row.
  refusals INTEGER NOT NULL,
  -- The last firings, as JSON.
  firings TEXT NOT NULL CHECK (json_valid(firings)),
  version INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
) STRICT;
CREATE INDEX schedules_of_supervisor ON schedules (supervisor_no, schedule_id);
CREATE INDEX schedules_due ON schedules (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX schedules_by_key ON schedules (key_version, schedule_no) WHERE key_version IS NOT NULL;
