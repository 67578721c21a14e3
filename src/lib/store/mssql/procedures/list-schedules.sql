-- Schedules by id, without their contents. @supervisor NULL: of all.
CREATE PROCEDURE release.list_schedules
  @supervisor varchar(128),
  @after varchar(128),
  @limit int
AS
SELECT TOP (@limit) s.schedule_id, a.agent_id AS supervisor_id, s.cron, s.timezone, s.overlap, CAST(s.enabled AS int) AS enabled, s.creates, s.due_at, s.refusals,
  s.created_at, s.updated_at
FROM dbo.schedules AS s JOIN dbo.agents AS a ON a.agent_no = s.supervisor_no
WHERE s.schedule_id > @after AND (@supervisor IS NULL OR a.agent_id = @supervisor) ORDER BY s.schedule_id;
