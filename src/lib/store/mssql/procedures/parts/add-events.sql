-- Writes @events, and adds them to the audit; once in a procedure. Event numbers are given in the order of insertion; within a
-- task its row's lock orders them.
IF EXISTS (SELECT 1 FROM @events)
BEGIN
  INSERT INTO dbo.task_events (task_no, event, at, attempt, agent_no, detail)
  SELECT task_no, event, @now, attempt, agent_no, detail FROM @events ORDER BY position;
  INSERT INTO audit.entries (at, actor, action, subject_kind, subject_id, detail)
  SELECT @now, COALESCE(e.actor, 'system'), CONCAT('task.', e.event), 'task', t.task_id,
    CONCAT('{"attempt":' + CAST(e.attempt AS varchar(20)), ',"agentId":"' + a.agent_id + '"', ',"outcome":"' + e.outcome + '"', '}')
  FROM @events AS e JOIN dbo.tasks AS t ON t.task_no = e.task_no LEFT JOIN dbo.agents AS a ON a.agent_no = e.agent_no
  ORDER BY e.position;
END;
