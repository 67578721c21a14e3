-- Schedules behind a place that are due, or were planned by a clock that was ahead, each by an index of its own; and when the next of all is due.
CREATE PROCEDURE release.find_due_schedules
  @after bigint,
  @clockOffset bigint
AS
-- include: parts/prologue.sql
SELECT TOP (100 /* DUE_SCHEDULES_MAX */) d.place, d.scheduleId
FROM (SELECT s.schedule_no AS place, s.schedule_id AS scheduleId FROM dbo.schedules AS s
  WHERE s.due_at IS NOT NULL AND s.due_at <= @now AND s.schedule_no > @after
  UNION SELECT s.schedule_no, s.schedule_id FROM dbo.schedules AS s
  WHERE s.due_at IS NOT NULL AND s.planned_at > @now + 60000 /* MISSED_MILLISECONDS */ AND s.schedule_no > @after) AS d
ORDER BY d.place;
SELECT MIN(s.due_at) AS next FROM dbo.schedules AS s WHERE s.due_at IS NOT NULL;
