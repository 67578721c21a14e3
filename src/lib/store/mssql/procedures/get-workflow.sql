-- A workflow, its tasks, and what each of them depends on.
CREATE PROCEDURE release.get_workflow
  @workflowId varchar(128)
AS
SET NOCOUNT ON;
DECLARE @workflowNo bigint = (SELECT w.workflow_no FROM dbo.workflows AS w WHERE w.workflow_id = @workflowId);
SELECT w.workflow_no, w.workflow_id, s.agent_id AS supervisor_id, CAST(w.stop_on_failure AS int) AS stop_on_failure, w.notify, w.status, w.version, w.completed, w.failed, w.cancelled,
  w.not_needed, w.stopped, w.created_at, w.ended_at
FROM dbo.workflows AS w JOIN dbo.agents AS s ON s.agent_no = w.supervisor_no WHERE w.workflow_no = @workflowNo;
SELECT t.task_no, t.task_id, x.ref, t.task_type, t.status, t.attempt, a.agent_id, o.error, t.ended_at,
  (SELECT STRING_AGG(CAST(CONCAT(p.condition, '/', p.depends_on) AS varchar(max)), ',') WITHIN GROUP (ORDER BY p.position)
    FROM dbo.task_dependencies AS p WHERE p.task_no = t.task_no AND p.position < 1000 /* CHILD_PLACES */) AS depends_on
FROM dbo.workflow_tasks AS x JOIN dbo.tasks AS t ON t.task_no = x.task_no LEFT JOIN dbo.agents AS a ON a.agent_no = t.agent_no
LEFT JOIN dbo.task_outcomes AS o ON o.task_no = t.task_no WHERE x.workflow_no = @workflowNo ORDER BY x.position;
