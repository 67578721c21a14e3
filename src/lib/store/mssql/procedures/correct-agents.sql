-- One page of agents, by number: times that record the past and lie in the future become now. With the last page the
-- seconds of the rate that lie ahead are forgotten.
CREATE PROCEDURE release.correct_agents
  @items nvarchar(max),
  @clockOffset bigint
AS
-- include: parts/prologue.sql
DECLARE @page TABLE (no int NOT NULL PRIMARY KEY);
DECLARE @after int = JSON_VALUE(@items, '$[0].after'), @next int, @read int, @done int = 0;
INSERT INTO @page (no)
SELECT TOP (1000 /* MAINTENANCE_BATCH_ROWS */) x.agent_no FROM dbo.agents AS x WHERE x.agent_no > @after ORDER BY x.agent_no;
SET @read = @@ROWCOUNT;
IF @read = 1000 /* MAINTENANCE_BATCH_ROWS */ SET @next = (SELECT MAX(p.no) FROM @page AS p);
BEGIN TRANSACTION;
UPDATE l SET last_assigned_at = @now
FROM @page AS p JOIN dbo.agent_loads AS l ON l.agent_no = p.no
WHERE l.last_assigned_at > @now + 60000 /* AHEAD_MILLISECONDS */
OPTION (LOOP JOIN, FORCE ORDER);
SET @done = @done + @@ROWCOUNT;
UPDATE a SET registered_at = CASE WHEN a.registered_at > @now + 60000 /* AHEAD_MILLISECONDS */ THEN @now ELSE a.registered_at END, status_changed_at = CASE WHEN a.status_changed_at > @now + 60000 /* AHEAD_MILLISECONDS */ THEN @now ELSE a.status_changed_at END
FROM @page AS p JOIN dbo.agents AS a ON a.agent_no = p.no
WHERE a.registered_at > @now + 60000 /* AHEAD_MILLISECONDS */ OR a.status_changed_at > @now + 60000 /* AHEAD_MILLISECONDS */
OPTION (LOOP JOIN, FORCE ORDER);
SET @done = @done + @@ROWCOUNT;
UPDATE h SET last_heartbeat_at = @now
FROM @page AS p JOIN dbo.agent_heartbeats AS h ON h.agent_no = p.no
WHERE h.last_heartbeat_at > @now + 60000 /* AHEAD_MILLISECONDS */ AND h.last_heartbeat_at < 253402300799999 /* CHANNEL_HEARTBEAT_AT */
OPTION (LOOP JOIN, FORCE ORDER);
SET @done = @done + @@ROWCOUNT;
COMMIT TRANSACTION;
IF @next IS NULL DELETE TOP (100000 /* RATES_AHEAD_MAX */) FROM dbo.counters WHERE name > CONCAT('accepted:', (@now + 60000 /* AHEAD_MILLISECONDS */) / 1000) AND name < 'accepted;';
SELECT @done AS done, @next AS next;
