-- Hands out the tasks of a workflow that wait for an agent: the last step of its creation where something that they depend on had ended
-- otherwise than it was to end.
CREATE PROCEDURE release.hand_out_workflow
  @workflowId varchar(128),
  @clockOffset bigint
AS
SET NOCOUNT, XACT_ABORT ON;
-- include: parts/declare-hand-out.sql
INSERT INTO @unblocked (task_no)
SELECT t.task_no FROM dbo.workflows AS w JOIN dbo.tasks AS t ON t.workflow_no = w.workflow_no AND t.status = 'pending'
WHERE w.workflow_id = @workflowId;
SET @handOutLimit = @@ROWCOUNT;
EXEC @handedOut = release.hand_out @freed, @unblocked, @handOutLimit, @clockOffset;
IF @handedOut < 0 RETURN 1;
