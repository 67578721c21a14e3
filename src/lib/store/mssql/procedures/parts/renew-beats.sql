-- A beat that finds its agent silenced in the meantime loses the race. It waits for nothing but another beat.
UPDATE h SET last_heartbeat_at = @now
FROM @beats AS b JOIN dbo.agent_heartbeats AS h ON h.agent_no = b.agent_no
WHERE b.changes = 0 AND b.status <> 'deregistered' AND h.beating = 1
OPTION (LOOP JOIN, FORCE ORDER);
IF @@ROWCOUNT <> (SELECT COUNT(*) FROM @beats AS b WHERE b.changes = 0 AND b.status <> 'deregistered')
-- include: parts/give-up.sql
