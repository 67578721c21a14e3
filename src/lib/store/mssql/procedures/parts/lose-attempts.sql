-- Attempts that did not succeed: cancelled where that was requested, pending again where retries are left, or failed.
-- $(attempts): their tasks, t; $(outcome) and $(error): what they are recorded as; $(costs): 1 where a retry is used.
INSERT INTO @endings (task_no, task_id, attempt, was, cancel_requested, deadline_at, agent_no, assigned_at, outcome, becomes,
  retries_used, available_at, answered, error, detail, actor)
SELECT f.task_no, f.task_id, f.attempt, f.status, f.cancel_requested,
  CASE WHEN f.outcome = 'timed_out' THEN f.deadline_at END, f.agent_no, f.assigned_at,
  CASE WHEN f.becomes = 'cancelled' THEN 'cancelled' ELSE f.outcome END, f.becomes,
  f.retries_used + f.costs,
  CASE WHEN f.outcome IN ('failed', 'timed_out') THEN @now + CAST(ROUND(CASE WHEN f.retries_used >= 9 /* DOUBLINGS */ THEN 300000 /* LONGEST_MILLISECONDS */ ELSE 1000 /* FIRST_MILLISECONDS */ * POWER(2, f.retries_used) END * (1 - 0.2 /* JITTER_SHARE */ * ((CHECKSUM(NEWID()) & 2147483647) / 2147483648.0)), 0) AS bigint) ELSE f.available_at END, $(answered),
  CASE WHEN f.becomes = 'cancelled' THEN (SELECT o.error FROM dbo.task_outcomes AS o WHERE o.task_no = f.task_no)
    ELSE f.error END, f.error, f.actor
FROM (SELECT g.*, CASE WHEN g.cancel_requested = 1 THEN 'cancelled'
      WHEN g.retryable = 1 AND (g.costs = 0 OR g.retries_used < g.max_retries) THEN 'pending' ELSE 'failed' END AS becomes
  FROM (SELECT t.task_no, t.task_id, t.attempt, t.status, t.cancel_requested, t.deadline_at, t.agent_no, t.assigned_at,
      t.retries_used, t.max_retries, t.available_at, $(outcome) AS outcome, $(error) AS error, $(actor) AS actor,
      $(retryable) AS retryable, $(costs) AS costs
    FROM $(attempts)) AS g) AS f;
