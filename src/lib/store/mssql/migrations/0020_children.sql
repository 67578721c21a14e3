SET QUOTED_IDENTIFIER, ANSI_NULLS ON;
GO
-- older releases: empty
-- (Procedures of before would hand out a task that waits for its children, and leave the children of one that ends.)
--
-- Children: tasks that a worker makes by suspending its own until they have ended.
ALTER TABLE dbo.tasks ADD parent_no bigint NULL;
-- JSON: the types of the children that a task may make; NULL: none.
ALTER TABLE dbo.task_bodies ADD child_types nvarchar(max) NULL;
-- Of the task above all others: how many were made below it.
ALTER TABLE dbo.task_bodies ADD descendants int NOT NULL CONSTRAINT task_bodies_descendants DEFAULT 0;
-- Of children, which stand behind what their parent depended on before: the name that it gave them.
ALTER TABLE dbo.task_dependencies ADD ref varchar(128) COLLATE Latin1_General_100_BIN2 NULL;
-- One more reason to go on.
ALTER TABLE dbo.task_suspensions DROP CONSTRAINT task_suspensions_resumed_by;
GO
CREATE INDEX tasks_of_parent ON dbo.tasks (parent_no, task_no) WHERE parent_no IS NOT NULL;
ALTER TABLE dbo.task_suspensions ADD CONSTRAINT task_suspensions_resumed_by CHECK (resumed_by IN ('answered', 'time', 'children_ended'));
-- Tasks that ended while they waited for children: the open ones are cancelled.
CREATE TABLE dbo.ended_parents (
  task_no bigint NOT NULL CONSTRAINT ended_parents_pk PRIMARY KEY
    CONSTRAINT ended_parents_task REFERENCES dbo.tasks ON DELETE CASCADE
);
GO
INSERT INTO dbo.schema_migrations (version, name, applied_at)
VALUES (20, '0020_children.sql', DATEDIFF_BIG(MILLISECOND, '19700101', SYSUTCDATETIME()));
GO
