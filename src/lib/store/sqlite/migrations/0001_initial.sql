-- Times are milliseconds since the Unix epoch. Rows refer to agents by number: numbers keep the index streams narrow.

-- Capability sets of agents and demands of tasks are interned, so that assigning seeks and never scans.
CREATE TABLE capability_sets (
  set_no INTEGER PRIMARY KEY,
  -- The sorted set as a JSON array.
  capabilities TEXT NOT NULL UNIQUE CHECK (json_valid(capabilities)),
  -- Workers with this set: all but deregistered ones, the active ones, the active ones with a free slot.
  workers INTEGER NOT NULL DEFAULT 0 CHECK (workers >= 0),
  active_workers INTEGER NOT NULL DEFAULT 0 CHECK (active_workers BETWEEN 0 AND workers),
  free_workers INTEGER NOT NULL DEFAULT 0 CHECK (free_workers BETWEEN 0 AND active_workers)
) STRICT;

-- What a set answers to: each capability, and the bare name of each `name@version`.
CREATE TABLE set_capabilities (
  capability TEXT NOT NULL,
  set_no INTEGER NOT NULL REFERENCES capability_sets ON DELETE CASCADE,
  PRIMARY KEY (capability, set_no)
) STRICT, WITHOUT ROWID;
CREATE INDEX set_capabilities_by_set ON set_capabilities (set_no);

CREATE TABLE demands (
  demand_no INTEGER PRIMARY KEY,
  -- The sorted required capabilities as a JSON array.
  capabilities TEXT NOT NULL UNIQUE CHECK (json_valid(capabilities)),
  -- Pending tasks of this demand that name no agent, due or not.
  waiting INTEGER NOT NULL DEFAULT 0 CHECK (waiting >= 0)
) STRICT;
CREATE INDEX demands_waiting ON demands (demand_no) WHERE waiting > 0;

-- Which set meets which demand.
CREATE TABLE demand_sets (
  demand_no INTEGER NOT NULL REFERENCES demands ON DELETE CASCADE,
  set_no INTEGER NOT NULL REFERENCES capability_sets ON DELETE CASCADE,
  PRIMARY KEY (demand_no, set_no)
) STRICT, WITHOUT ROWID;
CREATE INDEX demand_sets_by_set ON demand_sets (set_no, demand_no);

CREATE TABLE agents (
  agent_no INTEGER PRIMARY KEY,
  agent_id TEXT NOT NULL UNIQUE CHECK (length(agent_id) BETWEEN 1 AND 128 AND agent_id <> 'system'),
  role TEXT NOT NULL CHECK (role IN ('supervisor', 'worker', 'observer', 'admin')),
  status TEXT NOT NULL CHECK (status IN ('active', 'draining', 'inactive', 'deregistered')),
  set_no INTEGER NOT NULL REFERENCES capability_sets,
  max_concurrent_tasks INTEGER NOT NULL CHECK (max_concurrent_tasks BETWEEN 0 AND 10000),
  active_tasks INTEGER NOT NULL DEFAULT 0 CHECK (active_tasks >= 0),
  load REAL GENERATED ALWAYS AS (CAST(active_tasks AS REAL) / max_concurrent_tasks) VIRTUAL,
  registered_at INTEGER NOT NULL,
  last_heartbeat_at INTEGER NOT NULL,
  status_changed_at INTEGER NOT NULL,
  -- 0: never
  last_assigned_at INTEGER NOT NULL DEFAULT 0,
  -- Attempts of the last 30 days; maintenance takes out what has left the window.
  completed INTEGER NOT NULL DEFAULT 0 CHECK (completed >= 0),
  failed INTEGER NOT NULL DEFAULT 0 CHECK (failed >= 0),
  completed_milliseconds INTEGER NOT NULL DEFAULT 0 CHECK (completed_milliseconds >= 0),
  p95_milliseconds INTEGER,
  CHECK (status <> 'deregistered' OR active_tasks = 0)
) STRICT;
CREATE INDEX agents_assignable ON agents (set_no, load, last_assigned_at, agent_id)
  WHERE role = 'worker' AND status = 'active' AND active_tasks < max_concurrent_tasks;
