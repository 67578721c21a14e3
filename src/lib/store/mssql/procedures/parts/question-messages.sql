-- The messages of open questions of $(tasks), t: one for each agent that is asked, or for the supervisor; none for one that is deregistered.
SELECT q.question_no, r.agent_no AS receiver_no, t.task_no, t.attempt, t.priority, v.key_version, b.traceparent,
  CONCAT(N'{"taskId":"' COLLATE Latin1_General_100_BIN2, t.task_id, N'","taskType":"', t.task_type, N'","questionId":"', t.version,
    N'","question":', v.value, N',"authoredBy":"', w.agent_id, N'"', CASE WHEN q.expires_at IS NOT NULL THEN CONCAT(N',"expiresAt":"',
      CONCAT(REPLACE(CONVERT(varchar(19), DATEADD(SECOND, q.expires_at / 1000 % 86400,
        DATEADD(DAY, q.expires_at / 86400000, CONVERT(datetime2(3), '19700101'))), 120), ' ', 'T'), '.', RIGHT(CONCAT('00', q.expires_at % 1000), 3), 'Z'), N'"') END,
    CASE WHEN v.key_version IS NOT NULL THEN N',"sensitive":true' END, N'}') AS payload
FROM $(tasks) JOIN dbo.task_questions AS q ON q.task_no = t.task_no AND q.attempt = t.attempt AND q.state = 'open'
JOIN dbo.task_bodies AS b ON b.task_no = t.task_no
JOIN dbo.task_values AS v ON v.task_no = t.task_no AND v.name = 'question'
JOIN dbo.agents AS w ON w.agent_no = CASE WHEN t.gate = 1 THEN t.supervisor_no ELSE t.agent_no END
JOIN dbo.question_answerers AS r ON r.question_no = q.question_no
JOIN dbo.agents AS a ON a.agent_no = r.agent_no AND a.status <> 'deregistered'
WHERE t.status = 'input_required' AND (r.asked = 1
  OR NOT EXISTS (SELECT 1 FROM dbo.question_answerers AS o WHERE o.question_no = q.question_no AND o.asked = 1))
