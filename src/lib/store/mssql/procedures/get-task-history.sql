-- place: of the newest of the page, from 1 for the oldest event of all: an archived history knows no other numbers.
CREATE PROCEDURE release.get_task_history
  @taskId varchar(128),
  @before bigint,
  @limit int
AS
DECLARE @taskNo bigint = (SELECT t.task_no FROM dbo.tasks AS t WHERE t.task_id = @taskId);
SELECT @taskNo AS task_no, (SELECT COUNT(*) FROM dbo.task_events AS c WHERE c.task_no = @taskNo AND c.event_no < @before) AS place;
SELECT TOP (@limit + 1) e.event_no, e.event, e.at, e.attempt, a.agent_id, e.detail
FROM dbo.task_events AS e LEFT JOIN dbo.agents AS a ON a.agent_no = e.agent_no WHERE e.task_no = @taskNo AND e.event_no < @before ORDER BY e.event_no DESC;
SELECT z.events FROM dbo.task_archive AS z WHERE z.task_id = @taskId;
