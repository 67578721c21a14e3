-- Takes back tasks of the agents of @released (agent_no int PRIMARY KEY) that fell silent (each uses one retry) or
-- deregister (none, up to FREE_RELEASES_PER_HOUR), at once and in their old place. An agent may hold 10,000: of each
-- at most RELEASES_PER_TRANSACTION, in the order of their creation. @releaseOutcome: agent_inactive or released.
-- Inside the transaction. Where change-status comes before, the caller holds the agents' agent_loads rows and they
-- are not working any more, so that nobody can assign to them or end an attempt of theirs until the commit; elsewhere
-- a task that is no longer as it was read loses the race. Puts what was requeued into @unblocked, beside the
-- dependents, for the hand-out after the commit; how many: @requeued_tasks. Needs DECLARE_RELEASE and all that
-- end-tasks needs.
INSERT INTO @endings (task_no, task_id, attempt, was, cancel_requested, deadline_at, agent_no, assigned_at, outcome, becomes,
  retries_used, available_at, answered, error, detail, actor)
SELECT f.task_no, f.task_id, f.attempt, f.status, f.cancel_requested,
  CASE WHEN f.outcome = 'timed_out' THEN f.deadline_at END, f.agent_no, f.assigned_at,
  CASE WHEN f.becomes = 'cancelled' THEN 'cancelled' ELSE f.outcome END, f.becomes,
  f.retries_used + f.costs,
  CASE WHEN f.outcome IN ('failed', 'timed_out') THEN @now + CAST(ROUND(CASE WHEN f.retries_used >= 9 /* DOUBLINGS */ THEN 300000 /* LONGEST_MILLISECONDS */ ELSE 1000 /* FIRST_MILLISECONDS */ * POWER(2, f.retries_used) END * (1 - 0.2 /* JITTER_SHARE */ * ((CHECKSUM(NEWID()) & 2147483647) / 2147483648.0)), 0) AS bigint) ELSE f.available_at END, 0,
  CASE WHEN f.becomes = 'cancelled' THEN (SELECT o.error FROM dbo.task_outcomes AS o WHERE o.task_no = f.task_no)
    ELSE f.error END, f.error, f.actor
FROM (SELECT g.*, CASE WHEN g.cancel_requested = 1 THEN 'cancelled'
      WHEN g.retryable = 1 AND (g.costs = 0 OR g.retries_used < g.max_retries) THEN 'pending' ELSE 'failed' END AS becomes
  FROM (SELECT t.task_no, t.task_id, t.attempt, t.status, t.cancel_requested, t.deadline_at, t.agent_no, t.assigned_at,
      t.retries_used, t.max_retries, t.available_at, @releaseOutcome AS outcome, CASE WHEN @releaseOutcome = 'released' THEN N'RELEASED' ELSE N'AGENT_INACTIVE' END AS error, NULL AS actor,
      1 AS retryable, CASE WHEN @releaseOutcome = 'released' AND (SELECT COUNT(*) FROM (SELECT TOP (20 /* FREE_RELEASES_PER_HOUR */) z.attempt
    FROM dbo.task_attempts AS z WHERE z.task_no = t.task_no AND z.outcome = 'released' AND z.ended_at > @now - 3600000 /* HOUR_MILLISECONDS */) AS y)
    < 20 /* FREE_RELEASES_PER_HOUR */ THEN 0 ELSE 1 END AS costs
    FROM @released AS r CROSS APPLY (SELECT TOP (100 /* RELEASES_PER_TRANSACTION */) x.task_no FROM dbo.tasks AS x
      WHERE x.agent_no = r.agent_no AND x.status IN ('assigned', 'running') ORDER BY x.task_no) AS p
    JOIN dbo.tasks AS t ON t.task_no = p.task_no AND t.status IN ('assigned', 'running')) AS g) AS f;
SET @released_tasks = @@ROWCOUNT;
IF @released_tasks > 0
BEGIN
  -- include: parts/end-tasks.sql
  INSERT INTO @unblocked (task_no) SELECT e.task_no FROM @endings AS e WHERE e.becomes = 'pending';
  SET @requeued_tasks = @@ROWCOUNT;
END;
