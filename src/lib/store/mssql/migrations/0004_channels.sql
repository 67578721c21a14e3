SET QUOTED_IDENTIFIER, ANSI_NULLS ON;
GO
-- A channel's mailbox is a row of agents (with its load and heartbeat) whose id is '#' and the channel's name: no agent can
-- have such an id, and so streams, ordering keys, leases, dead letters and sweeps are those of agents. channel_no is the number
-- of that row, which outlives the channel for as long as messages name it. `members` and `grants` count the rows below.
CREATE TABLE dbo.channels (
  channel_no int NOT NULL CONSTRAINT channels_pk PRIMARY KEY CONSTRAINT channels_mailbox REFERENCES dbo.agents,
  name varchar(100) COLLATE Latin1_General_100_BIN2 NOT NULL CONSTRAINT channels_name UNIQUE,
  kind varchar(10) COLLATE Latin1_General_100_BIN2 NOT NULL CONSTRAINT channels_kind CHECK (kind IN ('broadcast', 'work_queue')),
  description nvarchar(max) NULL,
  -- An agent's id, or what stands for nobody: no reference, for it may be gone.
  created_by varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL,
  created_at bigint NOT NULL,
  request_hash varchar(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
  -- The call that created it: its own repeat, after a lost answer, is answered "created" again.
  operation_id uniqueidentifier NULL,
  members int NOT NULL CONSTRAINT channels_members CHECK (members BETWEEN 0 AND 1000),
  grants int NOT NULL CONSTRAINT channels_grants CHECK (grants BETWEEN 0 AND 201)
);

CREATE TABLE dbo.channel_members (
  channel_no int NOT NULL CONSTRAINT channel_members_channel REFERENCES dbo.channels ON DELETE CASCADE,
  agent_no int NOT NULL CONSTRAINT channel_members_agent REFERENCES dbo.agents,
  added_at bigint NOT NULL,
  CONSTRAINT channel_members_pk PRIMARY KEY (channel_no, agent_no)
);
CREATE INDEX channel_members_by_agent ON dbo.channel_members (agent_no, channel_no);

CREATE TABLE dbo.channel_grants (
  channel_no int NOT NULL CONSTRAINT channel_grants_channel REFERENCES dbo.channels ON DELETE CASCADE,
  -- An agent's id, or '@' and a role.
  grantee varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL,
  -- NULL: a role.
  agent_no int NULL CONSTRAINT channel_grants_agent REFERENCES dbo.agents,
  may_post bit NOT NULL,
  may_read bit NOT NULL,
  may_manage bit NOT NULL,
  CONSTRAINT channel_grants_pk PRIMARY KEY (channel_no, grantee),
  CONSTRAINT channel_grants_grantee CHECK ((agent_no IS NULL AND LEFT(grantee, 1) = '@')
    OR (agent_no IS NOT NULL AND LEFT(grantee, 1) <> '@')),
  CONSTRAINT channel_grants_something CHECK (may_post = 1 OR may_read = 1 OR may_manage = 1)
);
CREATE INDEX channel_grants_by_grantee ON dbo.channel_grants (grantee, channel_no) INCLUDE (may_read);
CREATE INDEX channel_grants_by_agent ON dbo.channel_grants (agent_no, channel_no) WHERE agent_no IS NOT NULL;
GO
-- Of a member's copy of a post: the channel's name and the message id of the post. Names, not numbers: both may be gone
-- before the copy is. (A column to a statement: not every server that speaks T-SQL takes more.)
ALTER TABLE dbo.messages ADD channel varchar(100) COLLATE Latin1_General_100_BIN2 NULL;
ALTER TABLE dbo.messages ADD post_id varchar(128) COLLATE Latin1_General_100_BIN2 NULL;
-- Of a message in a channel's mailbox: the id of the agent that leased it last. In an agent's own mailbox that is the
-- receiver. By id, since only the agent of that id may settle it, whatever its number.
ALTER TABLE dbo.messages ADD holder varchar(128) COLLATE Latin1_General_100_BIN2 NULL;
GO
INSERT INTO dbo.schema_migrations (version, name, applied_at)
VALUES (4, '0004_channels.sql', DATEDIFF_BIG(MILLISECOND, '19700101', SYSUTCDATETIME()));
GO
