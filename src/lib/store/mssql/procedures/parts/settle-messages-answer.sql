-- An accepted call counts as a heartbeat.
IF @stale > 0
  UPDATE h SET last_heartbeat_at = @now
  FROM @settles AS s JOIN dbo.agent_heartbeats AS h ON h.agent_no = s.agent_no
  WHERE s.stale = 1 AND s.code IS NULL AND s.status NOT IN ('lease_lost', 'not_found') AND h.beating = 1
    AND h.last_heartbeat_at < @now - COALESCE(h.renewal_milliseconds, @renewalMilliseconds);
SELECT s.item, s.place % 100 /* SETTLE_MAX */ AS n, s.code, s.status, s.inactive FROM @settles AS s ORDER BY s.place;
SELECT DISTINCT r.agent_id AS woken FROM @settles AS s JOIN dbo.agents AS r ON r.agent_no = s.receiver_no
WHERE s.acts = 1 AND (s.wakes = 1 OR s.status = 'queued')
OPTION (LOOP JOIN, FORCE ORDER);
