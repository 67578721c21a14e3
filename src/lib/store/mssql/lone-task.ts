import { ATTEMPTS_DEFAULT } from "../../limits.ts";
import type { NewTask } from "../store.ts";
import { isoText, payloadOf } from "./assignment.ts";
import { SETS_OF_DEMAND, weighAnyone } from "./candidates.ts";
import { plainJson, plainText } from "./item-text.ts";
import { TASKS_PER_NUMBER } from "./new-tasks.ts";
import { ARRIVALS_PER_NUMBER, joinedBytes } from "./system-messages.ts";
import { recordTaskEvents } from "./task-rows.ts";
import { sqlText } from "./texts.ts";
import { BIN2, COUNT_ACCEPTED, PROLOGUE, raceUnless } from "./transaction.ts";

/**
 * The commonest call, alone in its batch: a task that names no agent, prefers nothing and depends on nothing, of a demand
 * that is known. Scalars instead of a plan: no table variable, a third of the text, and half of the statements. Whatever
 * else it meets (a refusal, a repeat, an agent that has just lost its room) it leaves undecided and writes nothing.
 */

/** Whether the batch for lone tasks can try it. */
export function isPlain({ assignTo, dependsOn, preferredCapabilities }: NewTask): boolean {
  return assignTo === undefined && dependsOn.length === 0 && preferredCapabilities.length === 0;
}

/** @supervisorNo stays NULL unless everything is as it commonly is. */
const CHECK = `SELECT @taskId = j.task_id, @taskType = j.task_type, @priority = j.priority, @maxRetries = j.max_retries,
  @timeout = j.timeout_milliseconds, @parentTaskId = j.parent_task_id, @idempotencyKey = j.idempotency_key,
  @requestHash = j.request_hash, @keyVersion = j.key_version, @traceparent = j.traceparent, @actor = j.actor, @operationId = j.operation_id, @demandNo = d.demand_no, @supervisorNo = s.agent_no,
  @stale = CASE WHEN h.last_heartbeat_at < @now - @renewalMilliseconds THEN 1 ELSE 0 END
FROM OPENJSON(@items) WITH (operation_id uniqueidentifier '$.operationId', task_id varchar(128) '$.taskId', supervisor varchar(128),
  actor varchar(128), task_type varchar(128) '$.taskType', priority tinyint, max_retries int '$.maxRetries', timeout_milliseconds bigint '$.timeoutMilliseconds',
  parent_task_id varchar(128) '$.parentTaskId', idempotency_key varchar(64) '$.idempotencyKey', request_hash varchar(64) '$.requestHash',
  capabilities_hash varchar(43) '$.capabilitiesHash', key_version varchar(64) '$.keyVersion', traceparent varchar(55)) AS j
JOIN dbo.agents AS s ON s.agent_id = j.supervisor ${BIN2}
JOIN dbo.agent_heartbeats AS h ON h.agent_no = s.agent_no
JOIN dbo.demands AS d ON d.capabilities_hash = j.capabilities_hash ${BIN2}
LEFT JOIN dbo.tasks AS t ON t.task_id = j.task_id ${BIN2}
LEFT JOIN dbo.task_archive AS r ON r.task_id = j.task_id ${BIN2}
LEFT JOIN dbo.tasks AS k ON k.idempotency_key = j.idempotency_key ${BIN2} AND k.idempotency_key IS NOT NULL
LEFT JOIN dbo.task_archive AS q ON q.idempotency_key = j.idempotency_key ${BIN2} AND q.idempotency_key IS NOT NULL
WHERE h.beating = 1 AND s.role IN ('supervisor', 'admin')
  AND t.task_no IS NULL AND r.status IS NULL AND k.task_no IS NULL AND q.status IS NULL;
`;

const INSERT_TASK = `INSERT INTO dbo.tasks (task_no, task_id, supervisor_no, task_type, priority, status, demand_no, agent_no, attempt,
    max_retries, timeout_milliseconds, created_at, available_at, assigned_at, deadline_at, parent_task_id, idempotency_key,
    request_hash, operation_id)
  VALUES (@taskNo, @taskId, @supervisorNo, @taskType, @priority, @status, @demandNo, @chosenNo, @attempt, @maxRetries, @timeout,
    @now, @now, @assignedAt, @assignedAt + @timeout, @parentTaskId, @idempotencyKey, @requestHash, @operationId);
  INSERT INTO dbo.task_bodies (task_no, description, parameters, key_version, traceparent, preferred_capabilities)
  SELECT @taskNo, ${plainText("d.value")}, ${plainJson("p.value")}, @keyVersion, @traceparent, N'[]'
  FROM OPENJSON(@items, '$[0]') AS d CROSS JOIN OPENJSON(@items, '$[0]') AS p
  WHERE d.[key] = N'description' AND p.[key] = N'parameters';
`;

/** @param events rows of the attempt, which orders them, the event and the agent that it is about */
const record = (events: string): string =>
  recordTaskEvents({
    actor: "@actor",
    event: "e.event",
    taskId: "@taskId",
    attempt: "e.attempt",
    agentId: "(SELECT a.agent_id FROM dbo.agents AS a WHERE a.agent_no = e.agent_no)",
    from: `FROM ${events} AS e (attempt, event, agent_no) ORDER BY e.attempt`,
  });

