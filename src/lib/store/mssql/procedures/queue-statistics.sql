-- Messages by status, the rate of the last minute, and when the oldest waiting one was accepted. From counters.
CREATE PROCEDURE release.queue_statistics
  @clockOffset bigint
AS
-- include: parts/prologue.sql
SELECT SUBSTRING(c.name, 10, 48) AS name, SUM(c.value) AS value
FROM dbo.counters AS c WHERE c.name >= 'messages:' AND c.name < 'messages;' GROUP BY c.name;
-- Seconds since the epoch have ten digits until the year 2286, so their names sort as they do.
SELECT COALESCE(SUM(c.value), 0) AS accepted FROM dbo.counters AS c
WHERE c.name > CONCAT('accepted:', @now / 1000 - 60) AND c.name <= CONCAT('accepted:', @now / 1000);
-- The streams' oldest message: one seek per priority of each mailbox that is not empty.
SELECT @now AS now, MIN(o.available_at) AS oldest
FROM (SELECT CAST(SUBSTRING(c.name, 9, 48) AS int) AS agent_no FROM dbo.counters AS c
  WHERE c.name >= 'mailbox:' AND c.name < 'mailbox;' GROUP BY c.name HAVING SUM(c.value) > 0) AS b
CROSS JOIN (VALUES (0), (1), (2), (3)) AS p (priority)
CROSS APPLY (SELECT TOP (1) m.available_at FROM dbo.messages AS m
  WHERE m.receiver_no = b.agent_no AND m.held = 0 AND m.priority = p.priority AND m.status = 'queued'
  ORDER BY m.available_at) AS o;
