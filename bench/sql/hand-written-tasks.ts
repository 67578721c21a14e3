import { COUNT_ACCEPTED, PROLOGUE } from "./hand-written-messages.ts";

/** The calls about tasks as one would write them for one call; see hand-written-messages.ts. The task names no agent. */

/** A message that the switchboard itself writes; `@arrival` has been set. */
function systemMessage(columns: {
  receiver: string;
  type: string;
  payload: string;
  taskNo: string;
  attempt: string;
}): string {
  const { receiver, type, payload, taskNo, attempt } = columns;
  return `SET @arrival = NEXT VALUE FOR dbo.message_arrivals;
SET @arrival = @arrival * 4096;
INSERT INTO dbo.messages (arrival, message_id, receiver_no, type, priority, status, attempt_limit, max_attempts, accepted_at,
  available_at, task_no, task_attempt, payload_bytes)
VALUES (@arrival, LOWER(CONVERT(varchar(36), NEWID())), ${receiver}, '${type}', @priority, 'queued', 5, 5, @now, @now, ${taskNo}, ${attempt},
  LEN(${payload}));
INSERT INTO dbo.message_payloads (arrival, payload) VALUES (@arrival, ${payload});
`;
}

/** The text that is kept of a candidate, and of the whole weighing. */
const CANDIDATE = `CONCAT(CAST(w.agent_id AS varchar(max)), ',', w.active_tasks, ',', w.max_concurrent_tasks, ',0,', w.completed, ',',
    w.failed, ',', w.last_assigned_at, ',0;')`;

/** Weighs 64 workers, takes the best, and writes the task with its attempt, history and message. */
export const ASSIGN = `${PROLOGUE}DECLARE @arrival bigint, @taskNo bigint, @agentNo int, @setNo int, @considered varchar(max), @weighed int,
  @payload varchar(max), @demandNo int = (SELECT demand_no FROM dbo.demands WHERE capabilities_hash = @capabilitiesHash);
DECLARE @supervisorNo int = (SELECT agent_no FROM dbo.agents WHERE agent_id = @supervisor AND status <> 'deregistered');
SELECT @agentNo = MAX(CASE WHEN w.place = 1 THEN w.agent_no END), @setNo = MAX(CASE WHEN w.place = 1 THEN w.set_no END), @weighed = COUNT(*),
  @considered = STRING_AGG(${CANDIDATE}, '') WITHIN GROUP (ORDER BY w.place)
FROM (SELECT q.*, ROW_NUMBER() OVER (ORDER BY q.load, q.reliability DESC, q.last_assigned_at, q.agent_id) AS place
  FROM (SELECT TOP (64) f.*, (f.completed + CAST(1 AS float)) / (f.completed + f.failed + 1) AS reliability
    FROM dbo.demand_sets AS s
    CROSS APPLY (SELECT TOP (64) l.agent_no, l.agent_id, l.set_no, l.max_concurrent_tasks, l.active_tasks, l.completed, l.failed, l.load,
        l.last_assigned_at
      FROM dbo.agent_loads AS l WHERE l.set_no = s.set_no AND l.assignable = 1 ORDER BY l.load, l.last_assigned_at, l.agent_id) AS f
    WHERE s.demand_no = @demandNo ORDER BY f.load, f.last_assigned_at, f.agent_id) AS q) AS w;
DECLARE @total bigint = (SELECT SUM(value) FROM dbo.counters WHERE name = 'agents:workers');
DECLARE @workers bigint, @active bigint, @free bigint;
SELECT @workers = SUM(CASE WHEN c.name LIKE '%:workers' THEN c.value ELSE 0 END), @active = SUM(CASE WHEN c.name LIKE '%:active' THEN c.value ELSE 0 END),
  @free = SUM(CASE WHEN c.name LIKE '%:free' THEN c.value ELSE 0 END)
FROM dbo.demand_sets AS s CROSS JOIN (VALUES (':workers'), (':active'), (':free')) AS k (kind)
JOIN dbo.counters AS c ON c.name = CONCAT('set:', s.set_no, k.kind) WHERE s.demand_no = @demandNo;
SET @payload = CONCAT('{"taskId":"', @taskId, '","attempt":1,"taskType":"', @taskType, '","deadline":', @now + @timeout, '}');
SET @taskNo = NEXT VALUE FOR dbo.task_numbers;
SET @taskNo = @taskNo * 4096;
BEGIN TRANSACTION;
UPDATE dbo.agent_loads SET active_tasks = active_tasks + 1, last_assigned_at = @now WHERE agent_no = @agentNo AND assignable = 1;
IF @@ROWCOUNT <> 1 THROW 50001, 'no room', 1;
INSERT INTO dbo.tasks (task_no, task_id, supervisor_no, task_type, priority, status, demand_no, agent_no, attempt, max_retries,
  timeout_milliseconds, created_at, available_at, assigned_at, deadline_at, request_hash)
VALUES (@taskNo, @taskId, @supervisorNo, @taskType, @priority, 'assigned', @demandNo, @agentNo, 1, 3, @timeout, @now, @now, @now, @now + @timeout,
  @requestHash);
INSERT INTO dbo.task_bodies (task_no, description, parameters, preferred_capabilities) VALUES (@taskNo, @description, @parameters, N'[]');
INSERT INTO dbo.task_attempts (task_no, attempt, agent_no, assigned_at, explanation)
VALUES (@taskNo, 1, @agentNo, @now, CONCAT('{"policy":1,"excluded":[', @total - @workers, ',', @workers - @active, ',', @active - @free, ',',
  @free - @weighed, ',0],"considered":"', @considered, '"}'));
INSERT INTO dbo.task_events (task_no, event, at, attempt, agent_no)
VALUES (@taskNo, 'created', @now, 0, NULL), (@taskNo, 'assigned', @now, 1, @agentNo);
${systemMessage({ receiver: "@agentNo", type: "task_assignment", payload: "@payload", taskNo: "@taskNo", attempt: "1" })}UPDATE dbo.counters SET value = value + CASE name WHEN CONCAT('set:', @setNo, ':free')
  THEN (SELECT CAST(assignable AS int) - 1 FROM dbo.agent_loads WHERE agent_no = @agentNo) ELSE 1 END
WHERE name IN ('tasks:assigned', 'tasks:assigned_once', 'messages:queued', CONCAT('mailbox:', @agentNo), CONCAT('set:', @setNo, ':free'))
  AND slot = @@SPID % 8;
${COUNT_ACCEPTED}COMMIT TRANSACTION;
SELECT 'assigned' AS status, 1 AS attempt, a.agent_id FROM dbo.agents AS a WHERE a.agent_no = @agentNo;
`;

