-- What each of $(claims) may take: the due heads of its mailbox's streams, by rank, as many and as large as it says.
SELECT r.arrival, r.item, r.expired
FROM (SELECT h.arrival, c.item, c.max_messages, c.max_bytes,
    ROW_NUMBER() OVER (PARTITION BY c.item ORDER BY h.rank, h.arrival) AS nth,
    SUM(CAST(h.payload_bytes AS bigint)) OVER (PARTITION BY c.item ORDER BY h.rank, h.arrival ROWS UNBOUNDED PRECEDING) AS bytes,
    MAX(CASE WHEN h.expires_at <= @now THEN 1 ELSE 0 END) OVER (PARTITION BY c.item) AS expired
  FROM $(claims) AS c CROSS JOIN (VALUES (0, 0), (1, 60000), (2, 600000), (3, 3600000)) AS p (priority, head_start)
  CROSS APPLY (SELECT TOP (c.max_messages) m.arrival, m.available_at - p.head_start AS rank, m.expires_at, m.payload_bytes
    FROM dbo.messages AS m WITH (UPDLOCK, READPAST, ROWLOCK, READCOMMITTEDLOCK)
    WHERE m.receiver_no = c.mailbox_no AND m.held = 0 AND m.status = 'queued' AND m.priority = p.priority
      AND m.available_at <= @now
    ORDER BY m.available_at, m.arrival) AS h) AS r
WHERE r.nth <= r.max_messages AND (r.nth = 1 OR (r.bytes <= r.max_bytes
  AND r.bytes + r.nth * 5120 /* MESSAGE_FIELDS_BYTES */ <= 4194304 /* REPLY_MAX_BYTES */))
