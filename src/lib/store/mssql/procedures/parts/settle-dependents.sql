-- Tells the dependents of @ended_tasks, and of those that end because of it, at most @dependentsLimit in all. Inside
-- the transaction that ended them, after their rows were changed. Fills @unblocked with tasks that wait for an agent
-- now, and adds those that ended to @endings, for record-endings. A condition that can no longer hold: what waits for
-- completions alone fails with its dependency; anything else, and what waits for a task that was not needed, is not needed. Needs declare-endings
-- and @unblocked. Leaves @ended_tasks empty.
-- Who is to be told, level by level: dependents whose condition can no longer hold end, too, and their own are the
-- next level. Reads only. Whoever adds a dependent holds the row of the task it waits for, and so does whoever ended
-- that task: what is read here is complete for level 0; a later level is completed when its rows are left, below.
SET @dependencyLevel = 0;
WHILE @dependencyLevel >= 0
BEGIN
  -- Failures stop what nobody was given of their workflows, but for what waits for failures or ends.
  INSERT INTO @stopped (task_no, because_of, was)
  SELECT t.task_no, MIN(e.task_id), MIN(t.status)
  FROM @ended_tasks AS e JOIN dbo.tasks AS f ON f.task_id = e.task_id JOIN dbo.workflows AS w ON w.workflow_no = f.workflow_no AND w.stop_on_failure = 1
  JOIN dbo.tasks AS t ON t.workflow_no = w.workflow_no AND t.ended_at IS NULL AND t.attempt = 0 AND t.stops = 1
  WHERE e.level = @dependencyLevel AND e.completed = 0 AND e.not_needed = 0
    AND NOT EXISTS (SELECT 1 FROM @stopped AS k WHERE k.task_no = t.task_no)
    AND NOT EXISTS (SELECT 1 FROM @ended_tasks AS k WHERE k.task_id = t.task_id)
  GROUP BY t.task_no;
  SET @stoppedRows = @@ROWCOUNT;
  INSERT INTO @told (task_no, position, depends_on, met, not_needed, level)
  SELECT TOP (@dependentsLimit - @dependentsTold) d.task_no, d.position, d.depends_on,
    CASE WHEN d.condition = 'ended' OR (e.not_needed = 0 AND (d.condition = 'completed' AND e.completed = 1 OR d.condition = 'failed' AND e.completed = 0))
      THEN 1 ELSE 0 END,
    CASE WHEN e.not_needed = 1 OR EXISTS (SELECT 1 FROM dbo.task_dependencies AS o WHERE o.task_no = d.task_no AND o.condition <> 'completed')
      THEN 1 ELSE 0 END, @dependencyLevel
  FROM @ended_tasks AS e JOIN dbo.task_dependencies AS d ON d.depends_on = e.task_id
  WHERE e.level = @dependencyLevel AND d.settled = 0
  ORDER BY d.task_no, d.position;
  SET @dependentsTold = @dependentsTold + @@ROWCOUNT;
  -- Of two reasons in one level a failure goes before what is not needed.
  INSERT INTO @ended_tasks (task_id, completed, not_needed, level)
  SELECT t.task_id, 0, MIN(CAST(o.not_needed AS int)), @dependencyLevel + 1
  FROM @told AS o JOIN dbo.tasks AS t ON t.task_no = o.task_no
  WHERE o.level = @dependencyLevel AND o.met = 0 AND t.status = 'blocked'
    AND NOT EXISTS (SELECT 1 FROM @ended_tasks AS k WHERE k.task_id = t.task_id)
    AND NOT EXISTS (SELECT 1 FROM @stopped AS k WHERE k.task_no = t.task_no)
  GROUP BY t.task_id
  UNION ALL SELECT t.task_id, 0, 0, @dependencyLevel + 1 FROM @stopped AS k JOIN dbo.tasks AS t ON t.task_no = k.task_no
  WHERE @stoppedRows > 0 AND NOT EXISTS (SELECT 1 FROM @ended_tasks AS x WHERE x.task_id = t.task_id);
  SET @dependencyLevel = CASE WHEN @@ROWCOUNT = 0 THEN -1 ELSE @dependencyLevel + 1 END;
