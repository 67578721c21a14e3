-- Creates a channel with its mailbox and grants, or finds the one that an earlier try has made.
CREATE PROCEDURE release.create_channel
  @items nvarchar(max),
  @clockOffset bigint
AS
-- include: parts/prologue.sql
-- The call, with what it meets; @code says what stands in the way: the same as before is no refusal, but no channel
-- to make either.
DECLARE @name varchar(100), @kind varchar(10), @creator varchar(128), @requestHash varchar(64), @setHash varchar(43),
  @operation uniqueidentifier, @actor varchar(128), @channelNo int, @mailboxNo int, @created bit = 0, @code varchar(24), @subject varchar(128),
  @description nvarchar(max), @members int, @grants int;
SELECT @name = x.name, @kind = x.kind, @creator = x.creator, @requestHash = x.request_hash, @setHash = x.set_hash,
  @operation = x.operation, @actor = x.actor
FROM OPENJSON(@items) WITH (name varchar(100), kind varchar(10), creator varchar(128), request_hash varchar(64),
  set_hash varchar(43), operation uniqueidentifier, actor varchar(128)) AS x;
SET @description = (SELECT REPLACE(REPLACE(REPLACE(REPLACE(REPLACE(v.value COLLATE Latin1_General_100_BIN2, NCHAR(64976), NCHAR(34)), NCHAR(64977), NCHAR(92)), NCHAR(64978), NCHAR(10)), NCHAR(64979), NCHAR(13)), NCHAR(64980), NCHAR(9)) FROM OPENJSON(@items) AS i CROSS APPLY OPENJSON(i.value) AS v
  WHERE v.[key] = 'description' AND v.value IS NOT NULL);
DECLARE @newMembers TABLE (agent_id varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL PRIMARY KEY, agent_no int NULL, status varchar(24) COLLATE Latin1_General_100_BIN2 NULL);
INSERT INTO @newMembers (agent_id, agent_no, status)
SELECT CAST(m.value AS varchar(128)) COLLATE Latin1_General_100_BIN2, a.agent_no, a.status
FROM OPENJSON(@items, '$[0].members') AS m LEFT JOIN dbo.agents AS a ON a.agent_id = CAST(m.value AS varchar(128)) COLLATE Latin1_General_100_BIN2
OPTION (LOOP JOIN, FORCE ORDER);
SET @members = @@ROWCOUNT;
DECLARE @newGrants TABLE (grantee varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL PRIMARY KEY, agent_id varchar(128) COLLATE Latin1_General_100_BIN2 NULL, agent_no int NULL, status varchar(24) COLLATE Latin1_General_100_BIN2 NULL,
  optional bit NOT NULL, may_post bit NOT NULL, may_read bit NOT NULL, may_manage bit NOT NULL);
INSERT INTO @newGrants (grantee, agent_id, agent_no, status, optional, may_post, may_read, may_manage)
SELECT g.grantee, g.agent_id, a.agent_no, a.status, g.optional, g.may_post, g.may_read, g.may_manage
FROM OPENJSON(@items, '$[0].grants') WITH (grantee varchar(128), agent_id varchar(128), optional bit, may_post bit, may_read bit,
  may_manage bit) AS g
LEFT JOIN dbo.agents AS a ON a.agent_id = g.agent_id COLLATE Latin1_General_100_BIN2
OPTION (LOOP JOIN, FORCE ORDER);
DELETE FROM @newGrants WHERE optional = 1 AND (agent_no IS NULL OR status = 'deregistered');
SET @grants = (SELECT COUNT(*) FROM @newGrants);
SELECT @channelNo = c.channel_no, @created = CASE WHEN c.operation_id = @operation THEN 1 ELSE 0 END,
  @code = CASE WHEN c.created_by = @creator AND c.request_hash = @requestHash THEN 'KNOWN' ELSE 'ID_TAKEN' END
