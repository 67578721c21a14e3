-- The lowest unsettled number of each key is no longer held behind another. Whoever sends with a key or ends a
-- message of it holds the key's row, so the number cannot change under this read. A key without unsettled messages
-- loses its row.
IF @endedKeys > 0
BEGIN
  UPDATE dbo.messages SET held = 0
  OUTPUT inserted.receiver_no INTO @deliverable (agent_no)
  WHERE held = 1 AND arrival IN (SELECT f.arrival FROM @ended_keys AS e
    CROSS APPLY (SELECT TOP (1) n.arrival FROM dbo.messages AS n WHERE n.receiver_no = e.receiver_no
      AND n.ordering_key = e.ordering_key AND n.ordering_key IS NOT NULL AND n.joined = 1 AND n.status IN ('queued', 'leased')
      ORDER BY n.arrival) AS f);
  DELETE k FROM @ended_keys AS e
  JOIN dbo.ordering_keys AS k ON k.receiver_no = e.receiver_no AND k.ordering_key = e.ordering_key AND k.unsettled = 0;
  DELETE FROM @ended_keys;
END;