END;
-- Only the first level in which a condition was lost counts: the task has ended then.
INSERT INTO @dependents (task_no, met, last_met, failed, unneeded)
SELECT o.task_no, SUM(CASE WHEN o.met = 1 THEN 1 ELSE 0 END), MAX(CASE WHEN o.met = 1 THEN o.depends_on END),
  MIN(CASE WHEN o.met = 0 AND o.not_needed = 0 AND o.level = l.level THEN o.depends_on END), MIN(CASE WHEN o.met = 0 THEN o.depends_on END)
FROM @told AS o JOIN dbo.tasks AS t ON t.task_no = o.task_no
LEFT JOIN (SELECT k.task_no, MIN(k.level) AS level FROM @told AS k WHERE k.met = 0 GROUP BY k.task_no) AS l ON l.task_no = o.task_no
WHERE t.status = 'blocked' AND NOT EXISTS (SELECT 1 FROM @stopped AS k WHERE k.task_no = o.task_no) GROUP BY o.task_no;
SET @dependentRows = @@ROWCOUNT;
SET @stoppedRows = (SELECT COUNT(*) FROM @stopped);
IF @stoppedRows > 0
BEGIN
  UPDATE t SET version = t.version + 1, status = 'cancelled', cancel_requested = 1, ended_at = @now
  FROM @stopped AS k JOIN dbo.tasks AS t ON t.task_no = k.task_no
  WHERE t.status = k.was AND t.attempt = 0
  OPTION (LOOP JOIN, FORCE ORDER);
  IF @@ROWCOUNT <> @stoppedRows BEGIN ROLLBACK TRANSACTION; RETURN 1; END;
  INSERT INTO @endings (task_no, task_id, attempt, was, cancel_requested, becomes, error, because_of, detail)
  SELECT t.task_no, t.task_id, 0, k.was, 1, 'cancelled', N'STOPPED', k.because_of, CONCAT('STOPPED: ', k.because_of, ' failed')
  FROM @stopped AS k JOIN dbo.tasks AS t ON t.task_no = k.task_no;
