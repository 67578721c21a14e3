/**
 * T-SQL that fills a database in bounded chunks, each one statement set over a table of numbers. `@from` and `@count` are the
 * chunk; rows that the store itself made before (see fill.ts) are the patterns: hashes, sets, demands and explanations are
 * copied from them. What counters say is counted once at the end.
 */

/** Rows of a chunk at most: one value of a sequence stands for 4,096 arrivals or tasks. */
export const CHUNK = 4_000;

/** The common beginning: `numbers` holds 0 … @count - 1. Nothing may follow it but the one INSERT that reads it. */
const NUMBERS = `WITH digits AS (SELECT n FROM (VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9)) AS v (n)),
  numbers AS (SELECT @from + a.n + 10 * b.n + 100 * c.n + 1000 * d.n AS n
    FROM digits AS a CROSS JOIN digits AS b CROSS JOIN digits AS c CROSS JOIN digits AS d
    WHERE a.n + 10 * b.n + 100 * c.n + 1000 * d.n < @count)
`;

const NOW = `SET NOCOUNT ON; SET XACT_ABORT ON;
DECLARE @now bigint = DATEDIFF_BIG(MILLISECOND, '19700101', SYSUTCDATETIME());
`;

/** Copies of the agents pattern-0 … pattern-(@kinds - 1), named agent-<n>. */
export const AGENTS = `${NOW}DECLARE @last int = (SELECT MAX(agent_no) FROM dbo.agents);
BEGIN TRANSACTION;
${NUMBERS}INSERT INTO dbo.agents (agent_id, role, status, set_no, registered_at, status_changed_at)
SELECT CONCAT('agent-', x.n), p.role, p.status, p.set_no, @now, @now
FROM numbers AS x JOIN dbo.agents AS p ON p.agent_id = CONCAT('pattern-', x.n % @kinds);
INSERT INTO dbo.agent_loads (agent_no, agent_id, set_no, working, max_concurrent_tasks)
SELECT a.agent_no, a.agent_id, a.set_no, 1, @capacity FROM dbo.agents AS a WHERE a.agent_no > @last;
INSERT INTO dbo.agent_heartbeats (agent_no, last_heartbeat_at, beating)
SELECT a.agent_no, @now, 1 FROM dbo.agents AS a WHERE a.agent_no > @last;
INSERT INTO dbo.agent_metadata (agent_no, metadata) SELECT a.agent_no, N'{}' FROM dbo.agents AS a WHERE a.agent_no > @last;
INSERT INTO dbo.counters (name, slot)
SELECT CONCAT('mailbox:', a.agent_no), s.slot FROM dbo.agents AS a
CROSS JOIN (VALUES (0), (1), (2), (3), (4), (5), (6), (7)) AS s (slot) WHERE a.agent_no > @last;
COMMIT TRANSACTION;
`;

/** Of ten rounds over the mailboxes one waits, one in fifty is a dead letter; the others are history of the last five days. */
const MESSAGE_STATUS =
  "CASE WHEN i.lap % 10 = 9 THEN 'queued' WHEN i.lap % 50 = 0 THEN 'dead_lettered' ELSE 'completed' END";

export const MESSAGES = `${NOW}DECLARE @number bigint, @lead int = (SELECT agent_no FROM dbo.agents WHERE agent_id = 'lead');
BEGIN TRANSACTION;
SET @number = NEXT VALUE FOR dbo.message_arrivals;
${NUMBERS}INSERT INTO dbo.messages (arrival, message_id, sender_no, receiver_no, type, priority, status, attempt, attempt_limit,
  max_attempts, accepted_at, available_at, ended_at, settlement, request_hash, payload_bytes)
SELECT @number * 4096 + i.n - @from, CONCAT('loaded-', @prefix, '-', i.n), @lead, r.agent_no, CONCAT('type-', i.n % 20), i.lap % 4,
  s.status, CASE WHEN s.status = 'queued' THEN 0 ELSE 1 END, 5, 5, @now - i.age, @now - i.age,
  CASE WHEN s.status <> 'queued' THEN @now - i.age + 500 END,
  CASE s.status WHEN 'completed' THEN 'complete' WHEN 'dead_lettered' THEN 'dead_letter' END, REPLICATE('h', 43), LEN(@payload)
FROM (SELECT x.n, x.n / @agents AS lap, 1000 + x.n % 432000000 AS age FROM numbers AS x) AS i
JOIN dbo.agents AS r ON r.agent_id = CONCAT('agent-', i.n % @agents)
CROSS APPLY (SELECT ${MESSAGE_STATUS} AS status) AS s;
INSERT INTO dbo.message_payloads (arrival, payload)
SELECT m.arrival, @payload FROM dbo.messages AS m WHERE m.arrival >= @number * 4096 AND m.arrival < (@number + 1) * 4096;
COMMIT TRANSACTION;
`;

