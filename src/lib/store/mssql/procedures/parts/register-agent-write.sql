-- First thing in a transaction that brings agents into the sets of @entering: loses the race when all others have
-- left such a set since it was read, for then it is matched with no demand.
UPDATE c SET entries = c.entries + 1
FROM @entering AS e JOIN dbo.capability_sets AS c ON c.set_no = e.set_no
WHERE c.paired = 1
OPTION (LOOP JOIN, FORCE ORDER);
IF @@ROWCOUNT <> (SELECT COUNT(*) FROM @entering) BEGIN ROLLBACK TRANSACTION; RETURN 1; END;
-- include: parts/change-status.sql
UPDATE h SET heartbeat_timeout_seconds = r.heartbeat_timeout_seconds
FROM @registering AS r JOIN dbo.agent_heartbeats AS h ON h.agent_no = r.agent_no
WHERE COALESCE(h.heartbeat_timeout_seconds, 0) <> COALESCE(r.heartbeat_timeout_seconds, 0)
OPTION (LOOP JOIN, FORCE ORDER);
-- include: parts/insert-new.sql
DELETE m FROM @registering AS r JOIN dbo.agent_metadata AS m ON m.agent_no = r.agent_no WHERE r.is_new = 0;
INSERT INTO dbo.agent_metadata (agent_no, metadata)
SELECT r.agent_no, n.metadata FROM (SELECT CAST(i.[key] AS int) AS item, REPLACE(REPLACE(v.value COLLATE Latin1_General_100_BIN2, NCHAR(64976), NCHAR(34)), NCHAR(64977), NCHAR(92)) AS metadata
FROM OPENJSON(@items) AS i CROSS APPLY OPENJSON(i.value) AS v WHERE v.[key] = 'metadata' AND v.value IS NOT NULL) AS n JOIN @registering AS r ON r.item = n.item;
