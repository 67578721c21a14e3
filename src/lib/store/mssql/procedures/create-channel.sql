-- Creates a channel with its mailbox, members and grants, as rules/channels.ts has decided. @mailboxNo: what a deleted channel
-- of that name has left behind.
CREATE PROCEDURE release.create_channel
  @operation uniqueidentifier,
  @try int,
  @now bigint,
  @entries nvarchar(max),
  @name varchar(128),
  @kind varchar(64),
  @description nvarchar(max),
  @creator varchar(128),
  @requestHash varchar(64),
  @setHash varchar(64),
  @mailboxNo int,
  @members nvarchar(max),
  @grants nvarchar(max)
AS
-- include: parts/begin-decided.sql
DECLARE @newMembers TABLE (agent_no int NOT NULL PRIMARY KEY);
INSERT INTO @newMembers (agent_no) SELECT CAST(j.value AS int) FROM OPENJSON(@members) AS j;
DECLARE @memberRows int = @@ROWCOUNT;
DECLARE @newGrants TABLE (grantee varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL PRIMARY KEY, agent_no int NULL,
  may_post bit NOT NULL, may_read bit NOT NULL, may_manage bit NOT NULL);
INSERT INTO @newGrants (grantee, agent_no, may_post, may_read, may_manage)
SELECT j.grantee, j.agent_no, j.may_post, j.may_read, j.may_manage
FROM OPENJSON(@grants) WITH (grantee varchar(128), agent_no int, may_post bit, may_read bit, may_manage bit) AS j;
DECLARE @grantRows int = @@ROWCOUNT;
-- Sets that the agents of a batch have.
DECLARE @sets TABLE (capabilities_hash varchar(64) COLLATE Latin1_General_100_BIN2 NOT NULL PRIMARY KEY,
  capabilities nvarchar(max) NOT NULL);
INSERT INTO @sets (capabilities_hash, capabilities) VALUES (@setHash, N'[]');
-- include: parts/intern-capability-sets.sql
-- The mailbox, and then the channel that refers to it, against the lock order: nobody else writes the rows of a
-- mailbox whose channel is not there. Who makes a channel of that name at once loses by the unique id or name, or
-- finds the mailbox revived.
BEGIN TRANSACTION;
IF @mailboxNo IS NOT NULL
BEGIN
  UPDATE dbo.agents SET status = 'active', status_changed_at = @now, mailbox_left = 0
  WHERE agent_no = @mailboxNo AND status = 'deregistered';
  IF @@ROWCOUNT <> 1 BEGIN ROLLBACK TRANSACTION; RETURN 1; END;
  UPDATE dbo.agent_heartbeats SET beating = 1 WHERE agent_no = @mailboxNo;
END;
ELSE
BEGIN
  INSERT INTO dbo.agents (agent_id, role, status, set_no, registered_at, status_changed_at)
  SELECT CONCAT('#', @name), 'observer', 'active', s.set_no, @now, @now
  FROM dbo.capability_sets AS s WHERE s.capabilities_hash = @setHash;
  IF @@ROWCOUNT <> 1 BEGIN ROLLBACK TRANSACTION; RETURN 1; END;
  SET @mailboxNo = (SELECT a.agent_no FROM dbo.agents AS a WHERE a.agent_id = CONCAT('#', @name) COLLATE Latin1_General_100_BIN2);
  INSERT INTO dbo.agent_loads (agent_no, agent_id, set_no, working, max_concurrent_tasks)
  SELECT a.agent_no, a.agent_id, a.set_no, 0, 0 FROM dbo.agents AS a WHERE a.agent_no = @mailboxNo;
  INSERT INTO dbo.agent_heartbeats (agent_no, last_heartbeat_at, beating) VALUES (@mailboxNo, 253402300799999 /* CHANNEL_HEARTBEAT_AT */, 1);
  INSERT INTO dbo.counters (name, slot)
  SELECT CONCAT('mailbox:', @mailboxNo), s.slot FROM (VALUES (0), (1), (2), (3), (4), (5), (6), (7)) AS s (slot);
END;
INSERT INTO dbo.channels (channel_no, name, kind, description, created_by, created_at, request_hash, members, grants)
VALUES (@mailboxNo, @name, @kind, @description, @creator, @now, @requestHash, @memberRows, @grantRows);
INSERT INTO dbo.channel_members (channel_no, agent_no, added_at)
SELECT @mailboxNo, m.agent_no, @now FROM @newMembers AS m;
INSERT INTO dbo.channel_grants (channel_no, grantee, agent_no, may_post, may_read, may_manage)
SELECT @mailboxNo, g.grantee, g.agent_no, g.may_post, g.may_read, g.may_manage FROM @newGrants AS g;
-- include: parts/keep-decision.sql
COMMIT TRANSACTION;
