-- The sweep: works off the dependents that calls have left. Handing out what that unblocks is the next step.
CREATE PROCEDURE release.tell_dependents
  @clockOffset bigint
AS
-- include: parts/prologue.sql
IF NOT EXISTS (SELECT 1 FROM dbo.ended_dependencies)
BEGIN
  SELECT 0 AS unblocked, CAST(0 AS bit) AS more;
  RETURN;
END;
-- Tasks that wait for an agent since now: the sweep hands them out.
DECLARE @unblocked release.task_numbers;
-- include: parts/declare-endings.sql
BEGIN TRANSACTION;
-- Takes up what calls have left, at most @dependentsLimit dependents: for the sweep, first thing inside a transaction
-- of its own, followed by record-endings. What it deletes and cannot finish it leaves again. Sweeps of several
-- processes wait for each other here; nobody else waits for these rows, for each is added once, by whoever ended its
-- task.
-- include: parts/declare-ended-tasks.sql
DELETE TOP (100 /* DEPENDENTS_PER_CALL */) FROM dbo.ended_dependencies
OUTPUT deleted.task_id, deleted.completed, deleted.not_needed, 0 INTO @ended_tasks (task_id, completed, not_needed, level);
-- include: parts/settle-dependents.sql
-- include: parts/record-endings.sql
-- include: parts/apply-counts.sql
COMMIT TRANSACTION;
SELECT (SELECT COUNT(*) FROM @unblocked) AS unblocked, CAST(CASE WHEN EXISTS (SELECT 1 FROM dbo.ended_dependencies) THEN 1 ELSE 0 END AS bit) AS more;
SELECT DISTINCT a.agent_id AS woken FROM @endings AS e JOIN dbo.agents AS a ON a.agent_no = COALESCE(e.flow_receiver_no, e.receiver_no);
