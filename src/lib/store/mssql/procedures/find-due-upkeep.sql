-- What a sweep that has nothing to do asks: one round trip, where the embedded store just tries each step.
CREATE PROCEDURE release.find_due_upkeep
  @heartbeatTimeoutMilliseconds bigint,
  @clockOffset bigint
AS
-- include: parts/prologue.sql
DECLARE @ahead int, @silent int, @unreleased int, @leased int, @expired int, @left int, @joining int, @tasks int, @audit int;
-- Sets @ahead to 1 when something was recorded more than a minute ahead. Two seeks.
SELECT TOP (1) @ahead = 1 FROM dbo.counters AS c WHERE c.name > CONCAT('accepted:', (@now + 60000 /* AHEAD_MILLISECONDS */) / 1000) AND c.name < 'accepted;';
SELECT TOP (1) @ahead = 1 FROM dbo.agent_heartbeats AS h
WHERE h.beating = 1 AND h.last_heartbeat_at > @now + 60000 /* AHEAD_MILLISECONDS */ AND h.last_heartbeat_at < 253402300799999 /* CHANNEL_HEARTBEAT_AT */;
SELECT TOP (1) @silent = 1 FROM dbo.agent_heartbeats AS h
WHERE h.beating = 1 AND h.heartbeat_timeout_seconds IS NULL AND h.last_heartbeat_at <= @now - @heartbeatTimeoutMilliseconds;
SELECT TOP (1) @silent = 1 FROM dbo.agent_heartbeats AS h
WHERE h.beating = 1 AND h.heartbeat_timeout_seconds IS NOT NULL AND h.silent_at <= @now;
SELECT TOP (1) @unreleased = 1 FROM dbo.agent_loads AS l JOIN dbo.agents AS a ON a.agent_no = l.agent_no
WHERE l.working = 0 AND l.active_tasks > 0 AND a.status = 'inactive';
SELECT TOP (1) @leased = 1 FROM dbo.messages AS m WHERE m.status = 'leased';
SELECT TOP (1) @expired = 1 FROM dbo.messages AS m
WHERE m.status = 'queued' AND m.expires_at IS NOT NULL AND m.expires_at <= @now;
SELECT TOP (1) @joining = 1 FROM dbo.messages AS m WHERE m.joined = 0 AND m.status = 'queued';
SELECT TOP (1) @left = 1 FROM dbo.agents AS a WHERE a.mailbox_left = 1
  AND (a.status_changed_at <= @now - 60000 /* SEND_UNDER_WAY_MILLISECONDS */ OR (EXISTS (SELECT 1 FROM dbo.messages AS m WHERE m.receiver_no = a.agent_no AND m.status = 'queued')
    OR EXISTS (SELECT 1 FROM dbo.messages AS m WHERE m.receiver_no = a.agent_no AND m.status = 'leased')));
SELECT TOP (1) @tasks = 1 FROM dbo.tasks AS t WHERE t.status IN ('assigned', 'running') AND t.deadline_at <= @now;
SELECT TOP (1) @tasks = 1 FROM dbo.tasks AS t WHERE t.status = 'assigned' AND t.start_timeout_milliseconds IS NOT NULL AND t.start_deadline_at <= @now;
SELECT TOP (1) @tasks = 1 FROM dbo.tasks AS t WHERE t.expires_at IS NOT NULL AND t.ended_at IS NULL AND t.expires_at <= @now;
SELECT TOP (1) @tasks = 1 FROM dbo.task_questions AS q WHERE q.state = 'open' AND q.expires_at IS NOT NULL AND q.expires_at <= @now;
SELECT TOP (1) @tasks = 1 FROM dbo.ended_dependencies;
SELECT TOP (1) @tasks = 1 FROM dbo.ended_parents;
SELECT TOP (1) @tasks = 1 FROM dbo.reopened_tasks;
SELECT TOP (1) @tasks = 1 FROM dbo.tasks AS t WHERE t.status = 'pending' AND t.assign_to_no IS NULL;
SELECT TOP (1) @tasks = 1 FROM dbo.tasks AS t WHERE t.status = 'pending' AND t.assign_to_no IS NOT NULL;
SELECT TOP (1) @audit = 1 FROM audit.entries AS e
WHERE e.entry_no > COALESCE((SELECT TOP (1) b.last_entry_no FROM audit.blocks AS b ORDER BY b.block_no DESC), 0);
SELECT @ahead AS ahead, @silent AS silent, @unreleased AS unreleased, @leased AS leased, @expired AS expired, @left AS [left], @joining AS joining, @tasks AS tasks, @audit AS audit;
