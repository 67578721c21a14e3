-- Fewer bytes per transition. What a transition writes is in narrow rows; what is written once is apart; an index that only the
-- deletion of agents needed is a count. Tables are made anew, so foreign keys are off while migrations run and are checked at the end.
-- Of texts a CHECK compares one after the other: IN with more than two makes SQLite build a table of them for every statement,
-- which took two thirds of the time of an update.

-- What a sender wrote: never rewritten while the message is queued, leased and ended. `arrival` is that of its row in messages.
CREATE TABLE message_bodies (
  arrival INTEGER PRIMARY KEY REFERENCES messages ON DELETE CASCADE ON UPDATE CASCADE,
  message_id TEXT NOT NULL UNIQUE CHECK (length(message_id) BETWEEN 1 AND 128),
  type TEXT NOT NULL,
  -- By how much a redrive raises the limit of attempts.
  max_attempts INTEGER NOT NULL CHECK (max_attempts BETWEEN 1 AND 100),
  correlation_id TEXT,
  reply_to TEXT,
  idempotency_key TEXT,
  request_hash TEXT,
  task_no INTEGER REFERENCES tasks ON DELETE SET NULL,
  task_attempt INTEGER,
  -- Of a member's copy of a post: the channel's name and the message id of the post. Names, not numbers: both may be gone
  -- before the copy is.
  channel TEXT,
  post_id TEXT,
  -- The sender as it was verified when it sent: its registered role, and how it proved who it is. NULL: written by the
  -- switchboard itself, or sent before these were kept.
  sender_role TEXT CHECK (sender_role = 'supervisor' OR sender_role = 'worker' OR sender_role = 'observer' OR sender_role = 'admin'),
  sender_credential TEXT CHECK (sender_credential = 'token' OR sender_credential = 'entra'
    OR sender_credential = 'certificate' OR sender_credential = 'none'),
  -- The version of the key that the payload, or in the switchboard's own task_result the result inside of it, is encrypted
  -- under; NULL: it is plain.
  key_version TEXT,
  -- W3C Trace Context of the call that sent the message. NULL: no trace, or the switchboard's own task_assignment, which has
  -- that of its task.
  traceparent TEXT CHECK (length(traceparent) = 55),
  -- JSON text. Last, so that nothing else is read through it.
  payload TEXT NOT NULL
) STRICT;

CREATE TABLE new_messages (
  -- Assigned by the store in order of acceptance; a redrive or joining an ordering key gives a new one.
  arrival INTEGER PRIMARY KEY,
  -- Numbers of agents, without a reference: mailboxes.named counts these rows, and an agent that is named is not deleted.
  -- NULL: written by the switchboard itself.
  sender_no INTEGER,
  receiver_no INTEGER NOT NULL,
  priority INTEGER NOT NULL CHECK (priority BETWEEN 0 AND 3),
  status TEXT NOT NULL CHECK (status = 'queued' OR status = 'leased' OR status = 'completed' OR status = 'dead_lettered'
    OR status = 'expired'),
  -- 1 while a lower arrival of the same receiver and ordering key is unsettled, or it has not joined its key: out of the streams.
  held INTEGER NOT NULL CHECK (held IN (0, 1)),
  -- 0: queued with a first delay, it joins its ordering key when it becomes due, and gets its number in it then.
  joined INTEGER NOT NULL DEFAULT 1 CHECK (joined IN (0, 1)),
  attempt INTEGER NOT NULL DEFAULT 0 CHECK (attempt >= 0),
  -- The attempt after which it is dead-lettered.
  attempt_limit INTEGER NOT NULL,
  accepted_at INTEGER NOT NULL,
  available_at INTEGER NOT NULL,
  expires_at INTEGER,
  lease_expires_at INTEGER,
  ended_at INTEGER,
  -- That of a dead letter again: what most messages never become is in no index that leasing and completing have to look at.
  dead_at INTEGER,
  -- What the last settlement of the current attempt asked for and was answered with.
  settlement TEXT CHECK (settlement = 'complete' OR settlement = 'retry_queued' OR settlement = 'retry_dead_lettered'
    OR settlement = 'dead_letter' OR settlement = 'task_ended'),
  claim_id TEXT,
  reason TEXT,
  ordering_key TEXT,
  -- Of a message in a channel's mailbox: the id of the agent that leased it last. By id, since only the agent of that id may
  -- settle it, whatever its number.
  holder TEXT,
  -- The type, of a queued message in a mailbox that is read by type; NULL in all others, which so have one stream and not two.
  stream_type TEXT,
  CHECK ((status = 'leased') = (lease_expires_at IS NOT NULL)),
  CHECK ((status = 'completed' OR status = 'dead_lettered' OR status = 'expired') = (ended_at IS NOT NULL)),
  CHECK (held = 0 OR (status = 'queued' AND ordering_key IS NOT NULL)),
  CHECK (dead_at IS NULL OR (status = 'dead_lettered' AND dead_at = ended_at))
) STRICT;

