-- Events of tasks, by number.
CREATE PROCEDURE release.read_events_by_no
  @taskNos nvarchar(max),
  @limit int
AS
SELECT k.task_no, v.* FROM (SELECT CAST(j.value AS bigint) AS task_no FROM OPENJSON(@taskNos) AS j) AS k
CROSS APPLY (SELECT TOP (@limit) e.event_no, e.event, e.at, e.attempt, a.agent_id, e.detail
FROM dbo.task_events AS e LEFT JOIN dbo.agents AS a ON a.agent_no = e.agent_no WHERE e.task_no = k.task_no ORDER BY e.event_no DESC) AS v
ORDER BY k.task_no, v.event_no DESC;
