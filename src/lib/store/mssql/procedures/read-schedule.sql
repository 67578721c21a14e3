-- What the rules of schedules look at: the schedule, the agent that is to have it, and how many that has.
CREATE PROCEDURE release.read_schedule
  @operation uniqueidentifier,
  @scheduleId varchar(128),
  @supervisor varchar(128),
  @clockOffset bigint
AS
-- include: parts/find-decision.sql
SELECT s.schedule_id, a.agent_id AS supervisor_id, s.cron, s.timezone, s.overlap, CAST(s.enabled AS int) AS enabled, s.creates, s.due_at, s.refusals,
  s.created_at, s.updated_at, s.contents, s.key_version, s.planned_at, s.firings, s.version
FROM dbo.schedules AS s JOIN dbo.agents AS a ON a.agent_no = s.supervisor_no WHERE s.schedule_id = @scheduleId;
SELECT a.agent_no, a.role, a.status, (SELECT COUNT(*) FROM dbo.schedules AS s WHERE s.supervisor_no = a.agent_no) AS held
FROM dbo.agents AS a WHERE a.agent_id = @supervisor;
