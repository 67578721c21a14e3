-- The sweep: ends the time of questions that nobody has answered, with their default, or the task fails. The dependents of tasks that end
-- are left to tell-dependents, and handing out comes behind that.
CREATE PROCEDURE release.time_out_questions
  @clockOffset bigint
AS
-- include: parts/prologue.sql
DECLARE @due TABLE (task_no bigint NOT NULL PRIMARY KEY, question_id bigint NOT NULL);
DECLARE @found int;
INSERT INTO @due (task_no, question_id)
SELECT TOP (100 /* TIMEOUTS_PER_TRANSACTION */) q.task_no, q.asked_version FROM dbo.task_questions AS q
WHERE q.state = 'open' AND q.expires_at IS NOT NULL AND q.expires_at <= @now ORDER BY q.expires_at;
SET @found = @@ROWCOUNT;
IF @found = 0
BEGIN
  SELECT 0 AS found;
  RETURN;
END;
-- Tasks that wait for an agent since now: the sweep hands them out.
DECLARE @unblocked release.task_numbers;
-- include: parts/declare-endings.sql
INSERT INTO @endings (task_no, task_id, attempt, was, cancel_requested, becomes, closing, closed_by, error, result, key_version)
SELECT t.task_no, t.task_id, t.attempt, t.status, t.cancel_requested,
  CASE WHEN q.has_default = 0 OR (t.gate = 1 AND q.default_rejects = 1) THEN 'failed' WHEN t.gate = 1 THEN 'completed' ELSE 'pending' END,
  'timed_out', CASE WHEN q.has_default = 1 THEN 'system' END,
  CASE WHEN q.has_default = 0 THEN N'QUESTION_TIMEOUT' WHEN t.gate = 1 AND q.default_rejects = 1 THEN N'REJECTED' END,
  v.value, v.key_version
FROM @due AS d JOIN dbo.tasks AS t ON t.task_no = d.task_no AND t.status = 'input_required'
JOIN dbo.task_questions AS q ON q.task_no = t.task_no AND q.attempt = t.attempt AND q.state = 'open'
LEFT JOIN dbo.task_values AS v ON v.task_no = t.task_no AND v.name = 'gate_default';
SET @dependentsLimit = 0;
BEGIN TRANSACTION;
-- include: parts/finish-task-rows.sql
INSERT INTO dbo.task_events (task_no, event, at, attempt, detail)
SELECT e.task_no, 'question_timed_out', @now, e.attempt, CAST(d.question_id AS varchar(20))
FROM @endings AS e JOIN @due AS d ON d.task_no = e.task_no ORDER BY e.task_no;
INSERT INTO audit.entries (at, actor, action, subject_kind, subject_id, detail)
SELECT @now, 'system', 'task.question_timed_out', 'task', e.task_id, CONCAT('{"attempt":', e.attempt, '}') FROM @endings AS e ORDER BY e.task_no;
UPDATE u SET resumed_by = 'answered'
FROM @endings AS e JOIN dbo.task_suspensions AS u ON u.task_no = e.task_no WHERE e.becomes = 'pending';
-- include: parts/record-endings.sql
-- include: parts/apply-counts.sql
COMMIT TRANSACTION;
SELECT @found AS found;
SELECT DISTINCT a.agent_id AS woken FROM @endings AS e JOIN dbo.agents AS a ON a.agent_no = COALESCE(e.flow_receiver_no, e.receiver_no);
