-- As many agents as it takes for RELEASES_PER_TRANSACTION tasks; of the last one there may be as many again.
CREATE PROCEDURE release.release_left_tasks
  @clockOffset bigint
AS
-- include: parts/prologue.sql
DECLARE @released TABLE (agent_no int NOT NULL PRIMARY KEY);
DECLARE @found int;
INSERT INTO @released (agent_no)
SELECT c.agent_no FROM (SELECT f.agent_no, SUM(f.active_tasks) OVER (ORDER BY f.agent_no ROWS UNBOUNDED PRECEDING) - f.active_tasks AS ahead
  FROM (SELECT TOP (100 /* AGENTS_PER_TRANSACTION */) l.agent_no, l.active_tasks FROM dbo.agent_loads AS l JOIN dbo.agents AS a ON a.agent_no = l.agent_no
WHERE l.working = 0 AND l.active_tasks > 0 AND a.status = 'inactive' ORDER BY l.agent_no) AS f) AS c
WHERE c.ahead < 100 /* RELEASES_PER_TRANSACTION */;
SET @found = @@ROWCOUNT;
IF @found = 0
BEGIN
  SELECT 0 AS released, 0 AS found, 0 AS requeued, 0 AS handed_out;
  RETURN;
END;
-- include: parts/declare-hand-out.sql
DECLARE @releaseOutcome varchar(24), @released_tasks int = 0, @requeued_tasks int = 0;
-- include: parts/declare-endings.sql
SET @releaseOutcome = 'agent_inactive';
BEGIN TRANSACTION;
-- include: parts/release-tasks.sql
-- include: parts/apply-counts.sql
COMMIT TRANSACTION;
SET @handOutLimit = 10 /* HANDOUTS_PER_CALL */ * @found;
EXEC @handedOut = release.hand_out @freed, @unblocked, @handOutLimit, @clockOffset;
IF @handedOut < 0 RETURN 1;
SELECT @released_tasks AS released, @found AS found, @requeued_tasks AS requeued, @handedOut AS handed_out;
SELECT DISTINCT a.agent_id AS woken FROM @endings AS e JOIN dbo.agents AS a ON a.agent_no = COALESCE(e.flow_receiver_no, e.receiver_no);
