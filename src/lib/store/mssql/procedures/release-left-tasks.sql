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
-- What HAND_OUT works with: @freed agents that may have room now, @unblocked tasks that wait since now, and at most
-- @handOutLimit tasks to hand out (to be set: HANDOUTS_PER_CALL for each call). Needs DECLARE_COUNTS and
-- DECLARE_DELIVERABLE. @handedOut: how many were.
DECLARE @freed release.agent_numbers;
DECLARE @unblocked release.task_numbers;
DECLARE @handOutLimit int, @handedOut int = 0;
DECLARE @releaseOutcome varchar(24), @released_tasks int = 0, @requeued_tasks int = 0;
-- Attempts and tasks to be ended, as they were read. - was, attempt, cancel_requested fence the row of the task; so
-- does deadline_at where it is given. - outcome: how the live attempt is recorded, which agent_no holds; both NULL
-- when the task is not live. - becomes: completed, failed, cancelled, or pending when it is tried again, with the
-- retries_used and available_at that it has then. - answered: 1 when the attempt's own agent ends it, so that its
-- repeat gets the same answer. - result (JSON text), the version of the key that it is encrypted under, and error are
-- the task's; detail is for its history. - actor: who ends it; NULL: the switchboard.
DECLARE @endings TABLE (task_no bigint NOT NULL PRIMARY KEY, task_id varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL, attempt int NOT NULL,
  was varchar(24) COLLATE Latin1_General_100_BIN2 NOT NULL, cancel_requested bit NOT NULL, deadline_at bigint NULL, agent_no int NULL, assigned_at bigint NULL,
  outcome varchar(24) COLLATE Latin1_General_100_BIN2 NULL, becomes varchar(24) COLLATE Latin1_General_100_BIN2 NOT NULL, retries_used int NULL, available_at bigint NULL,
  answered bit NOT NULL DEFAULT 0, result nvarchar(max) NULL, key_version varchar(64) COLLATE Latin1_General_100_BIN2 NULL,
  error nvarchar(max) NULL, detail nvarchar(max) NULL, actor varchar(128) COLLATE Latin1_General_100_BIN2 NULL);
DECLARE @finals int, @requeues int;
-- include: parts/declare-ending-needs.sql
SET @releaseOutcome = 'agent_inactive';
BEGIN TRANSACTION;
-- include: parts/release-tasks.sql
-- include: parts/apply-counts.sql
COMMIT TRANSACTION;
SET @handOutLimit = 10 /* HANDOUTS_PER_CALL */ * @found;
EXEC @handedOut = release.hand_out @freed, @unblocked, @handOutLimit, @clockOffset;
IF @handedOut < 0 RETURN 1;
SELECT @released_tasks AS released, @found AS found, @requeued_tasks AS requeued, @handedOut AS handed_out;
SELECT DISTINCT a.agent_id AS woken FROM @deliverable AS d JOIN dbo.agents AS a ON a.agent_no = d.agent_no;
