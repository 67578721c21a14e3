-- A schedule with all that belongs to it.
CREATE PROCEDURE release.get_schedule
  @scheduleId varchar(128)
AS
SELECT s.schedule_id, a.agent_id AS supervisor_id, s.cron, s.timezone, s.overlap, CAST(s.enabled AS int) AS enabled, s.creates, s.due_at, s.refusals,
  s.created_at, s.updated_at, s.contents, s.key_version, s.planned_at, s.firings, s.version
FROM dbo.schedules AS s JOIN dbo.agents AS a ON a.agent_no = s.supervisor_no WHERE s.schedule_id = @scheduleId;
