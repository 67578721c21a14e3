-- What follows from @endings once the rows of the tasks are changed: outcomes, attempts, histories, counts, and the
-- supervisors' task_result. @endings stays, for the caller to read.
IF @waits > 0
  DELETE o FROM @endings AS e JOIN dbo.task_outcomes AS o ON o.task_no = e.task_no
  WHERE e.becomes = 'pending' AND e.outcome <> 'suspended';
-- What a task ended with. A note stays; what a cancel request left is replaced; a task that is tried again has
-- nothing.
UPDATE o SET result = e.result, key_version = e.key_version, error = e.error, because_of = e.because_of
FROM @endings AS e JOIN dbo.task_outcomes AS o ON o.task_no = e.task_no
WHERE e.becomes NOT IN ('pending', 'input_required', 'blocked');
INSERT INTO dbo.task_outcomes (task_no, result, key_version, error, because_of)
SELECT e.task_no, e.result, e.key_version, e.error, e.because_of FROM @endings AS e
WHERE e.becomes NOT IN ('pending', 'input_required', 'blocked') AND (e.result IS NOT NULL OR e.error IS NOT NULL)
  AND NOT EXISTS (SELECT 1 FROM dbo.task_outcomes AS o WHERE o.task_no = e.task_no);
UPDATE a SET ended_at = @now, outcome = e.outcome, answer = CASE WHEN e.answered = 1 THEN CONCAT(
    '{"status":"', e.becomes, '","cancelRequested":', CASE WHEN e.cancel_requested = 1 THEN 'true' ELSE 'false' END, e.answer_more, '}') END
FROM @endings AS e JOIN dbo.task_attempts AS a ON a.task_no = e.task_no AND a.attempt = e.attempt
WHERE e.outcome IS NOT NULL AND a.ended_at IS NULL
OPTION (LOOP JOIN, FORCE ORDER);
IF @@ROWCOUNT <> (SELECT COUNT(*) FROM @endings WHERE outcome IS NOT NULL)
BEGIN ROLLBACK TRANSACTION; RETURN 1; END;
IF EXISTS (SELECT 1 FROM @endings AS e WHERE e.was IN ('input_required', 'blocked'))
BEGIN
  -- include: parts/close-questions.sql
  -- Children of those that waited for them are cancelled by a step of its own.
  INSERT INTO dbo.ended_parents (task_no)
  SELECT e.task_no FROM @endings AS e JOIN dbo.tasks AS t ON t.task_no = e.task_no AND t.suspensions > 0
  WHERE e.was = 'blocked' AND e.becomes IN ('failed', 'cancelled');
END;
-- One that an answer has woken has the answer in its history.
INSERT INTO dbo.task_events (task_no, event, at, attempt, agent_no, detail)
SELECT e.task_no, CASE WHEN e.outcome = 'suspended' THEN 'suspended' WHEN e.becomes = 'pending' THEN 'requeued' ELSE e.becomes END, @now,
  e.attempt, e.agent_no, e.detail
FROM @endings AS e WHERE e.becomes <> 'pending' OR e.outcome IS NOT NULL ORDER BY e.task_no;
INSERT INTO audit.entries (at, actor, action, subject_kind, subject_id, detail)
SELECT @now, COALESCE(e.actor, 'system'), CONCAT('task.', CASE WHEN e.outcome = 'suspended' THEN 'suspended'
    WHEN e.becomes = 'pending' THEN 'requeued' ELSE e.becomes END), 'task', e.task_id, CONCAT('{"attempt":' + CAST(e.attempt AS varchar(20)), ',"agentId":"' + a.agent_id + '"',
    ',"outcome":"' + CASE WHEN e.becomes <> 'completed' AND e.outcome <> 'suspended' THEN e.outcome END + '"', '}')
FROM @endings AS e LEFT JOIN dbo.agents AS a ON a.agent_no = e.agent_no
WHERE e.becomes <> 'pending' OR e.outcome IS NOT NULL
ORDER BY e.task_no;
IF @asking = 1
BEGIN
  -- include: parts/open-questions.sql
  --   tasks = @unblocked AS u JOIN dbo.tasks AS t ON t.task_no = u.task_no
END;
INSERT INTO @counts (name, delta)
SELECT c.name, SUM(c.delta) FROM @endings AS e CROSS APPLY (VALUES (CONCAT('tasks:', e.was), -1), (CONCAT('tasks:', e.becomes), 1),
  (CASE WHEN e.becomes = 'completed' THEN 'tasks:completed_total' WHEN e.becomes = 'failed' THEN 'tasks:failed_total'
    WHEN e.because_of IS NOT NULL AND e.error = N'NOT_NEEDED' THEN 'tasks:not_needed_total' END, 1),
  (CASE WHEN e.outcome IN ('failed') THEN 'tasks:attempts_failed_total'
    WHEN e.outcome IN ('timed_out', 'agent_inactive', 'released') THEN 'tasks:attempts_lost_total' END, 1)) AS c (name, delta)
WHERE c.name IS NOT NULL GROUP BY c.name;
-- include: parts/prepare-results.sql
-- The assignment message of a running task was completed when it started.
IF EXISTS (SELECT 1 FROM @endings AS e WHERE e.was = 'assigned')
BEGIN
  -- Attempts that have started, ended or moved on, by task_no and task_attempt; the rest is filled in here.
  DECLARE @moved_on TABLE (task_no bigint NOT NULL, task_attempt int NOT NULL, arrival bigint NULL,
    receiver_no int NULL, was varchar(24) COLLATE Latin1_General_100_BIN2 NULL, attempt int NULL, PRIMARY KEY (task_no, task_attempt));
  INSERT INTO @moved_on (task_no, task_attempt)
  SELECT e.task_no, e.attempt FROM @endings AS e WHERE e.was = 'assigned';
  -- include: parts/complete-assignment-messages.sql
END;
IF EXISTS (SELECT 1 FROM @endings AS e WHERE e.was = 'input_required')
BEGIN
  -- include: parts/complete-question-messages.sql
END;
IF @asking = 1
BEGIN
  -- include: parts/send-questions.sql
  --   tasks = @unblocked AS u JOIN dbo.tasks AS t ON t.task_no = u.task_no
END;
-- include: parts/tell-supervisors.sql
IF @asking = 1
BEGIN
  -- include: parts/send-question-payloads.sql
  --   tasks = @unblocked AS u JOIN dbo.tasks AS t ON t.task_no = u.task_no
END;
