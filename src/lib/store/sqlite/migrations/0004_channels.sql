-- A channel's mailbox is a row of agents whose id is '#' and the channel's name: no agent can have such an id, and so streams,
-- ordering keys, leases, dead letters and sweeps are those of agents. channel_no is the number of that row, which outlives the
-- channel for as long as messages name it. `members` and `grants` count the rows below.
CREATE TABLE channels (
  channel_no INTEGER PRIMARY KEY REFERENCES agents,
  name TEXT NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 100),
  kind TEXT NOT NULL CHECK (kind IN ('broadcast', 'work_queue')),
  description TEXT,
  -- An agent's id, or what stands for nobody: no reference, for it may be gone.
  created_by TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  request_hash TEXT NOT NULL,
  members INTEGER NOT NULL CHECK (members BETWEEN 0 AND 1000),
  grants INTEGER NOT NULL CHECK (grants BETWEEN 0 AND 201)
) STRICT;

CREATE TABLE channel_members (
  channel_no INTEGER NOT NULL REFERENCES channels ON DELETE CASCADE,
  agent_no INTEGER NOT NULL REFERENCES agents,
  added_at INTEGER NOT NULL,
  PRIMARY KEY (channel_no, agent_no)
) STRICT, WITHOUT ROWID;
CREATE INDEX channel_members_by_agent ON channel_members (agent_no, channel_no);

CREATE TABLE channel_grants (
  channel_no INTEGER NOT NULL REFERENCES channels ON DELETE CASCADE,
  -- An agent's id, or '@' and a role.
  grantee TEXT NOT NULL,
  -- NULL: a role.
  agent_no INTEGER REFERENCES agents,
  may_post INTEGER NOT NULL CHECK (may_post IN (0, 1)),
  may_read INTEGER NOT NULL CHECK (may_read IN (0, 1)),
  may_manage INTEGER NOT NULL CHECK (may_manage IN (0, 1)),
  PRIMARY KEY (channel_no, grantee),
  CHECK ((agent_no IS NULL) = (substr(grantee, 1, 1) = '@')),
  CHECK (may_post + may_read + may_manage > 0)
) STRICT, WITHOUT ROWID;
CREATE INDEX channel_grants_by_grantee ON channel_grants (grantee, channel_no);
CREATE INDEX channel_grants_by_agent ON channel_grants (agent_no, channel_no) WHERE agent_no IS NOT NULL;

-- Of a member's copy of a post: the channel's name and the message id of the post. Names, not numbers: both may be gone
-- before the copy is.
ALTER TABLE messages ADD COLUMN channel TEXT;
ALTER TABLE messages ADD COLUMN post_id TEXT;
-- Of a message in a channel's mailbox: the id of the agent that leased it last. In an agent's own mailbox that is the
-- receiver. By id, since only the agent of that id may settle it, whatever its number.
ALTER TABLE messages ADD COLUMN holder TEXT;