FROM dbo.channels AS c WHERE c.name = @name;
IF @code IS NULL
BEGIN
  SELECT TOP (1) @subject = r.agent_id, @code = CASE WHEN r.agent_no IS NULL THEN 'AGENT_NOT_FOUND' ELSE 'AGENT_DEREGISTERED' END
  FROM (SELECT m.agent_id, m.agent_no, m.status FROM @newMembers AS m
    UNION ALL SELECT g.agent_id, g.agent_no, g.status FROM @newGrants AS g WHERE g.agent_id IS NOT NULL) AS r
  WHERE r.agent_no IS NULL OR r.status = 'deregistered' ORDER BY r.agent_id;
  SET @mailboxNo = (SELECT a.agent_no FROM dbo.agents AS a WHERE a.agent_id = CONCAT('#', @name) COLLATE Latin1_General_100_BIN2);
  IF @code IS NULL AND (EXISTS (SELECT 1 FROM dbo.messages AS m WHERE m.receiver_no = @mailboxNo AND m.status = 'queued')
    OR EXISTS (SELECT 1 FROM dbo.messages AS m WHERE m.receiver_no = @mailboxNo AND m.status = 'leased')) SET @code = 'BEING_EMPTIED';
END;
-- The mailbox, and then the channel that refers to it, against the lock order: nobody else writes the rows of a
-- mailbox whose channel is not there. Who makes a channel of that name at once loses by the unique id or name, or
-- finds the mailbox revived.
IF @code IS NULL
BEGIN
  -- Sets that the agents of a batch have.
  DECLARE @sets TABLE (capabilities_hash varchar(64) COLLATE Latin1_General_100_BIN2 NOT NULL PRIMARY KEY,
    capabilities nvarchar(max) NOT NULL);
  INSERT INTO @sets (capabilities_hash, capabilities) VALUES (@setHash, N'[]');
  -- include: parts/intern-capability-sets.sql
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
  INSERT INTO dbo.channels (channel_no, name, kind, description, created_by, created_at, request_hash, operation_id, members, grants)
  VALUES (@mailboxNo, @name, @kind, @description, @creator, @now, @requestHash, @operation, @members, @grants);
  INSERT INTO dbo.channel_members (channel_no, agent_no, added_at)
  SELECT @mailboxNo, m.agent_no, @now FROM @newMembers AS m;
  INSERT INTO dbo.channel_grants (channel_no, grantee, agent_no, may_post, may_read, may_manage)
  SELECT @mailboxNo, g.grantee, g.agent_no, g.may_post, g.may_read, g.may_manage FROM @newGrants AS g;
  INSERT INTO audit.entries (at, actor, action, subject_kind, subject_id, detail)
SELECT @now, COALESCE(@actor, 'system'), 'channel.created', 'channel', @name, CONCAT('{"kind":"' + @kind + '"', ',"members":' + CAST(@members AS varchar(20)), ',"grants":' + CAST(@grants AS varchar(20)), '}');
  INSERT INTO audit.entries (at, actor, action, subject_kind, subject_id, detail)
SELECT @now, COALESCE(@actor, 'system'), 'channel.member_added', 'channel', @name, CONCAT('{"agentId":"' + m.agent_id + '"', '}')
FROM @newMembers AS m ORDER BY m.agent_id;
  INSERT INTO audit.entries (at, actor, action, subject_kind, subject_id, detail)
SELECT @now, COALESCE(@actor, 'system'), 'channel.grant_changed', 'channel', @name, CONCAT('{"grantee":"' + g.grantee + '"', ',"post":' + CASE WHEN g.may_post = 1 THEN 'true' ELSE 'false' END, ',"read":' + CASE WHEN g.may_read = 1 THEN 'true' ELSE 'false' END, ',"manage":' + CASE WHEN g.may_manage = 1 THEN 'true' ELSE 'false' END, '}')
FROM @newGrants AS g ORDER BY g.grantee;
  COMMIT TRANSACTION;
  SELECT @channelNo = @mailboxNo, @created = 1;
END;
SELECT 0 AS item, @code AS code, @subject AS subject, @created AS created;
-- Two recordsets: the channel of @channelNo, and its grants.
SELECT c.channel_no, c.name, c.kind, c.description, c.created_by, c.created_at, c.members FROM dbo.channels AS c WHERE c.channel_no = @channelNo;
SELECT g.grantee, g.may_post, g.may_read, g.may_manage FROM dbo.channel_grants AS g WHERE g.channel_no = @channelNo;
