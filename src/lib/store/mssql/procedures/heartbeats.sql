-- Heartbeats that change nothing, with the waiting messages and the live tasks of each agent. `changes`: an agent had
-- fallen silent, and heartbeats-with-changes has to be called.
CREATE PROCEDURE release.heartbeats
  @items nvarchar(max),
  @clockOffset bigint
AS
-- include: parts/prologue.sql
-- In the order of agents, in which their rows are locked; unknown agents are number 0.
DECLARE @beats TABLE (agent_no int NOT NULL, item int NOT NULL, status varchar(24) COLLATE Latin1_General_100_BIN2 NULL, becomes varchar(24) COLLATE Latin1_General_100_BIN2 NULL,
  was_max int NULL, max_concurrent_tasks int NULL, actor varchar(128) COLLATE Latin1_General_100_BIN2 NULL, changes bit NOT NULL, PRIMARY KEY (agent_no, item));
INSERT INTO @beats (agent_no, item, status, becomes, changes)
SELECT COALESCE(a.agent_no, 0), j.item, a.status, a.status, CASE WHEN a.status = 'inactive' THEN 1 ELSE 0 END
FROM OPENJSON(@items) WITH (item int, agent_id varchar(128) '$.agentId') AS j
LEFT JOIN dbo.agents AS a ON a.agent_id = j.agent_id COLLATE Latin1_General_100_BIN2;
-- include: parts/renew-beats.sql
-- include: parts/count-waiting.sql
