-- Closes the questions of the tasks of @endings, those that gates have kept as well.
UPDATE q SET state = COALESCE(e.closing, 'ended'), asked_at = COALESCE(q.asked_at, @now), answer_hash = e.closed_hash,
  answered_by = e.closed_by, answered_at = CASE WHEN e.closed_by IS NOT NULL THEN @now END
FROM @endings AS e JOIN dbo.task_questions AS q ON q.task_no = e.task_no AND q.attempt = e.attempt
WHERE e.was IN ('input_required', 'blocked') AND q.state IN ('waiting', 'open')
OPTION (LOOP JOIN, FORCE ORDER);
UPDATE r SET [open] = 0
FROM @endings AS e JOIN dbo.task_questions AS q ON q.task_no = e.task_no AND q.attempt = e.attempt
JOIN dbo.question_answerers AS r ON r.question_no = q.question_no
WHERE e.was = 'input_required' AND r.[open] = 1
OPTION (LOOP JOIN, FORCE ORDER);