INSERT INTO new_messages (arrival, sender_no, receiver_no, priority, status, held, joined, attempt, attempt_limit, accepted_at,
    available_at, expires_at, lease_expires_at, ended_at, dead_at, settlement, claim_id, reason, ordering_key, holder)
  SELECT arrival, sender_no, receiver_no, priority, status, held, iif(status = 'queued', joined, 1), attempt, attempt_limit, accepted_at,
    available_at, expires_at, lease_expires_at, ended_at, iif(status = 'dead_lettered', ended_at, NULL), settlement, claim_id, reason,
    ordering_key, holder
  FROM messages ORDER BY arrival;
INSERT INTO message_bodies (arrival, message_id, type, max_attempts, correlation_id, reply_to, idempotency_key, request_hash,
    task_no, task_attempt, channel, post_id, sender_role, sender_credential, key_version, traceparent, payload)
  SELECT m.arrival, m.message_id, m.type, m.max_attempts, m.correlation_id, m.reply_to, m.idempotency_key, m.request_hash,
    m.task_no, m.task_attempt, m.channel, m.post_id, m.sender_role, m.sender_credential, m.key_version, m.traceparent,
    coalesce(m.payload, p.payload, 'null')
  FROM messages m LEFT JOIN message_payloads p USING (arrival) ORDER BY m.arrival;
DROP TABLE message_payloads;
DROP TABLE messages;
ALTER TABLE new_messages RENAME TO messages;

-- The streams: one per receiver and priority, those held behind a key apart (only a peek reads them), and one per receiver,
-- type and priority where the mailbox is read by type.
CREATE INDEX messages_ready ON messages (receiver_no, held, priority, available_at, arrival) WHERE status = 'queued';
CREATE INDEX messages_ready_by_type ON messages (receiver_no, stream_type, priority, available_at, arrival)
  WHERE stream_type IS NOT NULL AND held = 0;
CREATE INDEX messages_leased ON messages (receiver_no, lease_expires_at) WHERE status = 'leased';
CREATE INDEX messages_claims ON messages (receiver_no, claim_id) WHERE claim_id IS NOT NULL;
CREATE INDEX messages_expiring ON messages (expires_at) WHERE status = 'queued' AND expires_at IS NOT NULL;
CREATE INDEX messages_keys ON messages (receiver_no, ordering_key, arrival)
  WHERE ordering_key IS NOT NULL AND joined = 1 AND status IN ('queued', 'leased');
-- What is to join: of a mailbox, in the order of becoming due; and whether some of a key is due already.
CREATE INDEX messages_joining ON messages (receiver_no, available_at, arrival) WHERE joined = 0;
CREATE INDEX messages_joining_key ON messages (receiver_no, ordering_key, available_at) WHERE joined = 0;
CREATE INDEX messages_dead ON messages (dead_at, arrival) WHERE dead_at IS NOT NULL;
CREATE INDEX messages_dead_by_receiver ON messages (receiver_no, dead_at, arrival) WHERE dead_at IS NOT NULL;
-- Messages of work queues name their holder: an agent that one of them names is not deleted, so that no other agent gets its name.
CREATE INDEX messages_by_holder ON messages (holder) WHERE holder IS NOT NULL;