CREATE INDEX agents_beating ON agents (last_heartbeat_at) WHERE status IN ('active', 'draining');
CREATE INDEX agents_silent ON agents (status, status_changed_at) WHERE status IN ('inactive', 'deregistered');
CREATE INDEX agents_by_role ON agents (role, agent_id);
CREATE INDEX agents_by_status ON agents (status, agent_id);
CREATE INDEX agents_by_set ON agents (set_no, agent_id);

-- Apart from the row above, which every heartbeat rewrites.
CREATE TABLE agent_metadata (
  agent_no INTEGER PRIMARY KEY REFERENCES agents ON DELETE CASCADE,
  metadata TEXT NOT NULL CHECK (json_valid(metadata))
) STRICT;

-- Queued and leased messages of an agent; a missing row is 0.
CREATE TABLE mailboxes (
  agent_no INTEGER PRIMARY KEY REFERENCES agents ON DELETE CASCADE,
  depth INTEGER NOT NULL CHECK (depth >= 0)
) STRICT;

CREATE TABLE tasks (
  task_no INTEGER PRIMARY KEY AUTOINCREMENT,
  task_id TEXT NOT NULL UNIQUE CHECK (length(task_id) BETWEEN 1 AND 128),
  supervisor_no INTEGER NOT NULL REFERENCES agents,
  task_type TEXT NOT NULL,
  priority INTEGER NOT NULL CHECK (priority BETWEEN 0 AND 3),
  status TEXT NOT NULL CHECK (status IN ('blocked', 'pending', 'assigned', 'running', 'completed', 'failed', 'cancelled')),
  demand_no INTEGER NOT NULL REFERENCES demands,
  assign_to_no INTEGER REFERENCES agents,
  -- The agent of the current attempt, or of the last one.
  agent_no INTEGER REFERENCES agents,
  attempt INTEGER NOT NULL DEFAULT 0 CHECK (attempt >= 0),
  retries_used INTEGER NOT NULL DEFAULT 0 CHECK (retries_used >= 0),
  max_retries INTEGER NOT NULL CHECK (max_retries >= 0),
  timeout_milliseconds INTEGER NOT NULL CHECK (timeout_milliseconds > 0),
  -- Dependencies that have not completed yet.
  unmet_dependencies INTEGER NOT NULL DEFAULT 0 CHECK (unmet_dependencies >= 0),
  cancel_requested INTEGER NOT NULL DEFAULT 0 CHECK (cancel_requested IN (0, 1)),
  percent REAL CHECK (percent BETWEEN 0 AND 100),
  created_at INTEGER NOT NULL,
  available_at INTEGER NOT NULL,
  assigned_at INTEGER,
  started_at INTEGER,
  deadline_at INTEGER,
  ended_at INTEGER,
  parent_task_id TEXT,
  idempotency_key TEXT,
  request_hash TEXT NOT NULL,
  CHECK (status NOT IN ('assigned', 'running') OR (agent_no IS NOT NULL AND deadline_at IS NOT NULL)),
  CHECK ((status IN ('completed', 'failed', 'cancelled')) = (ended_at IS NOT NULL)),
  CHECK (status <> 'blocked' OR unmet_dependencies > 0)
) STRICT;
CREATE UNIQUE INDEX tasks_idempotency ON tasks (idempotency_key) WHERE idempotency_key IS NOT NULL;
-- Waiting tasks: one stream per demand and priority, and per named agent and priority.
CREATE INDEX tasks_waiting ON tasks (demand_no, priority, available_at, task_no)
  WHERE status = 'pending' AND assign_to_no IS NULL;
CREATE INDEX tasks_waiting_for_agent ON tasks (assign_to_no, priority, available_at, task_no)
  WHERE status = 'pending' AND assign_to_no IS NOT NULL;
CREATE INDEX tasks_live ON tasks (agent_no, task_no) WHERE status IN ('assigned', 'running');
CREATE INDEX tasks_deadlines ON tasks (deadline_at) WHERE status IN ('assigned', 'running');
CREATE INDEX tasks_by_status ON tasks (status, task_no);
CREATE INDEX tasks_by_supervisor ON tasks (supervisor_no, task_no);
CREATE INDEX tasks_by_agent ON tasks (agent_no, task_no) WHERE agent_no IS NOT NULL;
CREATE INDEX tasks_by_assign_to ON tasks (assign_to_no) WHERE assign_to_no IS NOT NULL;
CREATE INDEX tasks_by_type ON tasks (task_type, task_no);
CREATE INDEX tasks_by_parent ON tasks (parent_task_id, task_no) WHERE parent_task_id IS NOT NULL;
CREATE INDEX tasks_by_demand ON tasks (demand_no);
CREATE INDEX tasks_ended ON tasks (ended_at, task_no) WHERE ended_at IS NOT NULL;

