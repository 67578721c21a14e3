-- Of a message m that assigns a task which was suspended: the values of the task, and its newest question.
OUTER APPLY (SELECT MAX(CASE WHEN v.name = 'checkpoint' THEN v.value END) AS [checkpoint],
    MAX(CASE WHEN v.name = 'checkpoint' THEN v.key_version END) AS checkpoint_key,
    MAX(CASE WHEN v.name = 'answer' THEN v.value END) AS answer, MAX(CASE WHEN v.name = 'answer' THEN v.key_version END) AS answer_key,
    MAX(CASE WHEN v.name = 'default_answer' THEN v.value END) AS default_answer,
    MAX(CASE WHEN v.name = 'default_answer' THEN v.key_version END) AS default_key
  FROM dbo.task_values AS v WHERE v.task_no = m.task_no AND m.task_attempt > 1 AND m.type = 'task_assignment') AS g
OUTER APPLY (SELECT TOP (1) q.state, q.asked_version, q.answered_by FROM dbo.task_questions AS q
  WHERE q.task_no = m.task_no AND m.task_attempt > 1 AND m.type = 'task_assignment' ORDER BY q.attempt DESC) AS u
