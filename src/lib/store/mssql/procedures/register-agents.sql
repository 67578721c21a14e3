-- Registers agents: creates, or updates and reactivates; then hands waiting work to those that have room.
-- Table order: capability_sets (in a transaction of their own); agent_loads, agents, agent_heartbeats, agent_metadata, counters.
CREATE PROCEDURE release.register_agents
  @items nvarchar(max),
  @clockOffset bigint
AS
-- include: parts/prologue.sql
-- include: parts/declare-counts.sql
-- include: parts/declare-hand-out.sql
-- include: parts/declare-status-changes.sql
DECLARE @entering TABLE (set_no int NOT NULL PRIMARY KEY);
DECLARE @registering TABLE (agent_id varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL PRIMARY KEY, item int NOT NULL, role varchar(24) COLLATE Latin1_General_100_BIN2 NOT NULL,
  capabilities_hash varchar(64) COLLATE Latin1_General_100_BIN2 NOT NULL, max_concurrent_tasks int NOT NULL, heartbeat_timeout_seconds int NULL,
  operation_id uniqueidentifier NOT NULL, actor varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL, set_no int NULL, agent_no int NULL, is_new bit NOT NULL DEFAULT 0,
  created bit NOT NULL DEFAULT 0);
INSERT INTO @registering (agent_id, item, role, capabilities_hash, max_concurrent_tasks, heartbeat_timeout_seconds, operation_id, actor, set_no)
SELECT j.agent_id, j.item, j.role, j.capabilities_hash, j.max_concurrent_tasks, j.heartbeat_timeout_seconds, j.operation_id, j.actor, c.set_no
FROM OPENJSON(@items) WITH (item int, agent_id varchar(128) '$.agentId', role varchar(24) '$.role',
  capabilities_hash varchar(43) '$.capabilitiesHash', max_concurrent_tasks int '$.maxConcurrentTasks',
  heartbeat_timeout_seconds int '$.heartbeatTimeoutSeconds',
  operation_id uniqueidentifier '$.operationId', actor varchar(128)) AS j
LEFT JOIN dbo.capability_sets AS c ON c.capabilities_hash = j.capabilities_hash COLLATE Latin1_General_100_BIN2 AND c.paired = 1;
-- include: parts/prepare.sql
BEGIN TRANSACTION;
-- include: parts/register-agent-write.sql
INSERT INTO dbo.counters (name, slot)
SELECT CONCAT('mailbox:', r.agent_no), s.slot
FROM @registering AS r CROSS JOIN (VALUES (0), (1), (2), (3), (4), (5), (6), (7)) AS s (slot) WHERE r.is_new = 1;
-- include: parts/apply-counts.sql
COMMIT TRANSACTION;
-- include: parts/hand-out-to-registered.sql
SELECT r.item, NULL AS code, NULL AS subject, r.created FROM @registering AS r;
SELECT r.item, a.agent_no, a.agent_id, a.role, a.status, c.capabilities, l.max_concurrent_tasks, l.active_tasks,
  a.registered_at, h.last_heartbeat_at, h.heartbeat_timeout_seconds, l.completed, l.failed, l.lost, l.released, l.completed_milliseconds, l.p95_milliseconds, m.metadata
FROM @registering AS r JOIN dbo.agents AS a ON a.agent_no = r.agent_no
JOIN dbo.agent_loads AS l ON l.agent_no = a.agent_no
JOIN dbo.agent_heartbeats AS h ON h.agent_no = a.agent_no
JOIN dbo.capability_sets AS c ON c.set_no = a.set_no
LEFT JOIN dbo.agent_metadata AS m ON m.agent_no = a.agent_no;
