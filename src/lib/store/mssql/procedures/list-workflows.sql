-- Workflows, newest first, with how many open tasks of which status they have.
CREATE PROCEDURE release.list_workflows
  @supervisor varchar(128),
  @status varchar(64),
  @before bigint,
  @limit int
AS
SET NOCOUNT ON;
DECLARE @supervisorNo int = (SELECT a.agent_no FROM dbo.agents AS a WHERE a.agent_id = @supervisor);
DECLARE @page TABLE (workflow_no bigint NOT NULL PRIMARY KEY);
INSERT INTO @page (workflow_no)
SELECT TOP (@limit) w.workflow_no FROM dbo.workflows AS w
WHERE w.workflow_no < @before AND (@supervisor IS NULL OR w.supervisor_no = @supervisorNo) AND (@status IS NULL OR w.status = @status)
ORDER BY w.workflow_no DESC;
SELECT w.workflow_no, w.workflow_id, s.agent_id AS supervisor_id, CAST(w.stop_on_failure AS int) AS stop_on_failure, w.notify, w.status, w.version, w.completed, w.failed, w.cancelled,
  w.not_needed, w.stopped, w.created_at, w.ended_at
FROM @page AS p JOIN dbo.workflows AS w ON w.workflow_no = p.workflow_no JOIN dbo.agents AS s ON s.agent_no = w.supervisor_no ORDER BY w.workflow_no DESC;
SELECT t.workflow_no, t.status, COUNT(*) AS tasks FROM @page AS p JOIN dbo.tasks AS t ON t.workflow_no = p.workflow_no
WHERE t.ended_at IS NULL GROUP BY t.workflow_no, t.status;
