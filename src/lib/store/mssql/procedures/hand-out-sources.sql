-- Hands out waiting tasks in rank order: availableAt - headStart(priority), then the order of creation. Waiting tasks are
-- found in streams, one per source and priority, whose heads are merged by rank: so the cost grows with the different
-- demands that wait, not with the tasks. Outside any transaction. Returns how many; -1: a race was lost.
-- Table order: agent_loads, tasks and their rows, messages, counters.
CREATE PROCEDURE release.hand_out_sources
  @sources release.task_sources READONLY,
  @handOutLimit int,
  @clockOffset bigint
AS
-- include: parts/prologue.sql
DECLARE @handedOut int = 0, @accepted bigint = 0, @second varchar(48);
DECLARE @deliverable TABLE (agent_no int NOT NULL);
-- A round lists and plans tasks, takes the room of all chosen agents, then the tasks; when another call was faster
-- with one of them, nothing of the round is written and the next one sees what is left. Each round reads the time: a
-- task that another call has made a millisecond after the time of this batch is seen by this one, or by that one.
DECLARE @plan TABLE (place int NOT NULL PRIMARY KEY, task_no bigint NOT NULL, task_id varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL, task_type varchar(128) COLLATE Latin1_General_100_BIN2 NOT NULL, priority tinyint NOT NULL,
  demand_no int NULL, named_no int NULL, depends int NOT NULL, attempt int NOT NULL, timeout_milliseconds bigint NOT NULL, start_timeout_milliseconds bigint NULL, preferred nvarchar(max) NULL,
  becomes varchar(24) COLLATE Latin1_General_100_BIN2 NULL, agent_no int NULL, set_no int NULL, fills int NULL, explanation varchar(max) NULL,
  receiver_no int NULL, message_type varchar(24) COLLATE Latin1_General_100_BIN2 NULL, payload varchar(max) NULL, ended_by_no int NULL, ended_as int NULL, resumed_by varchar(16) COLLATE Latin1_General_100_BIN2 NULL);
