-- The figures are read before the attempts, and written only where they still are what they were: an attempt that
-- ends in between has added itself to its agent, whose turn then comes with the next run. (The outcomes are
-- those of leave-agents. p95 by nearest rank: the smallest duration that at least 95 of 100 do not
-- exceed.)
CREATE PROCEDURE release.refresh_performance
  @windowMilliseconds bigint,
  @agents int,
  @after int,
  @clockOffset bigint
AS
-- include: parts/prologue.sql
DECLARE @figures TABLE (agent_no int NOT NULL PRIMARY KEY, was_completed int NOT NULL, was_failed int NOT NULL, was_lost int NOT NULL, was_released int NOT NULL,
  was_milliseconds bigint NOT NULL, completed int NULL, failed int NULL, lost int NULL, released int NULL, milliseconds bigint NULL, p95 bigint NULL);
DECLARE @since bigint = @now - @windowMilliseconds;
INSERT INTO @figures (agent_no, was_completed, was_failed, was_lost, was_released, was_milliseconds)
SELECT TOP (@agents) l.agent_no, l.completed, l.failed, l.lost, l.released, l.completed_milliseconds
FROM dbo.agent_loads AS l WHERE l.agent_no > @after ORDER BY l.agent_no;
UPDATE f SET completed = t.completed, failed = t.failed, lost = t.lost, released = t.released, milliseconds = t.milliseconds, p95 = s.p95
FROM @figures AS f
CROSS APPLY (SELECT COALESCE(SUM(CASE WHEN x.outcome = 'completed' THEN 1 ELSE 0 END), 0) AS completed,
    COALESCE(SUM(CASE WHEN x.outcome IN ('failed') THEN 1 ELSE 0 END), 0) AS failed,
    COALESCE(SUM(CASE WHEN x.outcome IN ('timed_out', 'agent_inactive') THEN 1 ELSE 0 END), 0) AS lost,
    COALESCE(SUM(CASE WHEN x.outcome IN ('released') THEN 1 ELSE 0 END), 0) AS released,
    COALESCE(SUM(CASE WHEN x.outcome = 'completed' THEN x.ended_at - x.assigned_at END), 0) AS milliseconds
  FROM dbo.task_attempts AS x WHERE x.agent_no = f.agent_no AND x.ended_at > @since) AS t
OUTER APPLY (SELECT MIN(r.duration) AS p95 FROM (
  SELECT d.duration, ROW_NUMBER() OVER (ORDER BY d.duration) AS place, COUNT(*) OVER () AS durations FROM (
    SELECT TOP (10000 /* P95_SAMPLE */) x.ended_at - x.assigned_at AS duration FROM dbo.task_attempts AS x
    WHERE x.agent_no = f.agent_no AND x.ended_at > @since AND x.outcome = 'completed' ORDER BY x.ended_at DESC) AS d) AS r
  WHERE r.place = (r.durations * 95 + 99) / 100) AS s;
SELECT COUNT(*) AS agents, MAX(f.agent_no) AS last FROM @figures AS f;
UPDATE l SET completed = f.completed, failed = f.failed, lost = f.lost, released = f.released, completed_milliseconds = f.milliseconds, p95_milliseconds = f.p95
FROM @figures AS f JOIN dbo.agent_loads AS l ON l.agent_no = f.agent_no
WHERE l.completed = f.was_completed AND l.failed = f.was_failed AND l.lost = f.was_lost AND l.released = f.was_released AND l.completed_milliseconds = f.was_milliseconds
  AND (l.completed <> f.completed OR l.failed <> f.failed OR l.lost <> f.lost OR l.released <> f.released OR l.completed_milliseconds <> f.milliseconds
    OR COALESCE(l.p95_milliseconds, -1) <> COALESCE(f.p95, -1))
OPTION (LOOP JOIN, FORCE ORDER);
SELECT @@ROWCOUNT AS changed;