END;
IF @dependentsTold > 0
BEGIN
  -- The rows of the dependents. It counts down from what the row holds now, not from what was read: so calls that end
  -- different dependencies of one task at the same time wait for each other here, and none has to try again.
  UPDATE t SET version = t.version + 1, unmet_dependencies = t.unmet_dependencies - d.met,
    status = CASE WHEN d.failed IS NOT NULL THEN 'failed' WHEN d.unneeded IS NOT NULL THEN 'cancelled' WHEN t.unmet_dependencies > d.met THEN 'blocked'
      WHEN t.gate = 1 THEN 'input_required' ELSE 'pending' END,
    cancel_requested = CASE WHEN d.failed IS NULL AND d.unneeded IS NOT NULL THEN 1 ELSE t.cancel_requested END,
    available_at = CASE WHEN d.unneeded IS NULL AND t.unmet_dependencies = d.met AND t.suspensions = 0 THEN @now ELSE t.available_at END,
    ended_at = CASE WHEN d.unneeded IS NOT NULL THEN @now END
  FROM @dependents AS d JOIN dbo.tasks AS t ON t.task_no = d.task_no
  WHERE t.status = 'blocked' AND t.unmet_dependencies >= d.met
  OPTION (LOOP JOIN, FORCE ORDER);
  IF @@ROWCOUNT <> @dependentRows BEGIN ROLLBACK TRANSACTION; RETURN 1; END;
  UPDATE p SET settled = 1
  FROM @told AS o JOIN dbo.task_dependencies AS p ON p.task_no = o.task_no AND p.position = o.position
  WHERE p.settled = 0
  OPTION (LOOP JOIN, FORCE ORDER);
  IF @@ROWCOUNT <> (SELECT COUNT(*) FROM @told) BEGIN ROLLBACK TRANSACTION; RETURN 1; END;
  -- One that has waited for its children goes on with them, in its old rank. One that was retried keeps what has woken it: it may have waited
  -- for another task than a child.
  UPDATE u SET resumed_by = 'children_ended', unanswered = 0
  FROM @dependents AS d JOIN dbo.tasks AS t ON t.task_no = d.task_no JOIN dbo.task_suspensions AS u ON u.task_no = d.task_no
  WHERE t.status = 'pending' AND t.suspensions > 0 AND (u.resumed_by IS NULL OR u.resumed_by = 'children_ended')
  OPTION (LOOP JOIN, FORCE ORDER);
  INSERT INTO @endings (task_no, task_id, attempt, was, cancel_requested, becomes, error, because_of, detail)
  SELECT t.task_no, t.task_id, t.attempt, 'blocked', t.cancel_requested, t.status, CASE t.status WHEN 'failed' THEN N'DEPENDENCY_FAILED' ELSE N'NOT_NEEDED' END,
    COALESCE(x.failed, x.unneeded), CASE t.status WHEN 'failed' THEN CONCAT('DEPENDENCY_FAILED: ', x.failed, ' did not complete')
      ELSE CONCAT('NOT_NEEDED: ', x.unneeded, ' ended otherwise') END
  FROM @dependents AS x JOIN dbo.tasks AS t ON t.task_no = x.task_no
  WHERE x.unneeded IS NOT NULL;
  INSERT INTO @unblocked (task_no)
  SELECT d.task_no FROM @dependents AS d JOIN dbo.tasks AS t ON t.task_no = d.task_no WHERE t.status = 'pending';
  SET @dependentRows = @@ROWCOUNT;
  INSERT INTO dbo.task_events (task_no, event, at, attempt, detail)
  SELECT d.task_no, 'unblocked', @now, t.attempt, d.last_met
  FROM @dependents AS d JOIN dbo.tasks AS t ON t.task_no = d.task_no WHERE t.status IN ('pending', 'input_required') ORDER BY d.task_no;
  INSERT INTO audit.entries (at, actor, action, subject_kind, subject_id, detail)
  SELECT @now, 'system', 'task.unblocked', 'task', t.task_id, CONCAT('{"attempt":', t.attempt, '}')
  FROM @dependents AS d JOIN dbo.tasks AS t ON t.task_no = d.task_no WHERE t.status IN ('pending', 'input_required') ORDER BY d.task_no;
  INSERT INTO @counts (name, delta) VALUES ('tasks:blocked', -@dependentRows), ('tasks:pending', @dependentRows);
  -- Gates that depend on nothing more: record-endings asks what they ask.
  SET @dependentRows = (SELECT COUNT(*) FROM @dependents AS d JOIN dbo.tasks AS t ON t.task_no = d.task_no WHERE t.status = 'input_required');
  IF @dependentRows > 0
  BEGIN
    INSERT INTO @counts (name, delta) VALUES ('tasks:blocked', -@dependentRows), ('tasks:input_required', @dependentRows);
    INSERT INTO @unblocked (task_no)
    SELECT d.task_no FROM @dependents AS d JOIN dbo.tasks AS t ON t.task_no = d.task_no WHERE t.status = 'input_required';
    SET @asking = 1;
  END;
  DELETE FROM @told;
  DELETE FROM @dependents;
END;
-- Those beyond the limit, and any that were added to a later level while it was read, are left to the sweep.
INSERT INTO dbo.ended_dependencies (task_id, completed, not_needed)
SELECT e.task_id, e.completed, e.not_needed FROM @ended_tasks AS e
WHERE EXISTS (SELECT 1 FROM dbo.task_dependencies AS d WHERE d.depends_on = e.task_id AND d.settled = 0)
  AND NOT EXISTS (SELECT 1 FROM dbo.ended_dependencies AS l WHERE l.task_id = e.task_id);
DELETE FROM @ended_tasks;