/** The task that its agent holds. */
const HELD = `DECLARE @taskNo bigint, @agentNo int, @supervisorNo int, @priority tinyint, @assignedAt bigint, @deadlineAt bigint, @cancelRequested bit;
SELECT @taskNo = t.task_no, @agentNo = t.agent_no, @supervisorNo = t.supervisor_no, @priority = t.priority, @assignedAt = t.assigned_at,
  @deadlineAt = t.deadline_at, @cancelRequested = t.cancel_requested
FROM dbo.tasks AS t JOIN dbo.agents AS a ON a.agent_no = t.agent_no
WHERE t.task_id = @taskId AND a.agent_id = @agentId AND t.attempt = @attempt AND t.status = @was AND a.status <> 'deregistered';
IF @taskNo IS NULL THROW 50001, 'lease lost', 1;
`;

export const START = `${PROLOGUE}${HELD}BEGIN TRANSACTION;
UPDATE dbo.tasks SET status = 'running', started_at = @now WHERE task_no = @taskNo AND status = 'assigned' AND attempt = @attempt;
IF @@ROWCOUNT <> 1 THROW 50001, 'lease lost', 1;
INSERT INTO dbo.task_events (task_no, event, at, attempt, agent_no) VALUES (@taskNo, 'started', @now, @attempt, @agentNo);
UPDATE dbo.messages SET status = 'completed', lease_expires_at = NULL, claim_id = NULL, ended_at = @now, settlement = 'task_ended'
WHERE task_no = @taskNo AND task_attempt = @attempt AND type = 'task_assignment' AND status = 'queued';
UPDATE dbo.counters SET value = value + CASE WHEN name IN ('tasks:running', 'messages:completed') THEN 1 ELSE -1 END
WHERE name IN ('tasks:assigned', 'tasks:running', 'messages:queued', 'messages:completed', CONCAT('mailbox:', @agentNo)) AND slot = @@SPID % 8;
COMMIT TRANSACTION;
SELECT @cancelRequested AS cancel_requested, @deadlineAt AS deadline_at;
`;

/** A running task ends for good: its agent's load, its outcome, attempt and history, and the supervisor's message. */
function end(becomes: "completed" | "failed", outcome: string): string {
  return `${PROLOGUE}DECLARE @arrival bigint, @payload nvarchar(max) = CONCAT(N'{"taskId":"', @taskId, N'","status":"${becomes}"', @said, N'}');
${HELD}BEGIN TRANSACTION;
UPDATE dbo.agent_loads SET active_tasks = active_tasks - 1, ${outcome} WHERE agent_no = @agentNo;
UPDATE dbo.tasks SET status = '${becomes}', ended_at = @now WHERE task_no = @taskNo AND status = 'running' AND attempt = @attempt;
IF @@ROWCOUNT <> 1 THROW 50001, 'lease lost', 1;
INSERT INTO dbo.task_outcomes (task_no, result, error) VALUES (@taskNo, @result, @error);
UPDATE dbo.task_attempts SET ended_at = @now, outcome = '${becomes}', answer = N'{"status":"${becomes}","cancelRequested":false}'
WHERE task_no = @taskNo AND attempt = @attempt AND ended_at IS NULL;
INSERT INTO dbo.task_events (task_no, event, at, attempt, agent_no, detail) VALUES (@taskNo, '${becomes}', @now, @attempt, @agentNo, @error);
${systemMessage({ receiver: "@supervisorNo", type: "task_result", payload: "@payload", taskNo: "NULL", attempt: "NULL" })}UPDATE dbo.counters SET value = value + CASE name WHEN 'tasks:running' THEN -1 ELSE 1 END
WHERE name IN ('tasks:running', 'tasks:${becomes}', 'tasks:${becomes}_total', 'messages:queued', CONCAT('mailbox:', @supervisorNo))
  AND slot = @@SPID % 8;
${COUNT_ACCEPTED}COMMIT TRANSACTION;
SELECT '${becomes}' AS status, @cancelRequested AS cancel_requested;
`;
}

export const COMPLETE_TASK = end(
  "completed",
  "completed = completed + 1, completed_milliseconds = completed_milliseconds + @now - @assignedAt",
);
export const FAIL_TASK = end("failed", "failed = failed + 1");
