-- Schedules behind a place that are due, or were planned by a clock that was ahead; and when the next of all is due.
CREATE PROCEDURE release.find_due_schedules
  @after bigint,
  @clockOffset bigint
AS
-- include: parts/prologue.sql
SELECT TOP (100 /* DUE_SCHEDULES_MAX */) s.schedule_no AS place, s.schedule_id AS scheduleId FROM dbo.schedules AS s
WHERE s.due_at IS NOT NULL AND (s.due_at <= @now OR s.planned_at > @now + 60000 /* MISSED_MILLISECONDS */) AND s.schedule_no > @after
ORDER BY s.schedule_no;
SELECT MIN(s.due_at) AS next FROM dbo.schedules AS s WHERE s.due_at IS NOT NULL;
