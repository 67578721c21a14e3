-- The rows of tasks that end, none of which is tried again, and those of their dependents.
-- The rows of the tasks. Two updates, so that the common one names few indexed columns. Live tasks cannot cross each
-- other here: whoever ends one holds the load of its agent.
SELECT @waits = COUNT(CASE WHEN e.becomes IN ('pending', 'input_required', 'blocked') THEN 1 END), @finals = COUNT(*) FROM @endings AS e;
SET @finals = @finals - @waits;
IF @finals > 0
BEGIN
  UPDATE t SET version = t.version + 1, status = e.becomes, last_outcome = COALESCE(e.outcome, t.last_outcome), ended_at = @now,
    cancel_requested = CASE WHEN e.becomes = 'cancelled' THEN 1 ELSE t.cancel_requested END
  FROM @endings AS e JOIN dbo.tasks AS t ON t.task_no = e.task_no
  WHERE e.becomes NOT IN ('pending', 'input_required', 'blocked') AND t.status = e.was AND t.attempt = e.attempt AND t.cancel_requested = e.cancel_requested
  AND (e.deadline_at IS NULL OR t.deadline_at = e.deadline_at)
  OPTION (LOOP JOIN, FORCE ORDER);
  IF @@ROWCOUNT <> @finals BEGIN ROLLBACK TRANSACTION; RETURN 1; END;
END;
IF @waits > 0
BEGIN
  -- The next attempt of one that has suspended itself goes on where this one was: it keeps its percent.
  UPDATE t SET version = t.version + 1, status = e.becomes, last_outcome = COALESCE(e.outcome, t.last_outcome),
    suspensions = t.suspensions + CASE WHEN e.outcome = 'suspended' THEN 1 ELSE 0 END,
    assigned_at = NULL, started_at = NULL, deadline_at = NULL, [percent] = CASE WHEN e.outcome <> 'suspended' THEN NULL ELSE t.[percent] END,
    unmet_dependencies = CASE WHEN e.becomes = 'blocked' THEN @children ELSE t.unmet_dependencies END,
    retries_used = COALESCE(e.retries_used, t.retries_used), available_at = COALESCE(e.available_at, t.available_at)
  FROM @endings AS e JOIN dbo.tasks AS t ON t.task_no = e.task_no
  WHERE e.becomes IN ('pending', 'input_required', 'blocked') AND t.status = e.was AND t.attempt = e.attempt AND t.cancel_requested = e.cancel_requested
  AND (e.deadline_at IS NULL OR t.deadline_at = e.deadline_at)
  OPTION (LOOP JOIN, FORCE ORDER);
  IF @@ROWCOUNT <> @waits BEGIN ROLLBACK TRANSACTION; RETURN 1; END;
END;
IF EXISTS (SELECT 1 FROM @endings AS e JOIN dbo.task_dependencies AS d ON d.depends_on = e.task_id
  WHERE e.becomes NOT IN ('pending', 'input_required', 'blocked') AND d.settled = 0)
  OR EXISTS (SELECT 1 FROM @endings AS e JOIN dbo.tasks AS t ON t.task_no = e.task_no JOIN dbo.workflows AS w ON w.workflow_no = t.workflow_no
    WHERE e.becomes IN ('failed', 'cancelled') AND w.stop_on_failure = 1)
BEGIN
  -- include: parts/declare-ended-tasks.sql
  INSERT INTO @ended_tasks (task_id, completed, not_needed, level)
  SELECT e.task_id, CASE WHEN e.becomes = 'completed' THEN 1 ELSE 0 END, 0, 0 FROM @endings AS e
  WHERE e.becomes NOT IN ('pending', 'input_required', 'blocked');
  -- include: parts/settle-dependents.sql
END;
