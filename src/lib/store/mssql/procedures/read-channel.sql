-- What the rules of channels look at: the channel of a name with its grants, agents by id (and since when they are members),
-- and the mailbox that a channel of that name has, or has left behind.
CREATE PROCEDURE release.read_channel
  @operation uniqueidentifier,
  @name varchar(128),
  @agents nvarchar(max),
  @clockOffset bigint
AS
-- include: parts/find-decision.sql
DECLARE @channelNo int = (SELECT c.channel_no FROM dbo.channels AS c WHERE c.name = @name);
DECLARE @named TABLE (agent_id varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL PRIMARY KEY);
INSERT INTO @named (agent_id)
SELECT DISTINCT CAST(j.value AS varchar(128)) COLLATE Latin1_General_100_BIN2 FROM OPENJSON(@agents) AS j;
SELECT c.channel_no, c.name, c.kind, c.description, c.created_by, c.created_at, c.members, c.request_hash, c.grants
FROM dbo.channels AS c WHERE c.channel_no = @channelNo;
SELECT g.grantee, g.may_post, g.may_read, g.may_manage FROM dbo.channel_grants AS g WHERE g.channel_no = @channelNo;
SELECT a.agent_id, a.agent_no, a.status, m.added_at
FROM @named AS n JOIN dbo.agents AS a ON a.agent_id = n.agent_id
LEFT JOIN dbo.channel_members AS m ON m.channel_no = @channelNo AND m.agent_no = a.agent_no
OPTION (LOOP JOIN, FORCE ORDER);
SELECT a.agent_no, CASE WHEN EXISTS (SELECT 1 FROM dbo.messages AS m WHERE m.receiver_no = a.agent_no AND m.status = 'queued')
  OR EXISTS (SELECT 1 FROM dbo.messages AS m WHERE m.receiver_no = a.agent_no AND m.status = 'leased') THEN 1 ELSE 0 END AS waiting
FROM dbo.agents AS a WHERE a.agent_id = CONCAT('#', @name) COLLATE Latin1_General_100_BIN2;
