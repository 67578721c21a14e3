-- The last statements of a transaction that counts: adds what @counts holds to the slot of this session, one row per
-- name, in the order of the names, and @accepted. A row that is missed loses the race: a sum that is wrong once is
-- wrong for ever, and there are servers whose join misses a row that another session has just changed. Names:
-- messages:<status>, tasks:<status>, tasks:assigned_once, tasks:completed_total, tasks:failed_total, agents:workers,
-- mailbox:<agent_no>, set:<set_no>:workers|active|free.
UPDATE c SET value = c.value + d.delta
FROM (SELECT TOP (100000) name, SUM(delta) AS delta FROM @counts GROUP BY name HAVING SUM(delta) <> 0 ORDER BY name) AS d
JOIN dbo.counters AS c ON c.name = d.name AND c.slot = @@SPID % 8;
IF @@ROWCOUNT <> (SELECT COUNT(*) FROM (SELECT n.name FROM @counts AS n GROUP BY n.name HAVING SUM(n.delta) <> 0) AS e)
BEGIN ROLLBACK TRANSACTION; RETURN 1; END;
-- include: parts/count-accepted.sql
