-- An accepted call counts as a heartbeat of its sender. (One that was read as inactive is woken by a call of its own.)
UPDATE h SET last_heartbeat_at = @now
FROM (SELECT DISTINCT s.sender_no FROM @sends AS s WHERE s.refusal IS NULL) AS c
JOIN dbo.agent_heartbeats AS h ON h.agent_no = c.sender_no
WHERE h.beating = 1 AND h.last_heartbeat_at < @now - COALESCE(h.renewal_milliseconds, @renewalMilliseconds)
OPTION (LOOP JOIN, FORCE ORDER);
-- What became of each message; and the agents with something to receive, which a long poll may be waiting for.
SELECT s.item, s.place % 100 /* BATCH_MAX_MESSAGES */ AS n, s.refusal, s.repeat_of, s.depth, @share AS share, s.known_hash, s.wakes FROM @sends AS s ORDER BY s.place;
-- include: parts/read-time-anew.sql
SELECT DISTINCT s.receiver AS woken FROM @sends AS s WHERE s.accepted = 1 AND s.held = 0 AND s.available_at <= @now;
