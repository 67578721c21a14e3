-- Weighs the workers that can take the task now, and chooses: @chosenNo (NULL: none), @chosenSetNo, @chosenFills (1: it takes
-- the last slot), @explanation. The rule: the agent that suspended the task, not the agent whose attempt has just ended, lowest load, most preferred
-- capabilities, most reliable, least recently assigned, id. What @plan has given out already counts as taken.
-- $(sets): the capability sets that meet the demand.
IF @namedNo IS NULL
BEGIN
  WITH picked AS (
    SELECT agent_no, COUNT(*) AS picks FROM @plan WHERE agent_no IS NOT NULL GROUP BY agent_no),
  open_sets AS (
    SELECT f.agent_no, f.agent_id, f.set_no, f.max_concurrent_tasks, f.completed, f.failed, f.lost,
      f.active_tasks + COALESCE(x.picks, 0) AS active_tasks,
      CASE WHEN x.picks > 0 THEN CAST(f.active_tasks + x.picks AS float) / f.max_concurrent_tasks ELSE f.load END AS load,
      CASE WHEN x.picks > 0 THEN @now ELSE f.last_assigned_at END AS last_assigned_at
    FROM $(sets) AS s CROSS APPLY (SELECT TOP (64 /* CANDIDATES_MAX */ + @picks) l.agent_no, l.agent_id, l.set_no, l.max_concurrent_tasks, l.active_tasks,
      l.completed, l.failed, l.lost, l.load, l.last_assigned_at
    FROM dbo.agent_loads AS l WHERE l.set_no = s.set_no AND l.assignable = 1 AND l.agent_no <> @firstNo
    ORDER BY l.load, l.last_assigned_at, l.agent_id
    ) AS f LEFT JOIN picked AS x ON x.agent_no = f.agent_no
    -- Wherever it stands among all.
    UNION ALL SELECT l.agent_no, l.agent_id, l.set_no, l.max_concurrent_tasks, l.completed, l.failed, l.lost, l.active_tasks + COALESCE(x.picks, 0),
      CAST(l.active_tasks + COALESCE(x.picks, 0) AS float) / l.max_concurrent_tasks,
      CASE WHEN x.picks > 0 THEN @now ELSE l.last_assigned_at END
    FROM dbo.agent_loads AS l LEFT JOIN picked AS x ON x.agent_no = l.agent_no
    WHERE @firstNo <> 0 AND l.agent_no = @firstNo AND l.assignable = 1 AND EXISTS (SELECT 1 FROM $(sets) AS s WHERE s.set_no = l.set_no)),
  best AS (
    SELECT TOP (64 /* CANDIDATES_MAX */ + SIGN(@firstNo)) w.agent_no, w.agent_id, w.set_no, w.max_concurrent_tasks, w.active_tasks, w.completed, w.failed, w.lost,
      w.load, w.last_assigned_at, CASE WHEN w.agent_no = @endedByNo THEN @endedAs ELSE 0 END AS ended, CASE WHEN @preferred IS NULL THEN 0 ELSE (
        SELECT COUNT(*) FROM OPENJSON(@preferred) AS p JOIN dbo.set_capabilities AS h
        ON h.capability = CAST(p.value AS varchar(128)) COLLATE Latin1_General_100_BIN2 AND h.set_no = w.set_no) END AS preferred
    FROM open_sets AS w WHERE w.active_tasks < w.max_concurrent_tasks
    ORDER BY w.load, w.last_assigned_at, w.agent_id),
  placed AS (SELECT b.*, ROW_NUMBER() OVER (ORDER BY CASE b.ended WHEN 2 THEN -1 ELSE b.ended END, b.load, b.preferred DESC, (b.completed + CAST(1 AS float)) / (b.completed + b.failed + b.lost + 1) DESC,
      b.last_assigned_at, b.agent_id) AS place FROM best AS b),
  chosen AS (
    SELECT MAX(CASE WHEN r.place = 1 THEN r.agent_no ELSE 0 END) AS agent_no,
      MAX(CASE WHEN r.place = 1 THEN r.set_no ELSE 0 END) AS set_no,
      MAX(CASE WHEN r.place = 1 AND r.active_tasks + 1 >= r.max_concurrent_tasks THEN 1 ELSE 0 END) AS fills,
      COUNT(*) AS weighed, STRING_AGG(CONCAT(CAST(r.agent_id AS varchar(max)), ',', r.active_tasks, ',', r.max_concurrent_tasks, ',', r.preferred, ',', r.completed, ',', r.failed, ',', r.lost, ',', r.last_assigned_at, ',', r.ended, ';'), '') WITHIN GROUP (ORDER BY r.place) AS considered
    FROM placed AS r),
  counts AS (
    SELECT o.kind, v.value FROM $(sets) AS s CROSS JOIN (VALUES (':workers'), (':active'), (':free')) AS o (kind)
    JOIN dbo.counters AS v ON v.name = CONCAT('set:', s.set_no, o.kind)),
  counted AS (
    SELECT COALESCE(SUM(CASE WHEN k.kind = ':workers' THEN k.value ELSE 0 END), 0) AS workers,
      COALESCE(SUM(CASE WHEN k.kind = ':active' THEN k.value ELSE 0 END), 0) AS active,
      COALESCE(SUM(CASE WHEN k.kind = ':free' THEN k.value ELSE 0 END), 0) - (SELECT COUNT(*) FROM @plan AS x WHERE x.fills = 1
        AND EXISTS (SELECT 1 FROM $(sets) AS s WHERE s.set_no = x.set_no)) AS free,
      (SELECT SUM(t.value) FROM dbo.counters AS t WHERE t.name = 'agents:workers') AS total
    FROM counts AS k)
  SELECT @chosenNo = NULLIF(c.agent_no, 0), @chosenSetNo = c.set_no, @chosenFills = c.fills,
    @explanation = CONCAT('{"policy":3,"excluded":[', CASE WHEN n.total - n.workers > 0 THEN n.total - n.workers ELSE 0 END, ',', CASE WHEN n.workers - n.active > 0 THEN n.workers - n.active ELSE 0 END, ',', CASE WHEN n.active - n.free > 0 THEN n.active - n.free ELSE 0 END, ',', CASE WHEN n.free - c.weighed > 0 THEN n.free - c.weighed ELSE 0 END, ',', 0, '],"considered":"', c.considered, '"}')
  FROM chosen AS c CROSS JOIN counted AS n;
