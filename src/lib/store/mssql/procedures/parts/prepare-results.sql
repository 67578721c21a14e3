-- What is told of each task of @endings that has ended: the task_result for its supervisor; none where that is deregistered, of a task that was not
-- needed, of a child (its parent has its end in `resume`), and of one whose workflow tells of its end alone. The bytes of a payload outside ASCII are an upper bound (3 for each UTF-16 unit): converting
-- to UTF-8 to count costs more than the row. And the workflows that end with their tasks.
UPDATE e SET receiver_no = CASE WHEN w.notify IN ('end', 'none') OR t.parent_no IS NOT NULL OR (e.because_of IS NOT NULL AND e.error = N'NOT_NEEDED') THEN NULL ELSE s.agent_no END,
  workflow_no = t.workflow_no, priority = t.priority, traceparent = b.traceparent,
  payload = CONCAT(N'{"taskId":"' COLLATE Latin1_General_100_BIN2, t.task_id, N'","taskType":"', t.task_type, N'","status":"', e.becomes,
    N'","attempt":', e.attempt, N',"version":', t.version, N',"result":' + e.result, CASE WHEN e.key_version IS NOT NULL THEN N',"sensitive":true' END,
    N',"error":"' + STRING_ESCAPE(e.error, 'json') + N'"', N'}')
FROM @endings AS e JOIN dbo.tasks AS t ON t.task_no = e.task_no JOIN dbo.task_bodies AS b ON b.task_no = e.task_no
LEFT JOIN dbo.agents AS s ON s.agent_no = t.supervisor_no AND s.status <> 'deregistered'
LEFT JOIN dbo.workflows AS w ON w.workflow_no = t.workflow_no
WHERE e.becomes NOT IN ('pending', 'input_required', 'blocked')
OPTION (LOOP JOIN, FORCE ORDER);
IF EXISTS (SELECT 1 FROM @endings AS e WHERE e.workflow_no IS NOT NULL)
BEGIN
  -- include: parts/count-in-workflows.sql
END;
