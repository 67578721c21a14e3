-- Plain sqlcmd connects with these off, and filtered indexes and computed columns then fail.
SET QUOTED_IDENTIFIER, ANSI_NULLS ON;
GO
-- What has been applied. Each migration records itself, also when plain sqlcmd runs it; `npm run migrate` adds the checksum.
CREATE TABLE dbo.schema_migrations (
  version int NOT NULL CONSTRAINT schema_migrations_pk PRIMARY KEY,
  name varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL,
  -- SHA-256 (hex) of the file.
  checksum varchar(64) COLLATE Latin1_General_100_BIN2 NULL,
  applied_at bigint NOT NULL
);
GO
-- Times are milliseconds since the Unix epoch, as in the embedded store: ranks, backoffs and deadlines are sums. Rows refer
-- to agents by number: numbers keep the index streams narrow. Ids are compared byte for byte (BIN2).

-- One number per transaction that accepts messages: arrival = number × 4096 + place in the transaction. Taken while the
-- ordering keys are locked, so that arrival follows the order of acceptance within a key.
CREATE SEQUENCE dbo.message_arrivals AS bigint START WITH 1 INCREMENT BY 1 CACHE 1000;
CREATE SEQUENCE dbo.task_numbers AS bigint START WITH 1 INCREMENT BY 1 CACHE 1000;
GO
-- Capability sets of agents and demands of tasks are interned, so that assigning seeks and never scans.
CREATE TABLE dbo.capability_sets (
  set_no int IDENTITY NOT NULL CONSTRAINT capability_sets_pk PRIMARY KEY,
  -- SHA-256 (base64url) of the text below: an index key is at most 1,700 bytes long, a set may have 8,000.
  capabilities_hash varchar(43) COLLATE Latin1_General_100_BIN2 NOT NULL CONSTRAINT capability_sets_hash UNIQUE,
  -- The sorted set as a JSON array.
  capabilities nvarchar(max) NOT NULL CONSTRAINT capability_sets_json CHECK (ISJSON(capabilities) = 1)
);

-- What a set answers to: each capability, and the bare name of each `name@version`.
CREATE TABLE dbo.set_capabilities (
  capability varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL,
  set_no int NOT NULL CONSTRAINT set_capabilities_set REFERENCES dbo.capability_sets ON DELETE CASCADE,
  CONSTRAINT set_capabilities_pk PRIMARY KEY (capability, set_no)
);
CREATE INDEX set_capabilities_by_set ON dbo.set_capabilities (set_no, capability);

CREATE TABLE dbo.demands (
  demand_no int IDENTITY NOT NULL CONSTRAINT demands_pk PRIMARY KEY,
  capabilities_hash varchar(43) COLLATE Latin1_General_100_BIN2 NOT NULL CONSTRAINT demands_hash UNIQUE,
  -- The sorted required capabilities as a JSON array.
  capabilities nvarchar(max) NOT NULL CONSTRAINT demands_json CHECK (ISJSON(capabilities) = 1)
);

