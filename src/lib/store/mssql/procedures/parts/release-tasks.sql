-- Takes back tasks of the agents of @released (agent_no int PRIMARY KEY) that fell silent (each uses one retry) or
-- deregister (none, up to FREE_RELEASES_PER_HOUR), at once and in their old place. An agent may hold 10,000: of each
-- at most RELEASES_PER_TRANSACTION, in the order of their creation. @releaseOutcome: agent_inactive or released.
-- Inside the transaction. Where change-status comes before, the caller holds the agents' agent_loads rows and they
-- are not working any more, so that nobody can assign to them or end an attempt of theirs until the commit; elsewhere
-- a task that is no longer as it was read loses the race. Puts what was requeued into @unblocked, beside the
-- dependents, for the hand-out after the commit; how many: @requeued_tasks. Needs all that
-- end-tasks needs.
-- include: parts/lose-attempts.sql
--   answered = 0
--   outcome = @releaseOutcome
--   error = CASE WHEN @releaseOutcome = 'released' THEN N'RELEASED' ELSE N'AGENT_INACTIVE' END
--   actor = NULL
--   retryable = 1
--   costs = CASE WHEN @releaseOutcome = 'released' AND (SELECT COUNT(*) FROM (SELECT TOP (20 /* FREE_RELEASES_PER_HOUR */) z.attempt
--     FROM dbo.task_attempts AS z WHERE z.task_no = t.task_no AND z.outcome = 'released' AND z.ended_at > @now - 3600000 /* HOUR_MILLISECONDS */) AS y)
--     < 20 /* FREE_RELEASES_PER_HOUR */ THEN 0 ELSE 1 END
--   attempts = @released AS r CROSS APPLY (SELECT TOP (100 /* RELEASES_PER_TRANSACTION */) x.task_no FROM dbo.tasks AS x
--     WHERE x.agent_no = r.agent_no AND x.status IN ('assigned', 'running') ORDER BY x.task_no) AS p
--     JOIN dbo.tasks AS t ON t.task_no = p.task_no AND t.status IN ('assigned', 'running')
SET @released_tasks = @@ROWCOUNT;
IF @released_tasks > 0
BEGIN
  -- include: parts/end-tasks.sql
  INSERT INTO @unblocked (task_no) SELECT e.task_no FROM @endings AS e WHERE e.becomes = 'pending';
  SET @requeued_tasks = @@ROWCOUNT;
END;