const INSERT_ATTEMPT = `INSERT INTO dbo.task_attempts (task_no, attempt, agent_no, assigned_at, explanation)
    VALUES (@taskNo, 1, @chosenNo, @now, @explanation);
    INSERT INTO dbo.task_events (task_no, event, at, attempt, agent_no)
    VALUES (@taskNo, 'created', @now, 0, NULL), (@taskNo, 'assigned', @now, 1, @chosenNo);
    ${record("(VALUES (0, 'created', NULL), (1, 'assigned', @chosenNo))")}    SET @payload = ${payloadOf("@taskId", "1", "@taskType", "@deadline")};
    SET @arrival = NEXT VALUE FOR dbo.message_arrivals;
    SET @arrival = @arrival * ${ARRIVALS_PER_NUMBER};
    INSERT INTO dbo.messages (arrival, message_id, receiver_no, type, priority, status, attempt_limit, max_attempts,
      accepted_at, available_at, task_no, task_attempt, payload_bytes)
    VALUES (@arrival, LOWER(CONVERT(varchar(36), NEWID())), @chosenNo, 'task_assignment', @priority, 'queued', ${ATTEMPTS_DEFAULT},
      ${ATTEMPTS_DEFAULT}, @now, @now, @taskNo, 1, LEN(@payload) + ${joinedBytes("@taskNo")});
    INSERT INTO dbo.message_payloads (arrival, payload) VALUES (@arrival, @payload);
`;

const COUNT = `UPDATE c SET value = c.value + d.delta
  FROM (VALUES (CONCAT('tasks:', @status), 1), ('tasks:assigned_once', @attempt), ('messages:queued', @attempt),
    (CONCAT('mailbox:', @chosenNo), @attempt), (CONCAT('set:', @chosenSetNo, ':free'), -@fills)) AS d (name, delta)
  JOIN dbo.counters AS c ON c.name = d.name AND c.slot = @@SPID % 8
  WHERE d.delta <> 0;
  ${raceUnless("1 + 3 * @attempt + COALESCE(@fills, 0)")}  SET @accepted = @attempt;
  ${COUNT_ACCEPTED}`;

/** The same recordsets as those of assign-tasks, and `undecided`. */
const OUTCOME = `SELECT 0 AS item, NULL AS code, NULL AS subject, @taskNo AS task_no, @taskId AS task_id, 0 AS wakes, @status AS status,
  @attempt AS attempt, (SELECT a.agent_id FROM dbo.agents AS a WHERE a.agent_no = @chosenNo) AS assigned_to, 0 AS duplicate,
  CASE WHEN @status = 'pending' AND EXISTS (SELECT 1 FROM dbo.demand_sets AS s
    JOIN dbo.agent_loads AS l ON l.set_no = s.set_no AND l.assignable = 1 WHERE s.demand_no = @demandNo) THEN 1 ELSE 0 END AS free,
  CASE WHEN @status IS NULL THEN 1 ELSE 0 END AS undecided;
SELECT a.agent_id FROM dbo.agents AS a WHERE a.agent_no = @chosenNo AND @status = 'assigned';
`;

/** Creates the task of a lone plain call, or leaves it undecided. */
export const ASSIGN_LONE_TASK = sqlText(
  "assign-lone-task",
  `${PROLOGUE}DECLARE @taskId varchar(128), @taskType varchar(128), @priority tinyint, @maxRetries int, @timeout bigint,
  @parentTaskId varchar(128), @idempotencyKey varchar(64), @requestHash varchar(64), @keyVersion varchar(64), @traceparent varchar(55), @operationId uniqueidentifier,
  @demandNo int, @supervisorNo int, @stale int, @chosenNo int, @chosenSetNo int, @chosenFills int, @explanation varchar(max), @taskNo bigint,
  @status varchar(10), @attempt int = 0, @fills int = 0, @assignedAt bigint, @deadline varchar(24), @payload varchar(1000),
  @arrival bigint, @accepted bigint, @second varchar(48), @actor varchar(128);
${CHECK}IF @supervisorNo IS NOT NULL
BEGIN
  ${weighAnyone(SETS_OF_DEMAND)}SET @taskNo = NEXT VALUE FOR dbo.task_numbers;
  SET @taskNo = @taskNo * ${TASKS_PER_NUMBER};
  SET @deadline = ${isoText("@now + @timeout")};
  BEGIN TRANSACTION;
  IF @chosenNo IS NOT NULL
  BEGIN
    UPDATE dbo.agent_loads SET active_tasks = active_tasks + 1, last_assigned_at = @now WHERE agent_no = @chosenNo AND assignable = 1;
    SET @attempt = @@ROWCOUNT;
    SELECT @fills = CASE WHEN l.assignable = 1 THEN 0 ELSE 1 END, @assignedAt = @now FROM dbo.agent_loads AS l WHERE l.agent_no = @chosenNo;
  END;
  IF @chosenNo IS NULL OR @attempt = 1
  BEGIN
  SET @status = CASE WHEN @attempt = 1 THEN 'assigned' ELSE 'pending' END;
  ${INSERT_TASK}IF @attempt = 1
  BEGIN
    ${INSERT_ATTEMPT}END;
  ELSE
  BEGIN
    INSERT INTO dbo.task_events (task_no, event, at, attempt) VALUES (@taskNo, 'created', @now, 0);
    ${record("(VALUES (0, 'created', CAST(NULL AS int)))")}  END;
  ${COUNT}END;
  COMMIT TRANSACTION;
  IF @stale = 1 AND @status IS NOT NULL UPDATE dbo.agent_heartbeats SET last_heartbeat_at = @now
    WHERE agent_no = @supervisorNo AND beating = 1 AND last_heartbeat_at < @now;
END;
${OUTCOME}`,
);
