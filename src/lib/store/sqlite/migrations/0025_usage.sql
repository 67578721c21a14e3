-- Usage: what attempts have used of models, as their agents report it.
-- The totals of an attempt. They go with their task, whose document in the archive keeps the sums.
CREATE TABLE task_usage (
  task_no INTEGER NOT NULL REFERENCES tasks ON DELETE CASCADE,
  attempt INTEGER NOT NULL,
  -- Empty: not reported.
  provider TEXT NOT NULL,
  model TEXT NOT NULL,
  input_tokens INTEGER NOT NULL CHECK (input_tokens BETWEEN 0 AND 1000000000000000),
  output_tokens INTEGER NOT NULL CHECK (output_tokens BETWEEN 0 AND 1000000000000000),
  cache_read_tokens INTEGER NOT NULL CHECK (cache_read_tokens BETWEEN 0 AND 1000000000000000),
  cache_write_tokens INTEGER NOT NULL CHECK (cache_write_tokens BETWEEN 0 AND 1000000000000000),
  reasoning_tokens INTEGER NOT NULL CHECK (reasoning_tokens BETWEEN 0 AND 1000000000000000),
  -- Millionths of a US dollar.
  cost_micros INTEGER NOT NULL CHECK (cost_micros BETWEEN 0 AND 1000000000000000),
  PRIMARY KEY (task_no, attempt, provider, model)
) STRICT, WITHOUT ROWID;

-- What was reported in an hour. It stays when its tasks and agents go, so that it has their names. Numbers with a fraction have no
-- largest one: no sum can run over, and up to 2^53 they are exact.
CREATE TABLE usage_hours (
  -- The beginning of the hour, in milliseconds since 1970.
  hour INTEGER NOT NULL,
  agent_id TEXT NOT NULL,
  task_type TEXT NOT NULL,
  supervisor_id TEXT NOT NULL,
  provider TEXT NOT NULL,
  model TEXT NOT NULL,
  input_tokens REAL NOT NULL,
  output_tokens REAL NOT NULL,
  cache_read_tokens REAL NOT NULL,
  cache_write_tokens REAL NOT NULL,
  reasoning_tokens REAL NOT NULL,
  cost_micros REAL NOT NULL,
  UNIQUE (hour, agent_id, task_type, supervisor_id, provider, model)
) STRICT;

-- All that was ever reported, for statistics: one row here, eight on Azure SQL, so that calls do not wait for each other.
CREATE TABLE usage_totals (
  slot INTEGER PRIMARY KEY,
  input_tokens REAL NOT NULL,
  output_tokens REAL NOT NULL,
  cache_read_tokens REAL NOT NULL,
  cache_write_tokens REAL NOT NULL,
  reasoning_tokens REAL NOT NULL,
  cost_micros REAL NOT NULL
) STRICT;
INSERT INTO usage_totals VALUES (0, 0, 0, 0, 0, 0, 0);
