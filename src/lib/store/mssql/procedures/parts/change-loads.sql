-- Applies and empties @loads. Additions commute, so they expect no state, but one: an agent cannot lose a task that
-- it has not got. (Two who end the same attempt meet here first; the later one loses the race here, or at the task.)
-- The row shows the state after, and nobody else can change it before the commit, so the state before is that less
-- the addition. (Since no more than the capacity may be assigned, assigning itself is a conditional update of its
-- own, in assignment.ts.)
IF EXISTS (SELECT 1 FROM @loads)
BEGIN
  UPDATE l SET active_tasks = l.active_tasks + d.tasks, completed = l.completed + d.completed, failed = l.failed + d.failed,
    completed_milliseconds = l.completed_milliseconds + d.milliseconds
  FROM @loads AS d JOIN dbo.agent_loads AS l ON l.agent_no = d.agent_no
  WHERE l.active_tasks + d.tasks >= 0
  OPTION (LOOP JOIN, FORCE ORDER);
  IF @@ROWCOUNT <> (SELECT COUNT(*) FROM @loads) BEGIN ROLLBACK TRANSACTION; RETURN 1; END;
  INSERT INTO @counts (name, delta)
  SELECT CONCAT('set:', l.set_no, ':free'), CASE WHEN l.assignable = 1 THEN 1 ELSE -1 END
  FROM @loads AS d JOIN dbo.agent_loads AS l ON l.agent_no = d.agent_no
  WHERE l.working = 1
    AND l.assignable <> CASE WHEN l.active_tasks - d.tasks < l.max_concurrent_tasks THEN 1 ELSE 0 END;
  DELETE FROM @loads;
END;