-- What is read with a task, but never searched: apart, so that a transition rewrites a narrow row.
CREATE TABLE task_bodies (
  task_no INTEGER PRIMARY KEY REFERENCES tasks ON DELETE CASCADE,
  description TEXT NOT NULL,
  parameters TEXT NOT NULL CHECK (json_valid(parameters)),
  preferred_capabilities TEXT NOT NULL CHECK (json_valid(preferred_capabilities))
) STRICT;
CREATE TABLE task_outcomes (
  task_no INTEGER PRIMARY KEY REFERENCES tasks ON DELETE CASCADE,
  note TEXT,
  result TEXT CHECK (result IS NULL OR json_valid(result)),
  error TEXT
) STRICT;

CREATE TABLE task_dependencies (
  task_no INTEGER NOT NULL REFERENCES tasks ON DELETE CASCADE,
  position INTEGER NOT NULL,
  -- By id, not by number: a dependency may be in the archive.
  depends_on TEXT NOT NULL,
  -- 1 once the dependency has ended and this task was told.
  settled INTEGER NOT NULL DEFAULT 0 CHECK (settled IN (0, 1)),
  PRIMARY KEY (task_no, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX task_dependents ON task_dependencies (depends_on, task_no) WHERE settled = 0;

-- Ended tasks whose dependents have not all been told yet; the sweep works these off.
CREATE TABLE ended_dependencies (
  task_id TEXT PRIMARY KEY,
  completed INTEGER NOT NULL CHECK (completed IN (0, 1))
) STRICT, WITHOUT ROWID;

CREATE TABLE task_attempts (
  task_no INTEGER NOT NULL REFERENCES tasks ON DELETE CASCADE,
  attempt INTEGER NOT NULL CHECK (attempt > 0),
  agent_no INTEGER NOT NULL REFERENCES agents,
  assigned_at INTEGER NOT NULL,
  ended_at INTEGER,
  outcome TEXT CHECK (outcome IN ('completed', 'failed', 'timed_out', 'agent_inactive', 'released', 'cancelled')),
  -- The status that the ending call was answered with, so that its repeat gets the same answer.
  answer TEXT CHECK (answer IS NULL OR json_valid(answer)),
  explanation TEXT NOT NULL CHECK (json_valid(explanation)),
  PRIMARY KEY (task_no, attempt),
  CHECK ((ended_at IS NULL) = (outcome IS NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX task_attempts_of_agent ON task_attempts (agent_no, ended_at);

CREATE TABLE task_events (
  task_no INTEGER NOT NULL REFERENCES tasks ON DELETE CASCADE,
  event_no INTEGER NOT NULL,
  event TEXT NOT NULL,
  at INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  agent_no INTEGER REFERENCES agents,
  detail TEXT,
  PRIMARY KEY (task_no, event_no)
) STRICT, WITHOUT ROWID;
CREATE INDEX task_events_of_agent ON task_events (agent_no) WHERE agent_no IS NOT NULL;

-- Finished tasks past their retention: still readable by id, with their attempts and events as one document.
CREATE TABLE task_archive (
  task_id TEXT PRIMARY KEY,
  status TEXT NOT NULL CHECK (status IN ('completed', 'failed', 'cancelled')),
  supervisor_id TEXT NOT NULL,
  ended_at INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  idempotency_key TEXT,
  request_hash TEXT NOT NULL,
  task TEXT NOT NULL CHECK (json_valid(task)),
  assignments TEXT NOT NULL CHECK (json_valid(assignments)),
  events TEXT NOT NULL CHECK (json_valid(events))
) STRICT;
CREATE UNIQUE INDEX task_archive_idempotency ON task_archive (idempotency_key) WHERE idempotency_key IS NOT NULL;

CREATE TABLE messages (
  -- Assigned by the store in order of acceptance; a redrive gives a new one.
  arrival INTEGER PRIMARY KEY,
  message_id TEXT NOT NULL UNIQUE CHECK (length(message_id) BETWEEN 1 AND 128),
  -- NULL: written by the switchboard itself.
  sender_no INTEGER REFERENCES agents,
  receiver_no INTEGER NOT NULL REFERENCES agents,
  type TEXT NOT NULL,
  priority INTEGER NOT NULL CHECK (priority BETWEEN 0 AND 3),
  status TEXT NOT NULL CHECK (status IN ('queued', 'leased', 'completed', 'dead_lettered', 'expired')),
  -- 1 while a lower arrival of the same receiver and ordering key is unsettled: out of the streams.
  held INTEGER NOT NULL CHECK (held IN (0, 1)),
  attempt INTEGER NOT NULL DEFAULT 0 CHECK (attempt >= 0),
  -- The attempt after which it is dead-lettered, and by how much a redrive raises that.
  attempt_limit INTEGER NOT NULL,
  max_attempts INTEGER NOT NULL CHECK (max_attempts BETWEEN 1 AND 100),
  accepted_at INTEGER NOT NULL,
  available_at INTEGER NOT NULL,
  expires_at INTEGER,
  lease_expires_at INTEGER,
  ended_at INTEGER,
  -- What the last settlement of the current attempt asked for and was answered with.
  settlement TEXT CHECK (settlement IN ('complete', 'retry_queued', 'retry_dead_lettered', 'dead_letter', 'task_ended')),
  claim_id TEXT,
  reason TEXT,
  correlation_id TEXT,
  reply_to TEXT,
  ordering_key TEXT,
  idempotency_key TEXT,
  request_hash TEXT,
  task_no INTEGER REFERENCES tasks ON DELETE SET NULL,
  task_attempt INTEGER,
  -- JSON text; NULL when it is in message_payloads.
  payload TEXT,
  CHECK ((status = 'leased') = (lease_expires_at IS NOT NULL)),
  CHECK ((status IN ('completed', 'dead_lettered', 'expired')) = (ended_at IS NOT NULL)),
  CHECK (held = 0 OR (status = 'queued' AND ordering_key IS NOT NULL))
) STRICT;
-- The streams: one per receiver and priority, those held behind a key apart (only a peek reads them), and one per
-- receiver, type and priority.
CREATE INDEX messages_ready ON messages (receiver_no, held, priority, available_at, arrival) WHERE status = 'queued';
CREATE INDEX messages_ready_by_type ON messages (receiver_no, type, priority, available_at, arrival)
  WHERE status = 'queued' AND held = 0;
CREATE INDEX messages_leased ON messages (receiver_no, lease_expires_at) WHERE status = 'leased';
CREATE INDEX messages_claims ON messages (receiver_no, claim_id) WHERE status = 'leased' AND claim_id IS NOT NULL;
CREATE INDEX messages_expiring ON messages (expires_at) WHERE status = 'queued' AND expires_at IS NOT NULL;
CREATE INDEX messages_keys ON messages (receiver_no, ordering_key, arrival)
  WHERE ordering_key IS NOT NULL AND status IN ('queued', 'leased');
CREATE INDEX messages_dead ON messages (ended_at, arrival) WHERE status = 'dead_lettered';
CREATE INDEX messages_dead_by_receiver ON messages (receiver_no, ended_at, arrival) WHERE status = 'dead_lettered';
CREATE UNIQUE INDEX messages_idempotency ON messages (idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX messages_of_tasks ON messages (task_no, task_attempt) WHERE task_no IS NOT NULL;
-- For maintenance: an agent may be deleted only when no row names it.
CREATE INDEX messages_by_sender ON messages (sender_no);
CREATE INDEX messages_by_receiver ON messages (receiver_no);

-- Payloads over 2 KiB: apart, so that leasing and settling do not rewrite them.
CREATE TABLE message_payloads (
  arrival INTEGER PRIMARY KEY REFERENCES messages ON DELETE CASCADE ON UPDATE CASCADE,
  payload TEXT NOT NULL
) STRICT;

CREATE TABLE message_types (
  type TEXT PRIMARY KEY,
  schema TEXT NOT NULL CHECK (json_valid(schema)),
  updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Signed additions whose sum equals the committed rows; and the messages accepted in each second (`accepted:<second>`),
-- for the rate of the last minute, which the sweep drops.
CREATE TABLE counters (
  name TEXT PRIMARY KEY,
  value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
