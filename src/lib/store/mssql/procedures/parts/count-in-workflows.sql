-- Counts the ended tasks of @endings in their workflows, whose last one ends the workflow.
UPDATE w SET version = w.version + d.ended, open_tasks = w.open_tasks - d.ended, completed = w.completed + d.completed, failed = w.failed + d.failed,
  cancelled = w.cancelled + d.ended - d.completed - d.failed - d.not_needed - d.stopped, not_needed = w.not_needed + d.not_needed,
  stopped = w.stopped + d.stopped, ended_at = CASE WHEN w.open_tasks = d.ended THEN @now END,
  status = CASE WHEN w.open_tasks > d.ended THEN 'running' WHEN w.failed + d.failed > 0 THEN 'failed'
    WHEN w.cancelled + d.ended - d.completed - d.failed - d.not_needed - d.stopped > 0 THEN 'cancelled' ELSE 'completed' END
FROM (SELECT TOP (10000) e.workflow_no, COUNT(*) AS ended, COUNT(CASE WHEN e.becomes = 'completed' THEN 1 END) AS completed,
    COUNT(CASE WHEN e.becomes = 'failed' THEN 1 END) AS failed,
    COUNT(CASE WHEN e.becomes = 'cancelled' AND e.because_of IS NOT NULL AND e.error = N'NOT_NEEDED' THEN 1 END) AS not_needed,
    COUNT(CASE WHEN e.becomes = 'cancelled' AND e.because_of IS NOT NULL AND e.error = N'STOPPED' THEN 1 END) AS stopped
  FROM @endings AS e WHERE e.workflow_no IS NOT NULL GROUP BY e.workflow_no ORDER BY e.workflow_no) AS d
JOIN dbo.workflows AS w ON w.workflow_no = d.workflow_no
OPTION (LOOP JOIN, FORCE ORDER);
-- Those that have ended and tell so: in the row of the last of their tasks.
UPDATE e SET flow_receiver_no = s.agent_no, flow_place = l.place, flow_payload = CONCAT(N'{"workflowId":"' COLLATE Latin1_General_100_BIN2, w.workflow_id, N'","status":"', w.status,
    N'","counts":{"completed":', w.completed, N',"failed":', w.failed, N',"cancelled":', w.cancelled, N',"notNeeded":', w.not_needed, N',"stopped":', w.stopped,
    N'},"version":', w.version, N'}')
FROM (SELECT x.workflow_no, MAX(x.task_no) AS task_no, ROW_NUMBER() OVER (ORDER BY x.workflow_no) AS place FROM @endings AS x
  WHERE x.workflow_no IS NOT NULL GROUP BY x.workflow_no) AS l
JOIN @endings AS e ON e.task_no = l.task_no JOIN dbo.workflows AS w ON w.workflow_no = l.workflow_no AND w.notify = 'end' AND w.ended_at IS NOT NULL
JOIN dbo.agents AS s ON s.agent_no = w.supervisor_no AND s.status <> 'deregistered';
SET @flows = @@ROWCOUNT;
