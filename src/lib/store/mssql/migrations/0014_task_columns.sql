SET QUOTED_IDENTIFIER, ANSI_NULLS ON;
GO
-- older releases: keep
-- Columns that tasks need for questions, for watching and for silence. Older procedures may ignore them: they raise no version
-- and write no last_outcome. So the first migration whose procedures read one of the two is for `empty` releases, and sets
-- last_outcome anew, as below.
--
-- A column is not altered while the filter of an index names it.
DROP INDEX tasks_waiting ON dbo.tasks;
DROP INDEX tasks_waiting_for_agent ON dbo.tasks;
DROP INDEX tasks_live ON dbo.tasks;
DROP INDEX tasks_deadlines ON dbo.tasks;
ALTER TABLE dbo.tasks DROP CONSTRAINT tasks_status;
GO
ALTER TABLE dbo.tasks ALTER COLUMN status varchar(14) COLLATE Latin1_General_100_BIN2 NOT NULL;
GO
ALTER TABLE dbo.tasks ADD CONSTRAINT tasks_status CHECK (status IN ('blocked', 'pending', 'assigned', 'running', 'input_required',
  'completed', 'failed', 'cancelled'));
GO
-- These four as in 0001.
CREATE INDEX tasks_waiting ON dbo.tasks (demand_no, priority, available_at, task_no) INCLUDE (assign_to_no)
  WHERE status = 'pending' AND assign_to_no IS NULL;
CREATE INDEX tasks_waiting_for_agent ON dbo.tasks (assign_to_no, priority, available_at, task_no) INCLUDE (demand_no)
  WHERE status = 'pending' AND assign_to_no IS NOT NULL;
CREATE INDEX tasks_live ON dbo.tasks (agent_no, task_no) INCLUDE (task_id, attempt, cancel_requested)
  WHERE status IN ('assigned', 'running');
CREATE INDEX tasks_deadlines ON dbo.tasks (deadline_at) WHERE status IN ('assigned', 'running');
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
