import { END_TASKS, loseAttempts } from "./task-endings.ts";

/** How many tasks RELEASE_TASKS took back to be tried again. */
export const DECLARE_RELEASE = "DECLARE @releaseOutcome varchar(24), @requeued_tasks int = 0;\n";

/**
 * Takes back every task of the agents of `@released (agent_no int PRIMARY KEY)` that fell silent (each uses one retry) or
 * deregister (none), at once and in their old place. `@releaseOutcome`: agent_inactive or released.
 *
 * Inside the transaction, after CHANGE_STATUS: the caller holds the agents' agent_loads rows and they are not working any
 * more, so that nobody can assign to them or end an attempt of theirs until the commit, and the read is of all they hold.
 * Puts what was requeued into @unblocked, beside the dependents, for the hand-out after the commit; how many:
 * `@requeued_tasks`. Needs DECLARE_RELEASE and all that END_TASKS needs; leaves @endings empty.
 */
export const RELEASE_TASKS = `${loseAttempts(
  "@released AS r JOIN dbo.tasks AS t ON t.agent_no = r.agent_no AND t.status IN ('assigned', 'running')",
  {
    outcome: "@releaseOutcome",
    error: "CASE WHEN @releaseOutcome = 'released' THEN N'RELEASED' ELSE N'AGENT_INACTIVE' END",
    retryable: "1",
  },
)}IF @@ROWCOUNT > 0
BEGIN
${END_TASKS}INSERT INTO @unblocked (task_no) SELECT e.task_no FROM @endings AS e WHERE e.becomes = 'pending';
SET @requeued_tasks = @@ROWCOUNT;
DELETE FROM @endings;
END;
`;
