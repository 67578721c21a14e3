-- Open children of tasks that ended while they waited for them; the caller cancels them. Tasks with none any more are struck off the list.
CREATE PROCEDURE release.find_orphans
AS
SET NOCOUNT, XACT_ABORT ON;
DECLARE @done TABLE (task_no bigint NOT NULL PRIMARY KEY);
INSERT INTO @done (task_no)
SELECT TOP (1000) p.task_no FROM dbo.ended_parents AS p
WHERE NOT EXISTS (SELECT 1 FROM dbo.tasks AS t WHERE t.parent_no = p.task_no AND t.parent_no IS NOT NULL AND t.ended_at IS NULL AND t.cancel_requested = 0)
ORDER BY p.task_no;
DELETE p FROM @done AS d JOIN dbo.ended_parents AS p ON p.task_no = d.task_no
OPTION (LOOP JOIN, FORCE ORDER);
SELECT TOP (64) t.task_id FROM dbo.ended_parents AS p JOIN dbo.tasks AS t ON t.parent_no = p.task_no AND t.parent_no IS NOT NULL
WHERE t.ended_at IS NULL AND t.cancel_requested = 0 ORDER BY p.task_no, t.task_no DESC;