CREATE UNIQUE INDEX message_bodies_idempotency ON message_bodies (idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX message_bodies_of_tasks ON message_bodies (task_no, task_attempt) WHERE task_no IS NOT NULL;
-- The copies of a post that its sender withdraws.
CREATE INDEX message_bodies_of_post ON message_bodies (post_id) WHERE post_id IS NOT NULL;
-- For encrypting again under a new version: what is under another one stands before or behind it.
CREATE INDEX message_bodies_by_key ON message_bodies (key_version, arrival) WHERE key_version IS NOT NULL;

CREATE TABLE new_mailboxes (
  -- An agent, or the mailbox of a channel. A missing row is 0 in every column.
  agent_no INTEGER PRIMARY KEY REFERENCES agents ON DELETE CASCADE,
  -- Its messages that are queued or leased.
  depth INTEGER NOT NULL CHECK (depth >= 0),
  -- Messages of any status that name it as receiver or as sender; both at once count twice.
  named INTEGER NOT NULL CHECK (named >= 0),
  -- Whether it is read by type: 1 while stream_type is being filled in, 2 when every queued message has it.
  by_type INTEGER NOT NULL DEFAULT 0 CHECK (by_type BETWEEN 0 AND 2),
  -- 1: mailbox_senders counts its messages by sender.
  by_sender INTEGER NOT NULL DEFAULT 0 CHECK (by_sender IN (0, 1))
) STRICT;
INSERT INTO new_mailboxes (agent_no, depth, named)
  SELECT agent_no, coalesce(b.depth, 0), n.named FROM (
    SELECT agent_no, count(*) AS named FROM (
      SELECT receiver_no AS agent_no FROM messages UNION ALL SELECT sender_no FROM messages WHERE sender_no IS NOT NULL
    ) GROUP BY agent_no
  ) n LEFT JOIN mailboxes b USING (agent_no);
DROP TABLE mailboxes;
ALTER TABLE new_mailboxes RENAME TO mailboxes;
-- Queued and leased messages of one sender, for mailboxes that have been more than half full.
CREATE TABLE mailbox_senders (
  receiver_no INTEGER NOT NULL REFERENCES agents ON DELETE CASCADE,
  sender_no INTEGER NOT NULL,
  depth INTEGER NOT NULL CHECK (depth >= 0),
  PRIMARY KEY (receiver_no, sender_no)
) STRICT, WITHOUT ROWID;

CREATE TABLE new_tasks (
  task_no INTEGER PRIMARY KEY AUTOINCREMENT,
  task_id TEXT NOT NULL UNIQUE CHECK (length(task_id) BETWEEN 1 AND 128),
  supervisor_no INTEGER NOT NULL REFERENCES agents,
  task_type TEXT NOT NULL,
  priority INTEGER NOT NULL CHECK (priority BETWEEN 0 AND 3),
  status TEXT NOT NULL CHECK (status = 'blocked' OR status = 'pending' OR status = 'assigned' OR status = 'running'
    OR status = 'input_required' OR status = 'completed' OR status = 'failed' OR status = 'cancelled'),
  -- Raised by every transition.
  version INTEGER NOT NULL DEFAULT 1 CHECK (version > 0),
  demand_no INTEGER NOT NULL REFERENCES demands,
  assign_to_no INTEGER REFERENCES agents,
  -- The agent of the current attempt, or of the last one.
  agent_no INTEGER REFERENCES agents,
  attempt INTEGER NOT NULL DEFAULT 0 CHECK (attempt >= 0),
  -- How the last attempt ended; NULL: none has.
  last_outcome TEXT CHECK (last_outcome = 'completed' OR last_outcome = 'failed' OR last_outcome = 'timed_out'
    OR last_outcome = 'agent_inactive' OR last_outcome = 'released' OR last_outcome = 'cancelled'
    OR last_outcome = 'suspended' OR last_outcome = 'expired'),
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
  -- When a live task counts as silent; NULL: its silence is not watched.
  silent_at INTEGER,
  ended_at INTEGER,
  parent_task_id TEXT,
  idempotency_key TEXT,
  request_hash TEXT NOT NULL,
  CHECK ((status <> 'assigned' AND status <> 'running') OR (agent_no IS NOT NULL AND deadline_at IS NOT NULL)),
  CHECK ((status = 'completed' OR status = 'failed' OR status = 'cancelled') = (ended_at IS NOT NULL)),
  CHECK (status <> 'blocked' OR unmet_dependencies > 0)
) STRICT;
INSERT INTO new_tasks (task_no, task_id, supervisor_no, task_type, priority, status, demand_no, assign_to_no, agent_no, attempt,
    last_outcome, retries_used, max_retries, timeout_milliseconds, unmet_dependencies, cancel_requested, percent, created_at,
    available_at, assigned_at, started_at, deadline_at, ended_at, parent_task_id, idempotency_key, request_hash)
  SELECT task_no, task_id, supervisor_no, task_type, priority, status, demand_no, assign_to_no, agent_no, attempt,
    (SELECT outcome FROM task_attempts a WHERE a.task_no = t.task_no AND outcome IS NOT NULL ORDER BY a.attempt DESC LIMIT 1),
    retries_used, max_retries, timeout_milliseconds, unmet_dependencies, cancel_requested, percent, created_at,
    available_at, assigned_at, started_at, deadline_at, ended_at, parent_task_id, idempotency_key, request_hash
  FROM tasks t ORDER BY task_no;
-- The next number stays the next, whatever is in the archive.
DELETE FROM sqlite_sequence WHERE name = 'new_tasks';
INSERT INTO sqlite_sequence (name, seq) SELECT 'new_tasks', seq FROM sqlite_sequence WHERE name = 'tasks';
DROP TABLE tasks;
ALTER TABLE new_tasks RENAME TO tasks;
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

-- Apart from the attempt, which is rewritten when it ends.
CREATE TABLE task_explanations (
  task_no INTEGER NOT NULL REFERENCES tasks ON DELETE CASCADE,
  attempt INTEGER NOT NULL,
  explanation TEXT NOT NULL CHECK (json_valid(explanation)),
  PRIMARY KEY (task_no, attempt)
) STRICT, WITHOUT ROWID;
INSERT INTO task_explanations SELECT task_no, attempt, explanation FROM task_attempts ORDER BY task_no, attempt;
CREATE TABLE new_task_attempts (
  task_no INTEGER NOT NULL REFERENCES tasks ON DELETE CASCADE,
  attempt INTEGER NOT NULL CHECK (attempt > 0),
  agent_no INTEGER NOT NULL REFERENCES agents,
  assigned_at INTEGER NOT NULL,
  ended_at INTEGER,
  outcome TEXT CHECK (outcome = 'completed' OR outcome = 'failed' OR outcome = 'timed_out' OR outcome = 'agent_inactive'
    OR outcome = 'released' OR outcome = 'cancelled' OR outcome = 'suspended' OR outcome = 'expired'),
  -- The status that the ending call was answered with, so that its repeat gets the same answer.
  answer TEXT CHECK (answer IS NULL OR json_valid(answer)),
  PRIMARY KEY (task_no, attempt),
  CHECK ((ended_at IS NULL) = (outcome IS NULL))
) STRICT, WITHOUT ROWID;
INSERT INTO new_task_attempts SELECT task_no, attempt, agent_no, assigned_at, ended_at, outcome, answer
  FROM task_attempts ORDER BY task_no, attempt;
DROP TABLE task_attempts;
ALTER TABLE new_task_attempts RENAME TO task_attempts;
CREATE INDEX task_attempts_of_agent ON task_attempts (agent_no, ended_at);

-- An event names no agent but those of the task's attempts, whose rows keep it: no reference, and no index for one.
CREATE TABLE new_task_events (
  task_no INTEGER NOT NULL REFERENCES tasks ON DELETE CASCADE,
  event_no INTEGER NOT NULL,
  event TEXT NOT NULL,
  at INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  agent_no INTEGER,
  detail TEXT,
  PRIMARY KEY (task_no, event_no)
) STRICT, WITHOUT ROWID;
INSERT INTO new_task_events SELECT task_no, event_no, event, at, attempt, agent_no, detail FROM task_events ORDER BY task_no, event_no;
DROP TABLE task_events;
ALTER TABLE new_task_events RENAME TO task_events;

CREATE TABLE new_agents (
  agent_no INTEGER PRIMARY KEY,
  agent_id TEXT NOT NULL UNIQUE CHECK (length(agent_id) BETWEEN 1 AND 128 AND agent_id <> 'system'),
  role TEXT NOT NULL CHECK (role = 'supervisor' OR role = 'worker' OR role = 'observer' OR role = 'admin'),
  status TEXT NOT NULL CHECK (status = 'active' OR status = 'draining' OR status = 'inactive' OR status = 'deregistered'),
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
INSERT INTO new_agents (agent_no, agent_id, role, status, set_no, max_concurrent_tasks, active_tasks, registered_at,
    last_heartbeat_at, status_changed_at, last_assigned_at, completed, failed, completed_milliseconds, p95_milliseconds)
  SELECT agent_no, agent_id, role, status, set_no, max_concurrent_tasks, active_tasks, registered_at,
    last_heartbeat_at, status_changed_at, last_assigned_at, completed, failed, completed_milliseconds, p95_milliseconds
  FROM agents ORDER BY agent_no;
DROP TABLE agents;
ALTER TABLE new_agents RENAME TO agents;
CREATE INDEX agents_assignable ON agents (set_no, load, last_assigned_at, agent_id)
  WHERE role = 'worker' AND status = 'active' AND active_tasks < max_concurrent_tasks;
CREATE INDEX agents_beating ON agents (last_heartbeat_at) WHERE status IN ('active', 'draining');
CREATE INDEX agents_inactive ON agents (status_changed_at) WHERE status = 'inactive';
CREATE INDEX agents_gone ON agents (agent_no) WHERE status = 'deregistered';
CREATE INDEX agents_left ON agents (agent_no) WHERE status = 'inactive' AND active_tasks > 0;
CREATE INDEX agents_by_role ON agents (role, agent_id);
CREATE INDEX agents_by_status ON agents (status, agent_id);
CREATE INDEX agents_by_set ON agents (set_no, agent_id);