END;
ELSE
BEGIN
  WITH named AS (
    SELECT l.agent_no, l.agent_id, l.set_no, l.max_concurrent_tasks, l.completed, l.failed, l.lost, l.last_assigned_at, l.active_tasks AS held,
      CASE WHEN l.working = 1 THEN 1 ELSE 0 END AS working,
      (SELECT COUNT(*) FROM @plan AS y WHERE y.agent_no = @namedNo) AS picks,
      (SELECT SUM(t.value) FROM dbo.counters AS t WHERE t.name = 'agents:workers') AS total,
      CASE WHEN a.role = 'worker' AND a.status <> 'deregistered' THEN 1 ELSE 0 END AS worker,
      CASE WHEN EXISTS (SELECT 1 FROM $(sets) AS s WHERE s.set_no = l.set_no) THEN 1 ELSE 0 END AS meets
    FROM dbo.agents AS a JOIN dbo.agent_loads AS l ON l.agent_no = a.agent_no WHERE a.agent_no = @namedNo),
  weighed AS (
    SELECT w.agent_no, w.agent_id, w.set_no, w.max_concurrent_tasks, w.completed, w.failed, w.lost, w.worker, w.meets, w.working, w.total,
      w.held + w.picks AS active_tasks, CASE WHEN w.held + w.picks < w.max_concurrent_tasks THEN 1 ELSE 0 END AS room,
      CASE WHEN w.picks > 0 THEN @now ELSE w.last_assigned_at END AS last_assigned_at,
      CASE WHEN w.agent_no = @endedByNo THEN @endedAs ELSE 0 END AS ended, CASE WHEN @preferred IS NULL THEN 0 ELSE (
        SELECT COUNT(*) FROM OPENJSON(@preferred) AS p JOIN dbo.set_capabilities AS h
        ON h.capability = CAST(p.value AS varchar(128)) COLLATE Latin1_General_100_BIN2 AND h.set_no = w.set_no) END AS preferred
    FROM named AS w)
  SELECT @chosenNo = CASE WHEN q.meets * q.working * q.room = 1 THEN q.agent_no END, @chosenSetNo = q.set_no,
    @chosenFills = CASE WHEN q.active_tasks + 1 >= q.max_concurrent_tasks THEN 1 ELSE 0 END,
    @explanation = CONCAT('{"policy":3,"excluded":[', CASE WHEN q.worker * (1 - q.meets) > 0 THEN q.worker * (1 - q.meets) ELSE 0 END, ',', CASE WHEN q.worker * q.meets * (1 - q.working) > 0 THEN q.worker * q.meets * (1 - q.working) ELSE 0 END, ',', CASE WHEN q.worker * q.meets * q.working * (1 - q.room) > 0 THEN q.worker * q.meets * q.working * (1 - q.room) ELSE 0 END, ',', 0, ',', CASE WHEN q.total - q.worker > 0 THEN q.total - q.worker ELSE 0 END, '],"considered":"', CASE WHEN q.meets * q.working * q.room = 1 THEN CONCAT(CAST(q.agent_id AS varchar(max)), ',', q.active_tasks, ',', q.max_concurrent_tasks, ',', q.preferred, ',', q.completed, ',', q.failed, ',', q.lost, ',', q.last_assigned_at, ',', q.ended, ';') END, '"}')
  FROM weighed AS q;
END;
IF @chosenNo IS NOT NULL SET @picks = @picks + 1;
