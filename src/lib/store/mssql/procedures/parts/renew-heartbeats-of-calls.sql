-- An accepted call counts as a heartbeat. (An agent that was read as inactive is woken by a call of its own.)
UPDATE h SET last_heartbeat_at = @now
FROM (SELECT DISTINCT x.agent_no FROM @calls AS x WHERE x.code IS NULL AND x.answer IS NULL) AS c
JOIN dbo.agent_heartbeats AS h ON h.agent_no = c.agent_no
WHERE h.beating = 1 AND h.last_heartbeat_at < @now - COALESCE(h.renewal_milliseconds, @renewalMilliseconds)
OPTION (LOOP JOIN, FORCE ORDER);
