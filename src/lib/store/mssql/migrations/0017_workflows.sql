SET QUOTED_IDENTIFIER, ANSI_NULLS ON;
GO
-- older releases: empty
-- (Procedures of before would end tasks without counting them in their workflows.)
--
-- Workflows: tasks that are created together, depend on each other, and end together.
CREATE TABLE dbo.workflows (
  -- From the sequence of the tasks.
  workflow_no bigint NOT NULL CONSTRAINT workflows_pk PRIMARY KEY,
  workflow_id varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL CONSTRAINT workflows_id UNIQUE,
  supervisor_no int NOT NULL CONSTRAINT workflows_supervisor REFERENCES dbo.agents,
  -- 1: when a task fails for good, those that nobody was given are cancelled.
  stop_on_failure bit NOT NULL,
  notify varchar(10) COLLATE Latin1_General_100_BIN2 NOT NULL CONSTRAINT workflows_notify CHECK (notify IN ('each', 'end', 'none')),
  status varchar(14) COLLATE Latin1_General_100_BIN2 NOT NULL CONSTRAINT workflows_status_default DEFAULT 'running'
    CONSTRAINT workflows_status CHECK (status IN ('running', 'completed', 'failed', 'cancelled')),
  -- Raised by the end and the retry of its tasks.
  version bigint NOT NULL CONSTRAINT workflows_version DEFAULT 1,
  open_tasks int NOT NULL CONSTRAINT workflows_open CHECK (open_tasks >= 0),
  -- How its tasks have ended; of those that were cancelled, what was not needed or stopped apart.
  completed int NOT NULL CONSTRAINT workflows_completed DEFAULT 0,
  failed int NOT NULL CONSTRAINT workflows_failed DEFAULT 0,
  cancelled int NOT NULL CONSTRAINT workflows_cancelled DEFAULT 0,
  not_needed int NOT NULL CONSTRAINT workflows_not_needed DEFAULT 0,
  stopped int NOT NULL CONSTRAINT workflows_stopped DEFAULT 0,
  created_at bigint NOT NULL,
  ended_at bigint NULL,
  idempotency_key varchar(64) COLLATE Latin1_General_100_BIN2 NULL,
  request_hash varchar(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
  -- Of the call that made it: tells its own repeat, after a lost answer, from another one's.
  operation_id uniqueidentifier NOT NULL
);
CREATE UNIQUE INDEX workflows_by_key ON dbo.workflows (idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX workflows_of_supervisor ON dbo.workflows (supervisor_no, workflow_no);
CREATE TABLE dbo.workflow_tasks (
  workflow_no bigint NOT NULL CONSTRAINT workflow_tasks_workflow REFERENCES dbo.workflows ON DELETE CASCADE,
  -- What others depend on comes before them.
  position int NOT NULL,
  task_no bigint NOT NULL CONSTRAINT workflow_tasks_of_task UNIQUE
    CONSTRAINT workflow_tasks_task REFERENCES dbo.tasks ON DELETE CASCADE,
  ref varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL,
  CONSTRAINT workflow_tasks_pk PRIMARY KEY (workflow_no, position)
);
ALTER TABLE dbo.tasks ADD workflow_no bigint NULL;
-- 1: it is cancelled when a task of its workflow fails for good before anybody was given it.
ALTER TABLE dbo.tasks ADD stops bit NOT NULL CONSTRAINT tasks_stops DEFAULT 0;
GO
CREATE INDEX tasks_of_workflow ON dbo.tasks (workflow_no, task_no) WHERE workflow_no IS NOT NULL;
GO
INSERT INTO dbo.schema_migrations (version, name, applied_at)
VALUES (17, '0017_workflows.sql', DATEDIFF_BIG(MILLISECOND, '19700101', SYSUTCDATETIME()));
GO
