SET QUOTED_IDENTIFIER, ANSI_NULLS ON;
GO
-- older releases: keep
--
-- Schedules: tasks or workflows that are created at times that a cron expression names.
CREATE TABLE dbo.schedules (
  schedule_no bigint IDENTITY NOT NULL CONSTRAINT schedules_pk PRIMARY KEY,
  schedule_id varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL CONSTRAINT schedules_id UNIQUE,
  -- With the agent its schedules go.
  supervisor_no int NOT NULL CONSTRAINT schedules_supervisor REFERENCES dbo.agents ON DELETE CASCADE,
  cron nvarchar(200) NOT NULL,
  timezone varchar(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
  overlap varchar(10) COLLATE Latin1_General_100_BIN2 NOT NULL CONSTRAINT schedules_overlap CHECK (overlap IN ('allow', 'skip')),
  enabled bit NOT NULL,
  creates varchar(10) COLLATE Latin1_General_100_BIN2 NOT NULL CONSTRAINT schedules_creates CHECK (creates IN ('task', 'workflow')),
  -- The task or workflow, or its envelope.
  contents nvarchar(max) NOT NULL CONSTRAINT schedules_contents CHECK (ISJSON(N'[' + contents + N']') = 1),
  key_version varchar(64) COLLATE Latin1_General_100_BIN2 NULL,
  due_at bigint NULL,
  -- When due_at was found; in the future: by a clock that was ahead.
  planned_at bigint NOT NULL,
  -- Refused firings in a row.
  refusals int NOT NULL,
  -- The last firings, as JSON.
  firings nvarchar(max) NOT NULL,
  version bigint NOT NULL,
  created_at bigint NOT NULL,
  updated_at bigint NOT NULL,
  CONSTRAINT schedules_due_enabled CHECK (due_at IS NULL OR enabled = 1)
);
CREATE INDEX schedules_of_supervisor ON dbo.schedules (supervisor_no, schedule_id);
CREATE INDEX schedules_due ON dbo.schedules (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX schedules_by_key ON dbo.schedules (key_version, schedule_no) WHERE key_version IS NOT NULL;
GO
INSERT INTO dbo.schema_migrations (version, name, applied_at)
VALUES (22, '0022_schedules.sql', DATEDIFF_BIG(MILLISECOND, '19700101', SYSUTCDATETIME()));
GO
