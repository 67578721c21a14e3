-- Counts what @plan has changed. A counter that is not there is a lost race: another process is making it.
-- $(ofTask): what each task changes itself; $(lost): what the procedure then returns.
UPDATE c SET value = c.value + d.delta
FROM (
  -- include: parts/assignment-deltas.sql
) AS d
JOIN dbo.counters AS c ON c.name = d.name AND c.slot = @@SPID % 8;
IF @@ROWCOUNT <> (SELECT COUNT(*) FROM (
  -- include: parts/assignment-deltas.sql
) AS d)
BEGIN ROLLBACK TRANSACTION; RETURN $(lost); END;
