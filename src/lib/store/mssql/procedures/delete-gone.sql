-- What they have in channels goes first, then the loads, as everywhere: who registers again at this moment waits
-- there, finds nothing, and tries again. What else belongs to an agent goes with its row. A reference that comes up
-- meanwhile is a lost race (a foreign key). The mailboxes of deleted channels go likewise, but are not counted.
CREATE PROCEDURE release.delete_gone
  @items nvarchar(max),
  @inactiveRetention bigint,
  @clockOffset bigint
AS
-- include: parts/prologue.sql
DECLARE @gone TABLE (agent_no int NOT NULL PRIMARY KEY, agent_id varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL);
DECLARE @after int = JSON_VALUE(@items, '$[0].after'), @next int, @found int, @done int;
INSERT INTO @gone (agent_no, agent_id)
SELECT TOP (1000 /* MAINTENANCE_BATCH_ROWS */) a.agent_no, a.agent_id FROM dbo.agents AS a
WHERE a.status = 'deregistered' AND a.status_changed_at <= @now - @inactiveRetention AND a.agent_no > @after ORDER BY a.agent_no;
SET @found = @@ROWCOUNT;
IF @found = 1000 /* MAINTENANCE_BATCH_ROWS */ SET @next = (SELECT MAX(g.agent_no) FROM @gone AS g);
DELETE a FROM @gone AS a WHERE EXISTS (SELECT 1 FROM dbo.messages AS m WHERE m.sender_no = a.agent_no)
  OR EXISTS (SELECT 1 FROM dbo.messages AS m WHERE m.receiver_no = a.agent_no)
  OR EXISTS (SELECT 1 FROM dbo.messages AS m WHERE m.holder = a.agent_id AND m.holder IS NOT NULL)
  OR EXISTS (SELECT 1 FROM dbo.tasks AS t WHERE t.supervisor_no = a.agent_no)
  OR EXISTS (SELECT 1 FROM dbo.tasks AS t WHERE t.agent_no = a.agent_no)
  OR EXISTS (SELECT 1 FROM dbo.tasks AS t WHERE t.assign_to_no = a.agent_no)
  OR EXISTS (SELECT 1 FROM dbo.task_attempts AS x WHERE x.agent_no = a.agent_no)
  OR EXISTS (SELECT 1 FROM dbo.task_events AS e WHERE e.agent_no = a.agent_no)
  OR EXISTS (SELECT 1 FROM dbo.question_answerers AS r WHERE r.agent_no = a.agent_no)
  OR EXISTS (SELECT 1 FROM dbo.credentials AS c WHERE c.agent_no = a.agent_no);
SET @done = @found - @@ROWCOUNT;
IF @done = 0
BEGIN
  SELECT 0 AS done, @next AS next;
  RETURN;
END;
-- What agents that are about to be deleted have in channels.
DECLARE @leavingMembers TABLE (channel_no int NOT NULL, agent_no int NOT NULL, agent_id varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL,
  PRIMARY KEY (channel_no, agent_no));
