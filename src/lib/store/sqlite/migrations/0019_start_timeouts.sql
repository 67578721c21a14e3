-- A task may say by when an attempt has to be started; start_deadline_at is that time while an agent has it.
ALTER TABLE tasks ADD COLUMN start_timeout_milliseconds INTEGER CHECK (start_timeout_milliseconds > 0);
ALTER TABLE tasks ADD COLUMN start_deadline_at INTEGER GENERATED ALWAYS AS (assigned_at + start_timeout_milliseconds) VIRTUAL;
CREATE INDEX tasks_unstarted ON tasks (start_deadline_at) WHERE status = 'assigned' AND start_timeout_milliseconds IS NOT NULL;