/** Waiting messages of one mailbox, delayed by a day; with a key, only the very first of them is not held. */
export const BEHIND = `${NOW}DECLARE @number bigint, @lead int = (SELECT agent_no FROM dbo.agents WHERE agent_id = 'lead');
DECLARE @receiver int = (SELECT agent_no FROM dbo.agents WHERE agent_id = 'measured');
BEGIN TRANSACTION;
IF @key IS NOT NULL
BEGIN
  UPDATE dbo.ordering_keys SET unsettled = unsettled + @count WHERE receiver_no = @receiver AND ordering_key = @key;
  IF @@ROWCOUNT = 0 INSERT INTO dbo.ordering_keys (receiver_no, ordering_key, unsettled) VALUES (@receiver, @key, @count);
END;
SET @number = NEXT VALUE FOR dbo.message_arrivals;
${NUMBERS}INSERT INTO dbo.messages (arrival, message_id, sender_no, receiver_no, type, priority, status, held, attempt_limit, max_attempts,
  accepted_at, available_at, ordering_key, request_hash, payload_bytes)
SELECT @number * 4096 + x.n - @from, CONCAT('loaded-', @prefix, '-', x.n), @lead, @receiver, 'query', 2, 'queued',
  CASE WHEN @key IS NOT NULL AND x.n > 0 THEN 1 ELSE 0 END, 5, 5, @now,
  CASE WHEN @key IS NULL OR x.n = 0 THEN @now + 86400000 ELSE @now END, @key, REPLICATE('h', 43), LEN(@payload)
FROM numbers AS x;
INSERT INTO dbo.message_payloads (arrival, payload)
SELECT m.arrival, @payload FROM dbo.messages AS m WHERE m.arrival >= @number * 4096 AND m.arrival < (@number + 1) * 4096;
COMMIT TRANSACTION;
`;

/** How a loaded task and its attempt end, by the last status. */
const ENDED_AT = "CASE WHEN @status = 'completed' THEN @now - x.age + 60000 END";
const HELD = "CASE WHEN @status <> 'pending' THEN";

/**
 * Copies of the tasks pattern-task-<kind> in one status: completed, running or pending. Those that were assigned have an
 * attempt, its history and the assignment message that went with it.
 */
export const TASKS = `${NOW}DECLARE @number bigint;
DECLARE @new TABLE (task_no bigint NOT NULL PRIMARY KEY, n int NOT NULL);
SET @number = NEXT VALUE FOR dbo.task_numbers;
${NUMBERS}INSERT INTO @new (task_no, n) SELECT @number * 4096 + x.n - @from, x.n FROM numbers AS x;
BEGIN TRANSACTION;
INSERT INTO dbo.tasks (task_no, task_id, supervisor_no, task_type, priority, status, demand_no, agent_no, attempt, max_retries,
  timeout_milliseconds, created_at, available_at, assigned_at, started_at, deadline_at, ended_at, request_hash)
SELECT x.task_no, CONCAT('loaded-', @prefix, '-', x.n), p.supervisor_no, CONCAT('type-', x.n % 20), x.n % 4, @status,
  p.demand_no, a.agent_no, ${HELD} 1 ELSE 0 END, 3, 300000, @now - x.age, @now - x.age, ${HELD} @now - x.age END, ${HELD} @now - x.age END,
  ${HELD} @now - x.age + 864000000 END, ${ENDED_AT}, REPLICATE('h', 43)
FROM (SELECT task_no, n, 61000 + n % 1000000 AS age FROM @new) AS x
JOIN dbo.tasks AS p ON p.task_id = CONCAT('pattern-task-', CASE WHEN @status = 'pending' THEN 'rare' ELSE CAST(x.n % @kinds AS varchar(9)) END)
LEFT JOIN dbo.agents AS a ON a.agent_id = CONCAT('agent-', x.n % @agents) AND @status <> 'pending';
INSERT INTO dbo.task_bodies (task_no, description, parameters, preferred_capabilities)
SELECT t.task_no, N'loaded', N'{"n":1}', N'[]' FROM @new AS x JOIN dbo.tasks AS t ON t.task_no = x.task_no;
INSERT INTO dbo.task_events (task_no, event, at, attempt, agent_no)
SELECT t.task_no, e.event, t.created_at, e.attempt, CASE WHEN e.attempt = 1 THEN t.agent_no END
FROM @new AS x JOIN dbo.tasks AS t ON t.task_no = x.task_no CROSS JOIN (VALUES ('created', 0), ('assigned', 1), ('started', 1), ('completed', 1)) AS e (event, attempt)
WHERE (e.attempt = 0 OR (@status <> 'pending' AND (e.event <> 'completed' OR @status = 'completed')));
IF @status <> 'pending'
BEGIN
  INSERT INTO dbo.task_attempts (task_no, attempt, agent_no, assigned_at, ended_at, outcome, answer, explanation)
  SELECT t.task_no, 1, t.agent_no, t.assigned_at, t.ended_at, CASE WHEN @status = 'completed' THEN 'completed' END,
    CASE WHEN @status = 'completed' THEN N'{"status":"completed","cancelRequested":false}' END, y.explanation
  FROM @new AS x JOIN dbo.tasks AS t ON t.task_no = x.task_no
  JOIN dbo.tasks AS p ON p.task_id = 'pattern-task-0'
  JOIN dbo.task_attempts AS y ON y.task_no = p.task_no AND y.attempt = 1;
  IF @status = 'completed' INSERT INTO dbo.task_outcomes (task_no, result)
    SELECT t.task_no, N'{"done":true}' FROM @new AS x JOIN dbo.tasks AS t ON t.task_no = x.task_no;
  SET @number = NEXT VALUE FOR dbo.message_arrivals;
  INSERT INTO dbo.messages (arrival, message_id, receiver_no, type, priority, status, attempt, attempt_limit, max_attempts,
    accepted_at, available_at, ended_at, settlement, task_no, task_attempt, payload_bytes)
  SELECT @number * 4096 + ROW_NUMBER() OVER (ORDER BY t.task_no) - 1, CONCAT('assignment-of-', t.task_id), t.agent_no, 'task_assignment',
    t.priority, 'completed', 1, 5, 5, t.created_at, t.created_at, t.created_at + 500, 'task_ended', t.task_no, 1, LEN(@payload)
  FROM @new AS x JOIN dbo.tasks AS t ON t.task_no = x.task_no;
  INSERT INTO dbo.message_payloads (arrival, payload)
  SELECT m.arrival, @payload FROM dbo.messages AS m WHERE m.arrival >= @number * 4096 AND m.arrival < (@number + 1) * 4096;
END;
COMMIT TRANSACTION;
`;