-- Which set meets which demand.
CREATE TABLE dbo.demand_sets (
  demand_no int NOT NULL CONSTRAINT demand_sets_demand REFERENCES dbo.demands ON DELETE CASCADE,
  set_no int NOT NULL CONSTRAINT demand_sets_set REFERENCES dbo.capability_sets ON DELETE CASCADE,
  CONSTRAINT demand_sets_pk PRIMARY KEY (demand_no, set_no)
);
CREATE INDEX demand_sets_by_set ON dbo.demand_sets (set_no, demand_no);
GO
-- Who an agent is. Its load and its heartbeat are rows of their own, so that a heartbeat never waits behind an assignment.
CREATE TABLE dbo.agents (
  agent_no int IDENTITY NOT NULL CONSTRAINT agents_pk PRIMARY KEY,
  agent_id varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL CONSTRAINT agents_id UNIQUE,
  role varchar(10) COLLATE Latin1_General_100_BIN2 NOT NULL
    CONSTRAINT agents_role CHECK (role IN ('supervisor', 'worker', 'observer', 'admin')),
  status varchar(12) COLLATE Latin1_General_100_BIN2 NOT NULL
    CONSTRAINT agents_status CHECK (status IN ('active', 'draining', 'inactive', 'deregistered')),
  set_no int NOT NULL CONSTRAINT agents_set REFERENCES dbo.capability_sets,
  registered_at bigint NOT NULL,
  status_changed_at bigint NOT NULL,
  -- 1 from deregistering until the sweep has dead-lettered the mailbox.
  mailbox_left bit NOT NULL CONSTRAINT agents_mailbox_left DEFAULT 0,
  -- The call that created it: its own repeat, after a lost answer, is answered "created" again.
  operation_id uniqueidentifier NULL,
  CONSTRAINT agents_id_length CHECK (LEN(agent_id) BETWEEN 1 AND 128 AND agent_id <> 'system')
);
CREATE INDEX agents_silent ON dbo.agents (status, status_changed_at) WHERE status IN ('inactive', 'deregistered');
CREATE INDEX agents_left ON dbo.agents (agent_no) WHERE mailbox_left = 1;
CREATE INDEX agents_by_role ON dbo.agents (role, agent_id);
CREATE INDEX agents_by_status ON dbo.agents (status, agent_id);
CREATE INDEX agents_by_set ON dbo.agents (set_no, agent_id);

-- What assignments change. Whoever changes an agent's assignments, status, role or capacity first updates this row by key.
CREATE TABLE dbo.agent_loads (
  agent_no int NOT NULL CONSTRAINT agent_loads_pk PRIMARY KEY
    CONSTRAINT agent_loads_agent REFERENCES dbo.agents ON DELETE CASCADE,
  agent_id varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL,
  set_no int NOT NULL,
  -- 1 for a worker whose status is active.
  working bit NOT NULL,
  max_concurrent_tasks int NOT NULL CONSTRAINT agent_loads_max CHECK (max_concurrent_tasks BETWEEN 0 AND 10000),
  active_tasks int NOT NULL CONSTRAINT agent_loads_tasks DEFAULT 0,
  -- 0: never
  last_assigned_at bigint NOT NULL CONSTRAINT agent_loads_assigned DEFAULT 0,
  -- Attempts of the last 30 days; maintenance takes out what has left the window.
  completed int NOT NULL CONSTRAINT agent_loads_completed DEFAULT 0,
  failed int NOT NULL CONSTRAINT agent_loads_failed DEFAULT 0,
  completed_milliseconds bigint NOT NULL CONSTRAINT agent_loads_milliseconds DEFAULT 0,
  p95_milliseconds bigint NULL,
  assignable AS CAST(CASE WHEN working = 1 AND active_tasks < max_concurrent_tasks THEN 1 ELSE 0 END AS bit) PERSISTED NOT NULL,
  load AS CASE WHEN max_concurrent_tasks = 0 THEN CAST(0 AS float)
    ELSE CAST(active_tasks AS float) / max_concurrent_tasks END PERSISTED NOT NULL,
  CONSTRAINT agent_loads_counts CHECK (active_tasks >= 0 AND completed >= 0 AND failed >= 0 AND completed_milliseconds >= 0)
);
-- An assignment weighs 64 workers and rewrites the entry of one: with these included it looks up none of them.
CREATE INDEX agent_loads_assignable ON dbo.agent_loads (set_no, assignable, load, last_assigned_at, agent_id)
  INCLUDE (active_tasks, max_concurrent_tasks, completed, failed);

CREATE TABLE dbo.agent_heartbeats (
  agent_no int NOT NULL CONSTRAINT agent_heartbeats_pk PRIMARY KEY
    CONSTRAINT agent_heartbeats_agent REFERENCES dbo.agents ON DELETE CASCADE,
  last_heartbeat_at bigint NOT NULL,
  -- 1 while the agent is active or draining.
  beating bit NOT NULL
);
CREATE INDEX agent_heartbeats_beating ON dbo.agent_heartbeats (last_heartbeat_at) WHERE beating = 1;