-- include: parts/declare-choice.sql
DECLARE @place int, @planned int, @agents int, @taken int, @lostRounds int = 0;
DECLARE @messages int, @arrival bigint;
DECLARE @listed int = 1, @given int;
WHILE @listed > 0
BEGIN
  -- Reads the time anew: first thing before whatever a batch reads by time after a commit or a wait for a lock. What
  -- others have made due meanwhile is not due at the time at which the batch began, and would be passed over by both.
  SET @now = DATEDIFF_BIG(MILLISECOND, '19700101', SYSUTCDATETIME()) + @clockOffset;
  -- The next tasks in rank order, of sources that somebody free can take from.
  INSERT INTO @plan (place, task_no, task_id, task_type, priority, demand_no, named_no, depends, attempt, timeout_milliseconds, start_timeout_milliseconds,
    preferred, ended_by_no, ended_as, resumed_by)
  SELECT h.place, t.task_no, t.task_id, t.task_type, t.priority, t.demand_no, t.assign_to_no,
    CASE WHEN EXISTS (SELECT 1 FROM dbo.task_dependencies AS d WHERE d.task_no = t.task_no
      AND (d.position < 200 /* DEPENDENCIES_MAX */ OR (t.suspensions > 0 AND d.position >= t.suspensions * 1000 /* CHILD_PLACES */))) THEN 1 ELSE 0 END,
    t.attempt + 1, t.timeout_milliseconds, t.start_timeout_milliseconds,
    NULLIF(b.preferred_capabilities, N'[]'), CASE WHEN t.attempt > 0 THEN t.agent_no END,
    CASE WHEN t.last_outcome = 'suspended' THEN 2 ELSE 1 END,
    CASE WHEN t.suspensions > 0 THEN (SELECT u.resumed_by FROM dbo.task_suspensions AS u WHERE u.task_no = t.task_no) END
  FROM (SELECT TOP (@handOutLimit - @handedOut) o.task_no, ROW_NUMBER() OVER (ORDER BY o.rank, o.task_no) AS place FROM (
      SELECT w.task_no, w.rank FROM @sources AS x CROSS JOIN (VALUES (0, 0), (1, 60000), (2, 600000), (3, 3600000)) AS s (priority, head_start)
      CROSS APPLY (SELECT TOP (@handOutLimit) t.task_no, t.available_at - s.head_start AS rank FROM dbo.tasks AS t
        WHERE t.demand_no = x.demand_no AND t.assign_to_no IS NULL AND t.priority = s.priority AND t.status = 'pending' AND t.available_at <= @now
        ORDER BY t.available_at, t.task_no) AS w
      WHERE EXISTS (SELECT 1 FROM dbo.demand_sets AS d JOIN dbo.agent_loads AS l ON l.set_no = d.set_no AND l.assignable = 1
        WHERE d.demand_no = x.demand_no)
      UNION ALL
      SELECT w.task_no, w.rank FROM @sources AS x
      JOIN dbo.agent_loads AS l ON l.agent_no = x.named_no AND l.assignable = 1 CROSS JOIN (VALUES (0, 0), (1, 60000), (2, 600000), (3, 3600000)) AS s (priority, head_start)
      CROSS APPLY (SELECT TOP (@handOutLimit) t.task_no, t.available_at - s.head_start AS rank FROM dbo.tasks AS t
        WHERE t.assign_to_no = x.named_no AND t.assign_to_no IS NOT NULL AND t.priority = s.priority AND t.status = 'pending' AND t.available_at <= @now AND EXISTS (SELECT 1 FROM dbo.demand_sets AS d WHERE d.demand_no = t.demand_no AND d.set_no = l.set_no)
        ORDER BY t.available_at, t.task_no) AS w) AS o
    ORDER BY o.rank, o.task_no) AS h
  JOIN dbo.tasks AS t ON t.task_no = h.task_no
  JOIN dbo.task_bodies AS b ON b.task_no = t.task_no;
  SET @listed = @@ROWCOUNT;
  -- A source nobody can take from is passed over: its other tasks ask the same.
  SET @place = (SELECT MIN(place) FROM @plan WHERE becomes IS NULL);
  WHILE @place IS NOT NULL
  BEGIN
    SELECT @demandNo = demand_no, @namedNo = named_no, @endedByNo = ended_by_no, @endedAs = ended_as,
      @firstNo = CASE WHEN ended_as = 2 THEN COALESCE(ended_by_no, 0) ELSE 0 END, @preferred = preferred FROM @plan WHERE place = @place;
    -- include: parts/weigh.sql
    --   sets = (SELECT d.set_no FROM dbo.demand_sets AS d WHERE d.demand_no = @demandNo)
    IF @chosenNo IS NOT NULL UPDATE @plan SET becomes = 'assigned', agent_no = @chosenNo, set_no = @chosenSetNo, fills = @chosenFills,
      explanation = @explanation, receiver_no = @chosenNo, message_type = 'task_assignment',
      payload = CONCAT('{"taskId":"', task_id, '","attempt":', attempt, ',"taskType":"', task_type, '","deadline":"', CONCAT(REPLACE(CONVERT(varchar(19), DATEADD(SECOND, (@now + timeout_milliseconds) / 1000 % 86400,
          DATEADD(DAY, (@now + timeout_milliseconds) / 86400000, CONVERT(datetime2(3), '19700101'))), 120), ' ', 'T'), '.',
          RIGHT(CONCAT('00', (@now + timeout_milliseconds) % 1000), 3), 'Z'), '"',
          CASE WHEN start_timeout_milliseconds IS NOT NULL THEN CONCAT(',"startDeadline":"', REPLACE(CONVERT(varchar(19), DATEADD(SECOND, (@now + start_timeout_milliseconds) / 1000 % 86400,
            DATEADD(DAY, (@now + start_timeout_milliseconds) / 86400000, CONVERT(datetime2(3), '19700101'))), 120), ' ', 'T'), '.',
            RIGHT(CONCAT('00', (@now + start_timeout_milliseconds) % 1000), 3), 'Z"') END,
          CASE WHEN depends > 0 THEN ',"dependencies":[]' END, ',"resume":{"reason":"' + resumed_by + '"}', '}') WHERE place = @place;
    ELSE UPDATE @plan SET becomes = 'none'
      WHERE becomes IS NULL AND (named_no = @namedNo OR (@namedNo IS NULL AND named_no IS NULL AND demand_no = @demandNo));
    SET @place = (SELECT MIN(place) FROM @plan WHERE becomes IS NULL);
  END;
  SELECT @planned = COUNT(agent_no), @agents = COUNT(DISTINCT agent_no) FROM @plan;
  -- A short list that was given out, or in which nobody could take anything, was all there is.
  IF @planned = 0 OR @listed < @handOutLimit - @handedOut SET @listed = 0;
  IF @planned > 0
  BEGIN
    BEGIN TRANSACTION;
    -- include: parts/take-room.sql
    SET @taken = @@ROWCOUNT;
    SET @given = 0;
    IF @taken = @agents
    BEGIN
      UPDATE t SET version = t.version + 1, status = 'assigned', agent_no = w.agent_no, attempt = w.attempt, assigned_at = @now,
        deadline_at = @now + w.timeout_milliseconds
      FROM @plan AS w JOIN dbo.tasks AS t ON t.task_no = w.task_no
      WHERE w.agent_no IS NOT NULL AND t.status = 'pending' AND t.attempt = w.attempt - 1;
      SET @given = @@ROWCOUNT;
    END;
    IF @given = @planned
    BEGIN
      INSERT INTO dbo.task_events (task_no, event, at, attempt, agent_no)
  SELECT w.task_no, 'assigned', @now, w.attempt, w.agent_no FROM @plan AS w WHERE w.agent_no IS NOT NULL ORDER BY w.place;
      INSERT INTO audit.entries (at, actor, action, subject_kind, subject_id, detail)
      SELECT @now, COALESCE(NULL, 'system'), CONCAT('task.', 'assigned'), 'task', w.task_id, CONCAT('{"attempt":' + CAST(w.attempt AS varchar(20)), ',"agentId":"' + a.agent_id + '"', '}')
      FROM @plan AS w JOIN dbo.agents AS a ON a.agent_no = w.agent_no ORDER BY w.place;
      -- include: parts/record-assignments.sql
      -- include: parts/count-assignments.sql
      --   ofTask = ('tasks:pending', -1), ('tasks:assigned', 1)
      --   lost = -1
      SET @accepted = @accepted + @messages;
      -- include: parts/count-accepted.sql
      COMMIT TRANSACTION;
      SET @handedOut = @handedOut + @given;
      INSERT INTO @deliverable (agent_no) SELECT DISTINCT agent_no FROM @plan WHERE agent_no IS NOT NULL;
      IF @handedOut >= @handOutLimit SET @listed = 0;
    END;
    ELSE
    BEGIN
      ROLLBACK TRANSACTION;
      SET @lostRounds = @lostRounds + 1;
      SET @listed = CASE WHEN @lostRounds > 20 /* LOST_ROUNDS_MAX */ THEN 0 ELSE 1 END;
    END;
  END;
  DELETE FROM @plan;
  SET @picks = 0;
END;
SELECT DISTINCT a.agent_id AS woken FROM @deliverable AS d JOIN dbo.agents AS a ON a.agent_no = d.agent_no;
RETURN @handedOut;
