-- Whether an urgent message of an agent could be received now: one seek of its stream.
SELECT COUNT(*) AS urgent FROM (
  SELECT TOP (1) m.arrival FROM dbo.messages AS m
  WHERE m.receiver_no = $(agent) AND m.held = 0 AND m.priority = 3 AND m.status = 'queued'
    AND m.available_at <= @now AND (m.expires_at IS NULL OR m.expires_at > @now)) AS x
