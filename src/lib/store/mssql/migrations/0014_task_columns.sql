SET QUOTED_IDENTIFIER, ANSI_NULLS ON;
GO
-- older releases: keep
-- Columns that tasks need for questions, for watching and for silence. Older procedures may ignore them: they raise no version
-- and write no last_outcome. So the first migration whose procedures read one of the two is for `empty` releases, and sets
-- last_outcome anew, as below.
--
-- The status becomes wider. Nothing may name a column that is altered.
DROP INDEX tasks_waiting ON dbo.tasks;
DROP INDEX tasks_waiting_for_agent ON dbo.tasks;
DROP INDEX tasks_live ON dbo.tasks;
DROP INDEX tasks_deadlines ON dbo.tasks;
DROP INDEX tasks_by_status ON dbo.tasks;
ALTER TABLE dbo.tasks DROP CONSTRAINT tasks_status;
ALTER TABLE dbo.tasks DROP CONSTRAINT tasks_live_held;
ALTER TABLE dbo.tasks DROP CONSTRAINT tasks_ended;
ALTER TABLE dbo.tasks DROP CONSTRAINT tasks_blocked;
GO
-- (Babelfish, a server for tests, alters no column that has a collation of its own: there the column is replaced.)
IF CAST(SERVERPROPERTY(N'Babelfish') AS int) = 1
BEGIN
  EXEC (N'ALTER TABLE dbo.tasks ADD wide varchar(14) COLLATE Latin1_General_100_BIN2 NOT NULL DEFAULT ''pending''');
  EXEC (N'UPDATE dbo.tasks SET wide = status');
  EXEC (N'ALTER TABLE dbo.tasks DROP COLUMN status');
  EXEC sp_rename N'dbo.tasks.wide', N'status', N'COLUMN';
END;
ELSE EXEC (N'ALTER TABLE dbo.tasks ALTER COLUMN status varchar(14) COLLATE Latin1_General_100_BIN2 NOT NULL');
GO
ALTER TABLE dbo.tasks ADD CONSTRAINT tasks_status CHECK (status IN ('blocked', 'pending', 'assigned', 'running', 'input_required',
  'completed', 'failed', 'cancelled'));
-- These three, and the indexes, as in 0001.
ALTER TABLE dbo.tasks ADD CONSTRAINT tasks_live_held CHECK (status NOT IN ('assigned', 'running')
  OR (agent_no IS NOT NULL AND assigned_at IS NOT NULL AND deadline_at IS NOT NULL));
ALTER TABLE dbo.tasks ADD CONSTRAINT tasks_ended CHECK ((status IN ('completed', 'failed', 'cancelled') AND ended_at IS NOT NULL)
  OR (status NOT IN ('completed', 'failed', 'cancelled') AND ended_at IS NULL));
ALTER TABLE dbo.tasks ADD CONSTRAINT tasks_blocked CHECK (status <> 'blocked' OR unmet_dependencies > 0);
GO
CREATE INDEX tasks_waiting ON dbo.tasks (demand_no, priority, available_at, task_no) INCLUDE (assign_to_no)
  WHERE status = 'pending' AND assign_to_no IS NULL;
CREATE INDEX tasks_waiting_for_agent ON dbo.tasks (assign_to_no, priority, available_at, task_no) INCLUDE (demand_no)
  WHERE status = 'pending' AND assign_to_no IS NOT NULL;
CREATE INDEX tasks_live ON dbo.tasks (agent_no, task_no) INCLUDE (task_id, attempt, cancel_requested)
  WHERE status IN ('assigned', 'running');
CREATE INDEX tasks_deadlines ON dbo.tasks (deadline_at) WHERE status IN ('assigned', 'running');
CREATE INDEX tasks_by_status ON dbo.tasks (status, task_no);
GO
-- Raised by every transition.
ALTER TABLE dbo.tasks ADD version bigint NOT NULL CONSTRAINT tasks_version DEFAULT 1
  CONSTRAINT tasks_version_positive CHECK (version > 0);
-- How the last attempt ended; NULL: none has.
ALTER TABLE dbo.tasks ADD last_outcome varchar(14) COLLATE Latin1_General_100_BIN2 NULL CONSTRAINT tasks_last_outcome
  CHECK (last_outcome IN ('completed', 'failed', 'timed_out', 'agent_inactive', 'released', 'cancelled', 'suspended', 'expired'));
-- When a live task counts as silent; NULL: its silence is not watched.
ALTER TABLE dbo.tasks ADD silent_at bigint NULL;
ALTER TABLE dbo.task_attempts DROP CONSTRAINT task_attempts_outcome;
GO
ALTER TABLE dbo.task_attempts ADD CONSTRAINT task_attempts_outcome
  CHECK (outcome IN ('completed', 'failed', 'timed_out', 'agent_inactive', 'released', 'cancelled', 'suspended', 'expired'));
UPDATE t SET last_outcome = a.outcome
FROM dbo.tasks AS t JOIN dbo.task_attempts AS a ON a.task_no = t.task_no
WHERE a.ended_at IS NOT NULL AND NOT EXISTS (SELECT 1 FROM dbo.task_attempts AS b
  WHERE b.task_no = a.task_no AND b.attempt > a.attempt AND b.ended_at IS NOT NULL);
-- The rows that count tasks with a question, as those of the other states.
INSERT INTO dbo.counters (name, slot)
SELECT 'tasks:input_required', s.slot FROM (VALUES (0), (1), (2), (3), (4), (5), (6), (7)) AS s (slot);
GO
INSERT INTO dbo.schema_migrations (version, name, applied_at)
VALUES (14, '0014_task_columns.sql', DATEDIFF_BIG(MILLISECOND, '19700101', SYSUTCDATETIME()));
GO