DECLARE @leavingGrants TABLE (channel_no int NOT NULL, grantee varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL, PRIMARY KEY (channel_no, grantee));
DECLARE @leavingRows int;
INSERT INTO @leavingMembers (channel_no, agent_no, agent_id)
SELECT m.channel_no, m.agent_no, x.agent_id FROM @gone AS x JOIN dbo.channel_members AS m ON m.agent_no = x.agent_no
OPTION (LOOP JOIN, FORCE ORDER);
INSERT INTO @leavingGrants (channel_no, grantee)
SELECT g.channel_no, g.grantee FROM @gone AS x
JOIN dbo.channel_grants AS g ON g.agent_no = x.agent_no AND g.agent_no IS NOT NULL
OPTION (LOOP JOIN, FORCE ORDER);
BEGIN TRANSACTION;
INSERT INTO audit.entries (at, actor, action, subject_kind, subject_id, detail)
SELECT @now, 'system', 'agent.deleted', 'agent', g.agent_id, '{}'
FROM @gone AS g WHERE g.agent_id > '/';
-- One that has joined or left in between is a lost race.
IF EXISTS (SELECT 1 FROM @leavingMembers) OR EXISTS (SELECT 1 FROM @leavingGrants)
BEGIN
  UPDATE c SET members = c.members - l.members, grants = c.grants - l.grants
  FROM (SELECT a.channel_no, SUM(a.members) AS members, SUM(a.grants) AS grants
    FROM (SELECT channel_no, 1 AS members, 0 AS grants FROM @leavingMembers
      UNION ALL SELECT channel_no, 0 AS members, 1 AS grants FROM @leavingGrants) AS a GROUP BY a.channel_no) AS l
  JOIN dbo.channels AS c ON c.channel_no = l.channel_no
  OPTION (LOOP JOIN, FORCE ORDER);
  SET @leavingRows = (SELECT COUNT(*) FROM @leavingMembers);
  DELETE m FROM @leavingMembers AS l JOIN dbo.channel_members AS m ON m.channel_no = l.channel_no AND m.agent_no = l.agent_no
  OPTION (LOOP JOIN, FORCE ORDER);
  IF @@ROWCOUNT <> @leavingRows BEGIN ROLLBACK TRANSACTION; RETURN 1; END;
  SET @leavingRows = (SELECT COUNT(*) FROM @leavingGrants);
  DELETE g FROM @leavingGrants AS l JOIN dbo.channel_grants AS g ON g.channel_no = l.channel_no AND g.grantee = l.grantee
  OPTION (LOOP JOIN, FORCE ORDER);
  IF @@ROWCOUNT <> @leavingRows BEGIN ROLLBACK TRANSACTION; RETURN 1; END;
  INSERT INTO audit.entries (at, actor, action, subject_kind, subject_id, detail)
SELECT @now, 'system', 'channel.member_removed', 'channel', c.name, CONCAT('{"agentId":"' + m.agent_id + '"', '}')
FROM @leavingMembers AS m JOIN dbo.channels AS c ON c.channel_no = m.channel_no ORDER BY c.name, m.agent_id;
  INSERT INTO audit.entries (at, actor, action, subject_kind, subject_id, detail)
SELECT @now, 'system', 'channel.grant_changed', 'channel', c.name, CONCAT('{"grantee":"' + g.grantee + '"', ',"post":' + CASE WHEN g.may_post = 1 THEN 'true' ELSE 'false' END, ',"read":' + CASE WHEN g.may_read = 1 THEN 'true' ELSE 'false' END, ',"manage":' + CASE WHEN g.may_manage = 1 THEN 'true' ELSE 'false' END, '}')
FROM (SELECT channel_no, grantee, 0 AS may_post, 0 AS may_read, 0 AS may_manage FROM @leavingGrants) AS g
  JOIN dbo.channels AS c ON c.channel_no = g.channel_no ORDER BY c.name, g.grantee;
END;
DELETE l FROM @gone AS g JOIN dbo.agent_loads AS l ON l.agent_no = g.agent_no
OPTION (LOOP JOIN, FORCE ORDER);
IF @@ROWCOUNT <> @done BEGIN ROLLBACK TRANSACTION; RETURN 1; END;
DELETE a FROM @gone AS g JOIN dbo.agents AS a ON a.agent_no = g.agent_no
WHERE a.status = 'deregistered' AND a.status_changed_at <= @now - @inactiveRetention
OPTION (LOOP JOIN, FORCE ORDER);
IF @@ROWCOUNT <> @done BEGIN ROLLBACK TRANSACTION; RETURN 1; END;
DELETE c FROM @gone AS g JOIN dbo.counters AS c ON c.name = CONCAT('mailbox:', g.agent_no)
OPTION (LOOP JOIN, FORCE ORDER);
COMMIT TRANSACTION;
SELECT (SELECT COUNT(*) FROM @gone AS g WHERE g.agent_id > '/') AS done, @next AS next;
