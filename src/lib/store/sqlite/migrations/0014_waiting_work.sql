-- Work that waits: tasks that suspend themselves until an answer or a time, questions, gates, and the time at which a task ends
-- wherever it is. What no task uses costs nothing: two columns in the rows of tasks, and tables of their own for the rest.
ALTER TABLE tasks ADD COLUMN expires_at INTEGER;
-- 1: nobody works on it; its question is asked when its dependencies are done, and the answer is its result.
ALTER TABLE tasks ADD COLUMN gate INTEGER NOT NULL DEFAULT 0 CHECK (gate IN (0, 1));
-- How often it was suspended: an attempt of a task with none has nothing to be told.
ALTER TABLE tasks ADD COLUMN suspensions INTEGER NOT NULL DEFAULT 0 CHECK (suspensions >= 0);
CREATE INDEX tasks_expiring ON tasks (expires_at) WHERE expires_at IS NOT NULL AND ended_at IS NULL;

CREATE TABLE task_suspensions (
  task_no INTEGER PRIMARY KEY REFERENCES tasks ON DELETE CASCADE,
  -- Since the last answer: past 100 each costs a retry.
  unanswered INTEGER NOT NULL CHECK (unanswered >= 0),
  -- What woke it; NULL: its question is open.
  resumed_by TEXT CHECK (resumed_by = 'answered' OR resumed_by = 'time')
) STRICT;

-- Contents are in task_values.
CREATE TABLE task_questions (
  question_no INTEGER PRIMARY KEY,
  task_no INTEGER NOT NULL REFERENCES tasks ON DELETE CASCADE,
  -- The attempt that asked; 0: of a gate.
  attempt INTEGER NOT NULL CHECK (attempt >= 0),
  -- The version of the task at which it was asked, which is its id; 0: the gate waits for other tasks.
  asked_version INTEGER NOT NULL DEFAULT 0,
  state TEXT NOT NULL CHECK (state = 'waiting' OR state = 'open' OR state = 'answered' OR state = 'timed_out' OR state = 'ended'),
  asked_at INTEGER,
  timeout_milliseconds INTEGER CHECK (timeout_milliseconds > 0),
  expires_at INTEGER,
  -- Whether the time's end takes a default answer, and whether that answer fails the gate.
  has_default INTEGER NOT NULL CHECK (has_default IN (0, 1)),
  default_rejects INTEGER NOT NULL CHECK (default_rejects IN (0, 1)),
  -- By which a repeat is recognised.
  answer_hash TEXT,
  answered_by TEXT,
  answered_at INTEGER,
  UNIQUE (task_no, attempt),
  CHECK ((state = 'waiting') = (asked_at IS NULL))
) STRICT;
CREATE INDEX task_questions_open ON task_questions (question_no) WHERE state = 'open';
CREATE INDEX task_questions_due ON task_questions (expires_at) WHERE state = 'open' AND expires_at IS NOT NULL;

-- Agents that may answer: the supervisor, and those that were asked.
CREATE TABLE question_answerers (
  question_no INTEGER NOT NULL REFERENCES task_questions ON DELETE CASCADE,
  agent_no INTEGER NOT NULL REFERENCES agents ON DELETE CASCADE,
  asked INTEGER NOT NULL CHECK (asked IN (0, 1)),
  open INTEGER NOT NULL CHECK (open IN (0, 1)),
  PRIMARY KEY (question_no, agent_no)
) STRICT, WITHOUT ROWID;
CREATE INDEX question_answerers_of_agent ON question_answerers (agent_no, open, question_no);

-- What a task and its newest question contain: 'checkpoint', 'question', 'default_answer', 'answer', and of a gate 'gate_default',
-- which is encrypted as the result that it may become.
CREATE TABLE task_values (
  value_no INTEGER PRIMARY KEY,
  task_no INTEGER NOT NULL REFERENCES tasks ON DELETE CASCADE,
  name TEXT NOT NULL,
  value TEXT NOT NULL CHECK (json_valid(value)),
  -- The version of the key that it is encrypted under; NULL: it is plain.
  key_version TEXT,
  UNIQUE (task_no, name)
) STRICT;
CREATE INDEX task_values_by_key ON task_values (key_version, value_no) WHERE key_version IS NOT NULL;

-- Of archived tasks what is encrypted; the rest is in the document.
CREATE TABLE task_archive_values (
  value_no INTEGER PRIMARY KEY,
  task_id TEXT NOT NULL REFERENCES task_archive ON DELETE CASCADE,
  name TEXT NOT NULL,
  value TEXT NOT NULL CHECK (json_valid(value)),
  key_version TEXT NOT NULL,
  UNIQUE (task_id, name)
) STRICT;
CREATE INDEX task_archive_values_by_key ON task_archive_values (key_version, value_no);
