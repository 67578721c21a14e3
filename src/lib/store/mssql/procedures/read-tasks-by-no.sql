-- Tasks as they are archived, by number.
CREATE PROCEDURE release.read_tasks_by_no
  @taskNos nvarchar(max)
AS
SELECT t.task_no, t.task_id, t.supervisor_no, t.task_type, t.priority, t.status, t.demand_no, t.assign_to_no, t.agent_no, t.attempt, t.retries_used, t.max_retries, t.timeout_milliseconds, t.start_timeout_milliseconds, t.unmet_dependencies, CAST(t.cancel_requested AS int) AS cancel_requested, t.[percent], t.created_at, t.available_at, t.assigned_at, t.started_at, t.deadline_at, t.ended_at, t.parent_task_id,
  t.version, t.last_outcome, t.expires_at, CAST(t.gate AS int) AS gate, t.suspensions, s.agent_id AS supervisor_id, n.agent_id AS assign_to_id, a.agent_id,
  d.capabilities AS required, b.description, b.parameters, b.key_version, b.traceparent, b.preferred_capabilities AS preferred, b.child_types, o.note, o.result,
  o.key_version AS result_key_version, o.error,
  (SELECT STRING_AGG(CAST(CONCAT(p.condition, '/', p.depends_on) AS varchar(max)), ',') WITHIN GROUP (ORDER BY p.position)
    FROM dbo.task_dependencies AS p WHERE p.task_no = t.task_no AND p.position < 1000 /* CHILD_PLACES */) AS depends_on FROM (SELECT CAST(j.value AS bigint) AS task_no FROM OPENJSON(@taskNos) AS j) AS k
JOIN dbo.tasks AS t ON t.task_no = k.task_no
JOIN dbo.agents AS s ON s.agent_no = t.supervisor_no
LEFT JOIN dbo.agents AS n ON n.agent_no = t.assign_to_no
LEFT JOIN dbo.agents AS a ON a.agent_no = t.agent_no
JOIN dbo.demands AS d ON d.demand_no = t.demand_no
JOIN dbo.task_bodies AS b ON b.task_no = t.task_no
LEFT JOIN dbo.task_outcomes AS o ON o.task_no = t.task_no;
-- include: parts/usage-of-tasks.sql
--   tasks = (SELECT CAST(j.value AS bigint) AS task_no FROM OPENJSON(@taskNos) AS j)
-- include: parts/read-task-extras.sql
--   tasks = (SELECT CAST(j.value AS bigint) AS task_no FROM OPENJSON(@taskNos) AS j)
