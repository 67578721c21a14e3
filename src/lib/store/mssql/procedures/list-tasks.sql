-- Newest first. The page is cut where its texts alone are too large: reading 201 tasks could bring 100 MB.
-- A filter that is NULL is none. The plan is made for the filters that are there (RECOMPILE), so that each has its index.
CREATE PROCEDURE release.list_tasks
  @status varchar(64),
  @supervisor varchar(128),
  @assignedTo varchar(128),
  @taskType varchar(128),
  @parentTaskId varchar(128),
  @limit int,
  @before bigint
AS
DECLARE @page TABLE (task_no bigint NOT NULL PRIMARY KEY);
INSERT INTO @page (task_no)
SELECT TOP (@limit + 1) t.task_no FROM dbo.tasks AS t
WHERE t.task_no < @before AND (@status IS NULL OR t.status = @status) AND (@taskType IS NULL OR t.task_type = @taskType)
  AND (@supervisor IS NULL OR t.supervisor_no = (SELECT x.agent_no FROM dbo.agents AS x WHERE x.agent_id = @supervisor))
  AND (@assignedTo IS NULL OR (t.agent_no = (SELECT x.agent_no FROM dbo.agents AS x WHERE x.agent_id = @assignedTo)
    AND t.agent_no IS NOT NULL AND t.status NOT IN ('blocked', 'pending', 'input_required')))
  AND (@parentTaskId IS NULL OR (t.parent_task_id = @parentTaskId AND t.parent_task_id IS NOT NULL))
ORDER BY t.task_no DESC
OPTION (RECOMPILE);
SELECT w.found, t.task_no, t.task_id, t.supervisor_no, t.task_type, t.priority, t.status, t.demand_no, t.assign_to_no, t.agent_no, t.attempt, t.retries_used, t.max_retries, t.timeout_milliseconds, t.start_timeout_milliseconds, t.unmet_dependencies, CAST(t.cancel_requested AS int) AS cancel_requested, t.[percent], t.created_at, t.available_at, t.assigned_at, t.started_at, t.deadline_at, t.ended_at, t.parent_task_id,
  t.version, t.last_outcome, t.expires_at, CAST(t.gate AS int) AS gate, t.suspensions, s.agent_id AS supervisor_id, n.agent_id AS assign_to_id, a.agent_id,
  d.capabilities AS required, b.description, b.parameters, b.key_version, b.traceparent, b.preferred_capabilities AS preferred, b.child_types, o.note, o.result,
  o.key_version AS result_key_version, o.error,
  (SELECT STRING_AGG(CAST(CONCAT(p.condition, '/', p.depends_on) AS varchar(max)), ',') WITHIN GROUP (ORDER BY p.position)
    FROM dbo.task_dependencies AS p WHERE p.task_no = t.task_no AND p.position < 1000 /* CHILD_PLACES */) AS depends_on
FROM (SELECT k.task_no, COUNT(*) OVER () AS found, SUM(z.characters) OVER (ORDER BY k.task_no DESC ROWS UNBOUNDED PRECEDING)
    - z.characters AS characters_before
  FROM @page AS k
  CROSS APPLY (SELECT (DATALENGTH(x.parameters) + DATALENGTH(x.description)) / 2
      + COALESCE((SELECT DATALENGTH(y.result) / 2 FROM dbo.task_outcomes AS y WHERE y.task_no = k.task_no), 0)
      + COALESCE((SELECT SUM(DATALENGTH(v.value)) / 2 FROM dbo.task_values AS v WHERE v.task_no = k.task_no), 0) AS characters
    FROM dbo.task_bodies AS x WHERE x.task_no = k.task_no) AS z) AS w
JOIN dbo.tasks AS t ON t.task_no = w.task_no
JOIN dbo.agents AS s ON s.agent_no = t.supervisor_no
LEFT JOIN dbo.agents AS n ON n.agent_no = t.assign_to_no
LEFT JOIN dbo.agents AS a ON a.agent_no = t.agent_no
JOIN dbo.demands AS d ON d.demand_no = t.demand_no
JOIN dbo.task_bodies AS b ON b.task_no = t.task_no
LEFT JOIN dbo.task_outcomes AS o ON o.task_no = t.task_no
WHERE w.characters_before <= 4194304 /* REPLY_MAX_BYTES */
ORDER BY t.task_no DESC;
-- include: parts/read-task-extras.sql
--   tasks = @page
