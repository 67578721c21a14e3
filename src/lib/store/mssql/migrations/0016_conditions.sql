SET QUOTED_IDENTIFIER, ANSI_NULLS ON;
GO
-- older releases: empty
-- (Procedures of before would take the failure of a task for the end of all that wait for it.)
--
-- Dependencies with conditions: a task may wait that another one completes, ends, or fails.
ALTER TABLE dbo.task_dependencies ADD condition varchar(10) COLLATE Latin1_General_100_BIN2 NOT NULL
  CONSTRAINT task_dependencies_condition_default DEFAULT 'completed';
-- 1: it was cancelled because it was not needed, which is neither a completion nor a failure to those that wait for it.
ALTER TABLE dbo.ended_dependencies ADD not_needed bit NOT NULL CONSTRAINT ended_dependencies_not_needed DEFAULT 0;
-- The task whose end has ended this one, if one has.
ALTER TABLE dbo.task_outcomes ADD because_of varchar(128) COLLATE Latin1_General_100_BIN2 NULL;
GO
ALTER TABLE dbo.task_dependencies ADD CONSTRAINT task_dependencies_condition CHECK (condition IN ('completed', 'ended', 'failed'));
INSERT INTO dbo.counters (name, slot)
SELECT 'tasks:not_needed_total', s.slot FROM (VALUES (0), (1), (2), (3), (4), (5), (6), (7)) AS s (slot);
GO
INSERT INTO dbo.schema_migrations (version, name, applied_at)
VALUES (16, '0016_conditions.sql', DATEDIFF_BIG(MILLISECOND, '19700101', SYSUTCDATETIME()));
GO