/** What the rows say of each agent and each counter, once all are there; one transaction, on a database nobody else uses. */
export const COUNT_ALL = `${NOW}DECLARE @loads TABLE (agent_no int NOT NULL PRIMARY KEY, active int NOT NULL, completed int NOT NULL,
  milliseconds bigint NOT NULL, last_assigned_at bigint NOT NULL);
INSERT INTO @loads (agent_no, active, completed, milliseconds, last_assigned_at)
SELECT agent_no, SUM(CASE WHEN ended_at IS NULL THEN 1 ELSE 0 END), SUM(CASE WHEN outcome = 'completed' THEN 1 ELSE 0 END),
  SUM(CASE WHEN outcome = 'completed' THEN ended_at - assigned_at ELSE 0 END), MAX(assigned_at)
FROM dbo.task_attempts GROUP BY agent_no;
UPDATE l SET active_tasks = x.active, completed = x.completed, completed_milliseconds = x.milliseconds,
  last_assigned_at = x.last_assigned_at
FROM @loads AS x JOIN dbo.agent_loads AS l ON l.agent_no = x.agent_no;
DECLARE @counted TABLE (name varchar(48) COLLATE Latin1_General_100_BIN2 NOT NULL PRIMARY KEY, value bigint NOT NULL);
INSERT INTO @counted SELECT CONCAT('messages:', status), COUNT(*) FROM dbo.messages GROUP BY status;
INSERT INTO @counted SELECT CONCAT('mailbox:', receiver_no), COUNT(*) FROM dbo.messages
WHERE status IN ('queued', 'leased') GROUP BY receiver_no;
INSERT INTO @counted SELECT CONCAT('tasks:', status), COUNT(*) FROM dbo.tasks GROUP BY status;
INSERT INTO @counted SELECT 'tasks:assigned_once', COUNT(*) FROM dbo.tasks WHERE attempt > 0;
INSERT INTO @counted SELECT 'tasks:completed_total', COUNT(*) FROM dbo.tasks WHERE status = 'completed';
INSERT INTO @counted SELECT 'tasks:failed_total', COUNT(*) FROM dbo.tasks WHERE status = 'failed';
INSERT INTO @counted SELECT 'agents:workers', COUNT(*) FROM dbo.agents WHERE role = 'worker' AND status <> 'deregistered';
INSERT INTO @counted SELECT CONCAT('set:', a.set_no, ':workers'), COUNT(*)
FROM dbo.agents AS a WHERE a.role = 'worker' AND a.status <> 'deregistered' GROUP BY a.set_no;
INSERT INTO @counted SELECT CONCAT('set:', l.set_no, ':active'), COUNT(*) FROM dbo.agent_loads AS l WHERE l.working = 1 GROUP BY l.set_no;
INSERT INTO @counted SELECT CONCAT('set:', l.set_no, ':free'), COUNT(*) FROM dbo.agent_loads AS l WHERE l.assignable = 1 GROUP BY l.set_no;
UPDATE dbo.counters SET value = 0 WHERE name NOT LIKE 'accepted:%' AND value <> 0;
UPDATE c SET value = x.value FROM @counted AS x JOIN dbo.counters AS c ON c.name = x.name WHERE c.slot = 0;
`;
