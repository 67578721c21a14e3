-- What tasks keep in rows of their own: their values, the newest question of each, and what has woken them. A task that moves on meanwhile may read as one of
-- two moments. $(tasks): numbers of tasks.
IF EXISTS (SELECT 1 FROM $(tasks) AS k JOIN dbo.tasks AS t ON t.task_no = k.task_no WHERE t.suspensions > 0 OR t.gate = 1)
BEGIN
  SELECT v.task_no, v.name, v.value, v.key_version FROM $(tasks) AS k JOIN dbo.task_values AS v ON v.task_no = k.task_no;
  SELECT q.task_no,
  -- include: parts/question-columns.sql
  FROM $(tasks) AS k JOIN dbo.task_questions AS q ON q.task_no = k.task_no
  WHERE NOT EXISTS (SELECT 1 FROM dbo.task_questions AS n WHERE n.task_no = q.task_no AND n.attempt > q.attempt);
  SELECT u.task_no, u.resumed_by FROM $(tasks) AS k JOIN dbo.task_suspensions AS u ON u.task_no = k.task_no;
END;