CREATE TABLE dbo.agent_metadata (
  agent_no int NOT NULL CONSTRAINT agent_metadata_pk PRIMARY KEY
    CONSTRAINT agent_metadata_agent REFERENCES dbo.agents ON DELETE CASCADE,
  metadata nvarchar(max) NOT NULL CONSTRAINT agent_metadata_json CHECK (ISJSON(metadata) = 1)
);
GO
CREATE TABLE dbo.tasks (
  task_no bigint NOT NULL CONSTRAINT tasks_pk PRIMARY KEY CLUSTERED WITH (OPTIMIZE_FOR_SEQUENTIAL_KEY = ON),
  task_id varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL CONSTRAINT tasks_id UNIQUE,
  supervisor_no int NOT NULL CONSTRAINT tasks_supervisor REFERENCES dbo.agents,
  task_type varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL,
  priority tinyint NOT NULL CONSTRAINT tasks_priority CHECK (priority BETWEEN 0 AND 3),
  status varchar(10) COLLATE Latin1_General_100_BIN2 NOT NULL
    CONSTRAINT tasks_status CHECK (status IN ('blocked', 'pending', 'assigned', 'running', 'completed', 'failed', 'cancelled')),
  demand_no int NOT NULL CONSTRAINT tasks_demand REFERENCES dbo.demands,
  assign_to_no int NULL CONSTRAINT tasks_assign_to REFERENCES dbo.agents,
  -- The agent of the current attempt, or of the last one.
  agent_no int NULL CONSTRAINT tasks_agent REFERENCES dbo.agents,
  attempt int NOT NULL CONSTRAINT tasks_attempt DEFAULT 0,
  retries_used int NOT NULL CONSTRAINT tasks_retries_used DEFAULT 0,
  max_retries int NOT NULL,
  timeout_milliseconds bigint NOT NULL,
  -- Dependencies that have not completed yet.
  unmet_dependencies int NOT NULL CONSTRAINT tasks_unmet DEFAULT 0,
  -- Tasks that were created to depend on this one. Creating a dependent adds to it, so that it locks this row and either
  -- this task's end sees the dependent, or the dependent sees the end.
  dependents int NOT NULL CONSTRAINT tasks_dependents DEFAULT 0,
  cancel_requested bit NOT NULL CONSTRAINT tasks_cancel_requested DEFAULT 0,
  [percent] float NULL,
  created_at bigint NOT NULL,
  available_at bigint NOT NULL,
  assigned_at bigint NULL,
  started_at bigint NULL,
  deadline_at bigint NULL,
  ended_at bigint NULL,
  parent_task_id varchar(128) COLLATE Latin1_General_100_BIN2 NULL,
  -- A hash already, of bounded length.
  idempotency_key varchar(64) COLLATE Latin1_General_100_BIN2 NULL,
  request_hash varchar(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
  -- The call that created it: the same call sent again, because its answer was lost, is no duplicate.
  operation_id uniqueidentifier NULL,
  -- The last call that reported progress: its own repeat after a lost answer adds no second event.
  progress_id uniqueidentifier NULL,
  CONSTRAINT tasks_counts CHECK (attempt >= 0 AND retries_used >= 0 AND max_retries >= 0 AND timeout_milliseconds > 0
    AND unmet_dependencies >= 0),
  CONSTRAINT tasks_percent CHECK ([percent] BETWEEN 0 AND 100),
  CONSTRAINT tasks_live_held CHECK (status NOT IN ('assigned', 'running')
    OR (agent_no IS NOT NULL AND assigned_at IS NOT NULL AND deadline_at IS NOT NULL)),
  CONSTRAINT tasks_ended CHECK ((status IN ('completed', 'failed', 'cancelled') AND ended_at IS NOT NULL)
    OR (status NOT IN ('completed', 'failed', 'cancelled') AND ended_at IS NULL)),
  CONSTRAINT tasks_blocked CHECK (status <> 'blocked' OR unmet_dependencies > 0)
);
CREATE UNIQUE INDEX tasks_idempotency ON dbo.tasks (idempotency_key) WHERE idempotency_key IS NOT NULL;
-- Waiting tasks: one stream per demand and priority, and per named agent and priority.
-- (assign_to_no is included because a filter on IS NULL is otherwise checked in the row itself.)
CREATE INDEX tasks_waiting ON dbo.tasks (demand_no, priority, available_at, task_no) INCLUDE (assign_to_no)
  WHERE status = 'pending' AND assign_to_no IS NULL;
CREATE INDEX tasks_waiting_for_agent ON dbo.tasks (assign_to_no, priority, available_at, task_no) INCLUDE (demand_no)
  WHERE status = 'pending' AND assign_to_no IS NOT NULL;
CREATE INDEX tasks_live ON dbo.tasks (agent_no, task_no) INCLUDE (task_id, attempt, cancel_requested)
  WHERE status IN ('assigned', 'running');
CREATE INDEX tasks_deadlines ON dbo.tasks (deadline_at) WHERE status IN ('assigned', 'running');
CREATE INDEX tasks_by_status ON dbo.tasks (status, task_no);
CREATE INDEX tasks_by_supervisor ON dbo.tasks (supervisor_no, task_no);
CREATE INDEX tasks_by_agent ON dbo.tasks (agent_no, task_no) WHERE agent_no IS NOT NULL;
CREATE INDEX tasks_by_assign_to ON dbo.tasks (assign_to_no) WHERE assign_to_no IS NOT NULL;
CREATE INDEX tasks_by_type ON dbo.tasks (task_type, task_no);
CREATE INDEX tasks_by_parent ON dbo.tasks (parent_task_id, task_no) WHERE parent_task_id IS NOT NULL;
CREATE INDEX tasks_by_demand ON dbo.tasks (demand_no);
CREATE INDEX tasks_ended_at ON dbo.tasks (ended_at, task_no) WHERE ended_at IS NOT NULL;

-- What is read with a task, but never searched: apart, so that a transition rewrites a narrow row.
CREATE TABLE dbo.task_bodies (
  task_no bigint NOT NULL CONSTRAINT task_bodies_pk PRIMARY KEY
    CONSTRAINT task_bodies_task REFERENCES dbo.tasks ON DELETE CASCADE,
  description nvarchar(max) NOT NULL,
  -- Any JSON value; ISJSON alone accepts only objects and arrays.
  parameters nvarchar(max) NOT NULL CONSTRAINT task_bodies_parameters CHECK (ISJSON(N'[' + parameters + N']') = 1),
  preferred_capabilities nvarchar(max) NOT NULL CONSTRAINT task_bodies_preferred CHECK (ISJSON(preferred_capabilities) = 1)
);
CREATE TABLE dbo.task_outcomes (
  task_no bigint NOT NULL CONSTRAINT task_outcomes_pk PRIMARY KEY
    CONSTRAINT task_outcomes_task REFERENCES dbo.tasks ON DELETE CASCADE,
  note nvarchar(max) NULL,
  result nvarchar(max) NULL CONSTRAINT task_outcomes_result CHECK (result IS NULL OR ISJSON(N'[' + result + N']') = 1),
  error nvarchar(max) NULL
);

CREATE TABLE dbo.task_dependencies (
  task_no bigint NOT NULL CONSTRAINT task_dependencies_task REFERENCES dbo.tasks ON DELETE CASCADE,
  position int NOT NULL,
  -- By id, not by number: a dependency may be in the archive.
  depends_on varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL,
  -- 1 once the dependency has ended and this task was told.
  settled bit NOT NULL CONSTRAINT task_dependencies_settled DEFAULT 0,
  CONSTRAINT task_dependencies_pk PRIMARY KEY (task_no, position)
);
CREATE INDEX task_dependents ON dbo.task_dependencies (depends_on, task_no) WHERE settled = 0;

-- Ended tasks whose dependents have not all been told yet; the sweep works these off.
CREATE TABLE dbo.ended_dependencies (
  task_id varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL CONSTRAINT ended_dependencies_pk PRIMARY KEY,
  completed bit NOT NULL
);

CREATE TABLE dbo.task_attempts (
  task_no bigint NOT NULL CONSTRAINT task_attempts_task REFERENCES dbo.tasks ON DELETE CASCADE,
  attempt int NOT NULL,
  agent_no int NOT NULL CONSTRAINT task_attempts_agent REFERENCES dbo.agents,
  assigned_at bigint NOT NULL,
  ended_at bigint NULL,
  outcome varchar(14) COLLATE Latin1_General_100_BIN2 NULL CONSTRAINT task_attempts_outcome
    CHECK (outcome IN ('completed', 'failed', 'timed_out', 'agent_inactive', 'released', 'cancelled')),
  -- The status that the ending call was answered with, so that its repeat gets the same answer.
  answer nvarchar(200) NULL CONSTRAINT task_attempts_answer CHECK (answer IS NULL OR ISJSON(answer) = 1),
  explanation nvarchar(max) NOT NULL CONSTRAINT task_attempts_explanation CHECK (ISJSON(explanation) = 1),
  CONSTRAINT task_attempts_pk PRIMARY KEY (task_no, attempt),
  CONSTRAINT task_attempts_ended CHECK ((ended_at IS NULL AND outcome IS NULL) OR (ended_at IS NOT NULL AND outcome IS NOT NULL))
);
CREATE INDEX task_attempts_of_agent ON dbo.task_attempts (agent_no, ended_at) INCLUDE (outcome, assigned_at);

CREATE TABLE dbo.task_events (
  task_no bigint NOT NULL CONSTRAINT task_events_task REFERENCES dbo.tasks ON DELETE CASCADE,
  event_no bigint IDENTITY NOT NULL,
  event varchar(20) COLLATE Latin1_General_100_BIN2 NOT NULL,
  at bigint NOT NULL,
  attempt int NOT NULL,
  agent_no int NULL CONSTRAINT task_events_agent REFERENCES dbo.agents,
  detail nvarchar(max) NULL,
  CONSTRAINT task_events_pk PRIMARY KEY (task_no, event_no)
);
CREATE INDEX task_events_of_agent ON dbo.task_events (agent_no) WHERE agent_no IS NOT NULL;

-- Finished tasks past their retention: still readable by id, with their attempts and events as one document.
CREATE TABLE dbo.task_archive (
  task_id varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL CONSTRAINT task_archive_pk PRIMARY KEY,
  status varchar(10) COLLATE Latin1_General_100_BIN2 NOT NULL
    CONSTRAINT task_archive_status CHECK (status IN ('completed', 'failed', 'cancelled')),
  supervisor_id varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL,
  ended_at bigint NOT NULL,
  attempt int NOT NULL,
  idempotency_key varchar(64) COLLATE Latin1_General_100_BIN2 NULL,
  request_hash varchar(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
  task nvarchar(max) NOT NULL CONSTRAINT task_archive_task CHECK (ISJSON(task) = 1),
  assignments nvarchar(max) NOT NULL CONSTRAINT task_archive_assignments CHECK (ISJSON(assignments) = 1),
  events nvarchar(max) NOT NULL CONSTRAINT task_archive_events CHECK (ISJSON(events) = 1)
);
CREATE UNIQUE INDEX task_archive_idempotency ON dbo.task_archive (idempotency_key) WHERE idempotency_key IS NOT NULL;
GO
CREATE TABLE dbo.messages (
  -- Assigned by the store in order of acceptance; a redrive gives a new one.
  arrival bigint NOT NULL CONSTRAINT messages_pk PRIMARY KEY CLUSTERED WITH (OPTIMIZE_FOR_SEQUENTIAL_KEY = ON),
  message_id varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL CONSTRAINT messages_id UNIQUE,
  -- NULL: written by the switchboard itself.
  sender_no int NULL CONSTRAINT messages_sender REFERENCES dbo.agents,
  receiver_no int NOT NULL CONSTRAINT messages_receiver REFERENCES dbo.agents,
  type varchar(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
  priority tinyint NOT NULL CONSTRAINT messages_priority CHECK (priority BETWEEN 0 AND 3),
  status varchar(13) COLLATE Latin1_General_100_BIN2 NOT NULL
    CONSTRAINT messages_status CHECK (status IN ('queued', 'leased', 'completed', 'dead_lettered', 'expired')),
  -- 1 while a lower arrival of the same receiver and ordering key is unsettled: out of the streams.
  held bit NOT NULL CONSTRAINT messages_held DEFAULT 0,
  attempt int NOT NULL CONSTRAINT messages_attempt DEFAULT 0,
  -- The attempt after which it is dead-lettered, and by how much a redrive raises that.
  attempt_limit int NOT NULL,
  max_attempts int NOT NULL,
  accepted_at bigint NOT NULL,
  available_at bigint NOT NULL,
  expires_at bigint NULL,
  lease_expires_at bigint NULL,
  ended_at bigint NULL,
  -- What the last settlement of the current attempt asked for and was answered with.
  settlement varchar(20) COLLATE Latin1_General_100_BIN2 NULL CONSTRAINT messages_settlement
    CHECK (settlement IN ('complete', 'retry_queued', 'retry_dead_lettered', 'dead_letter', 'task_ended')),
  claim_id varchar(128) COLLATE Latin1_General_100_BIN2 NULL,
  reason nvarchar(max) NULL,
  correlation_id varchar(128) COLLATE Latin1_General_100_BIN2 NULL,
  reply_to varchar(128) COLLATE Latin1_General_100_BIN2 NULL,
  ordering_key varchar(128) COLLATE Latin1_General_100_BIN2 NULL,
  idempotency_key varchar(64) COLLATE Latin1_General_100_BIN2 NULL,
  request_hash varchar(64) COLLATE Latin1_General_100_BIN2 NULL,
  task_no bigint NULL CONSTRAINT messages_task REFERENCES dbo.tasks ON DELETE SET NULL,
  task_attempt int NULL,
  -- Bytes of the payload's JSON text in UTF-8: a receive counts them without reading the body.
  payload_bytes int NOT NULL,
  CONSTRAINT messages_attempts CHECK (attempt >= 0 AND max_attempts BETWEEN 1 AND 100),
  CONSTRAINT messages_leased_until CHECK ((status = 'leased' AND lease_expires_at IS NOT NULL)
    OR (status <> 'leased' AND lease_expires_at IS NULL)),
  CONSTRAINT messages_ended CHECK ((status IN ('completed', 'dead_lettered', 'expired') AND ended_at IS NOT NULL)
    OR (status IN ('queued', 'leased') AND ended_at IS NULL)),
  CONSTRAINT messages_held_queued CHECK (held = 0 OR (status = 'queued' AND ordering_key IS NOT NULL))
);
-- The streams: one per receiver and priority, those held behind a key apart (only a peek reads them), and one per
-- receiver, type and priority.
CREATE INDEX messages_ready ON dbo.messages (receiver_no, held, priority, available_at, arrival)
  INCLUDE (expires_at, payload_bytes) WHERE status = 'queued';
CREATE INDEX messages_ready_by_type ON dbo.messages (receiver_no, type, priority, available_at, arrival)
  INCLUDE (expires_at, payload_bytes) WHERE status = 'queued' AND held = 0;
CREATE INDEX messages_leased ON dbo.messages (receiver_no, lease_expires_at) WHERE status = 'leased';
CREATE INDEX messages_claims ON dbo.messages (receiver_no, claim_id) WHERE status = 'leased' AND claim_id IS NOT NULL;
CREATE INDEX messages_expiring ON dbo.messages (expires_at) WHERE status = 'queued' AND expires_at IS NOT NULL;
CREATE INDEX messages_keys ON dbo.messages (receiver_no, ordering_key, arrival) INCLUDE (held)
  WHERE ordering_key IS NOT NULL AND status IN ('queued', 'leased');
CREATE INDEX messages_dead ON dbo.messages (ended_at, arrival) WHERE status = 'dead_lettered';
CREATE INDEX messages_dead_by_receiver ON dbo.messages (receiver_no, ended_at, arrival) WHERE status = 'dead_lettered';
CREATE UNIQUE INDEX messages_idempotency ON dbo.messages (idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX messages_of_tasks ON dbo.messages (task_no, task_attempt) WHERE task_no IS NOT NULL;
-- For maintenance: an agent may be deleted only when no row names it.
CREATE INDEX messages_by_sender ON dbo.messages (sender_no);
CREATE INDEX messages_by_receiver ON dbo.messages (receiver_no);

-- Apart, so that leasing and settling do not rewrite it.
CREATE TABLE dbo.message_payloads (
  arrival bigint NOT NULL CONSTRAINT message_payloads_pk PRIMARY KEY CLUSTERED WITH (OPTIMIZE_FOR_SEQUENTIAL_KEY = ON)
    CONSTRAINT message_payloads_message REFERENCES dbo.messages ON DELETE CASCADE ON UPDATE CASCADE,
  -- Any JSON value; ISJSON alone accepts only objects and arrays.
  payload nvarchar(max) NOT NULL CONSTRAINT message_payloads_json CHECK (ISJSON(N'[' + payload + N']') = 1)
);

-- One row per receiver and ordering key with unsettled messages. Sending with a key and ending a message of it both first
-- update this row by key, so that neither can miss the other.
CREATE TABLE dbo.ordering_keys (
  receiver_no int NOT NULL CONSTRAINT ordering_keys_receiver REFERENCES dbo.agents ON DELETE CASCADE,
  ordering_key varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL,
  unsettled int NOT NULL CONSTRAINT ordering_keys_unsettled CHECK (unsettled >= 0),
  CONSTRAINT ordering_keys_pk PRIMARY KEY (receiver_no, ordering_key)
);

CREATE TABLE dbo.message_types (
  type varchar(64) COLLATE Latin1_General_100_BIN2 NOT NULL CONSTRAINT message_types_pk PRIMARY KEY,
  -- true and false are JSON Schemas, too.
  [schema] nvarchar(max) NOT NULL CONSTRAINT message_types_json CHECK (ISJSON(N'[' + [schema] + N']') = 1),
  updated_at bigint NOT NULL
);
GO
-- Signed additions whose sum over the slots equals the committed rows: each transaction adds to the slot of its session, so
-- that transactions seldom wait for each other here. The rows are made with what they count.
CREATE TABLE dbo.counters (
  name varchar(48) COLLATE Latin1_General_100_BIN2 NOT NULL,
  slot smallint NOT NULL,
  value bigint NOT NULL CONSTRAINT counters_value DEFAULT 0,
  CONSTRAINT counters_pk PRIMARY KEY (name, slot)
);
INSERT INTO dbo.counters (name, slot)
SELECT n.name, s.slot
FROM (VALUES ('messages:queued'), ('messages:leased'), ('messages:completed'), ('messages:dead_lettered'), ('messages:expired'),
  ('tasks:blocked'), ('tasks:pending'), ('tasks:assigned'), ('tasks:running'), ('tasks:completed'), ('tasks:failed'),
  ('tasks:cancelled'), ('tasks:assigned_once'), ('tasks:completed_total'), ('tasks:failed_total'), ('agents:workers')) AS n (name)
CROSS JOIN (VALUES (0), (1), (2), (3), (4), (5), (6), (7)) AS s (slot);

-- The first answer of calls whose repeat would read differently (a redrive counts, a registration says whether it was new):
-- kept for the minutes in which a lost answer may be asked for again.
CREATE TABLE dbo.operation_answers (
  operation_id uniqueidentifier NOT NULL CONSTRAINT operation_answers_pk PRIMARY KEY,
  answer nvarchar(max) NOT NULL CONSTRAINT operation_answers_json CHECK (ISJSON(answer) = 1),
  answered_at bigint NOT NULL
);
CREATE INDEX operation_answers_by_time ON dbo.operation_answers (answered_at);
GO
INSERT INTO dbo.schema_migrations (version, name, applied_at)
VALUES (1, '0001_initial.sql', DATEDIFF_BIG(MILLISECOND, '19700101', SYSUTCDATETIME()));
GO
