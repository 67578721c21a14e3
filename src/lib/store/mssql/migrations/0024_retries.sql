SET QUOTED_IDENTIFIER, ANSI_NULLS ON;
GO
-- older releases: empty
-- (A sweep of before would not go on with what a retry has left.)
--
-- Tasks that have ended can be re-opened. Found by these: what ended because of a task, and what waited for its failure or its end.
-- Few tasks have either, so that the others pay nothing.
CREATE INDEX task_outcomes_because_of ON dbo.task_outcomes (because_of) WHERE because_of IS NOT NULL;
CREATE INDEX task_dependents_told ON dbo.task_dependencies (depends_on, condition, task_no) WHERE condition <> 'completed';
-- Tasks that were re-opened and have more dependents than one call looks at: the sweep goes on with them.
CREATE TABLE dbo.reopened_tasks (
  task_id varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL CONSTRAINT reopened_tasks_pk PRIMARY KEY
);
GO
INSERT INTO dbo.schema_migrations (version, name, applied_at)
VALUES (24, '0024_retries.sql', DATEDIFF_BIG(MILLISECOND, '19700101', SYSUTCDATETIME()));
GO
