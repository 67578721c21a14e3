-- The archive knows agents by name alone. A name that maintenance has freed may have been given again: who was
-- registered after a task had ended is not the agent of that task. The last case walks what the agent has in hand: as
-- many tasks as it takes at once, and what each of them depends on.
CREATE PROCEDURE release.relation_to_task
  @items nvarchar(max)
AS
SELECT i.item, CASE WHEN s.agent_id = i.agent_id COLLATE Latin1_General_100_BIN2 OR (c.registered_at <= z.ended_at AND z.supervisor_id = i.agent_id COLLATE Latin1_General_100_BIN2)
    THEN 'assigned_by'
  WHEN (t.status NOT IN ('blocked', 'pending', 'input_required') AND w.agent_id = i.agent_id COLLATE Latin1_General_100_BIN2) OR (c.registered_at <= z.ended_at
    AND CAST(JSON_VALUE(z.task, '$.assignedTo') AS varchar(128)) COLLATE Latin1_General_100_BIN2 = i.agent_id COLLATE Latin1_General_100_BIN2) THEN 'assigned_to'
  WHEN (t.task_no IS NOT NULL OR z.task_id IS NOT NULL) AND EXISTS (SELECT 1 FROM dbo.agents AS a
    JOIN dbo.tasks AS h ON h.agent_no = a.agent_no AND h.status IN ('assigned', 'running')
    JOIN dbo.task_dependencies AS d ON d.task_no = h.task_no
    WHERE a.agent_id = i.agent_id COLLATE Latin1_General_100_BIN2 AND d.depends_on = i.task_id COLLATE Latin1_General_100_BIN2) THEN 'needed_by' END AS value
FROM OPENJSON(@items) WITH (item int, agent_id varchar(128), task_id varchar(128)) AS i
LEFT JOIN dbo.tasks AS t ON t.task_id = i.task_id COLLATE Latin1_General_100_BIN2
LEFT JOIN dbo.agents AS s ON s.agent_no = t.supervisor_no
LEFT JOIN dbo.agents AS w ON w.agent_no = t.agent_no
LEFT JOIN dbo.task_archive AS z ON z.task_id = i.task_id COLLATE Latin1_General_100_BIN2
LEFT JOIN dbo.agents AS c ON c.agent_id = i.agent_id COLLATE Latin1_General_100_BIN2
OPTION (LOOP JOIN, FORCE ORDER);
