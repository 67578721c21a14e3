-- What decides of the children of a task, and the task above all others. None of it ever changes; a parent is archived behind its children, so
-- those above it are there.
CREATE PROCEDURE release.read_parent
  @taskId varchar(128)
AS
SET NOCOUNT ON;
DECLARE @rootNo bigint, @parentNo bigint, @depth int = 0;
SELECT @rootNo = t.task_no, @parentNo = t.parent_no FROM dbo.tasks AS t WHERE t.task_id = @taskId COLLATE Latin1_General_100_BIN2;
WHILE @parentNo IS NOT NULL
BEGIN
  SET @rootNo = @parentNo;
  SET @depth = @depth + 1;
  SET @parentNo = (SELECT t.parent_no FROM dbo.tasks AS t WHERE t.task_no = @rootNo);
END;
SELECT s.agent_id AS supervisor_id, t.priority, b.child_types, @depth AS depth, @rootNo AS root_no
FROM dbo.tasks AS t JOIN dbo.task_bodies AS b ON b.task_no = t.task_no JOIN dbo.agents AS s ON s.agent_no = t.supervisor_no
WHERE t.task_id = @taskId COLLATE Latin1_General_100_BIN2;
