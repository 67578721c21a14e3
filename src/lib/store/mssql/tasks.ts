import { newId } from "../../ids.ts";
import type { AssignTaskReply, TaskStatus } from "../../tasks/task.ts";
import type { NewTask } from "../store.ts";
import { renewalInput, wakeAgent } from "./activity.ts";
import { DECLARE_PLAN, GIVE_TO_CHOSEN, LOST_ROUNDS_MAX, recordAssignments, takeRoom, WRITTEN } from "./assignment.ts";
import { type Batch, type Outcome, type OutcomeRow, outcomeRows } from "./batch.ts";
import { weigh } from "./candidates.ts";
import { DECLARE_DEMANDS, INTERN_DEMANDS } from "./capability-sets.ts";
import type { Connection } from "./connection.ts";
import { handOutTask } from "./hand-out.ts";
import { plainJson, plainText } from "./item-text.ts";
import { ASSIGN_LONE_TASK, isPlain } from "./lone-task.ts";
import { CHECK_NEW_TASKS, DECLARE_NEW_TASKS, encodeNewTask, type NewTaskCall, refusalOf } from "./new-tasks.ts";
import { recordTaskEvents } from "./task-rows.ts";
import { sqlText } from "./texts.ts";
import { BIN2, BY_KEY, LOSE_RACE, PROLOGUE, raceUnless } from "./transaction.ts";

export { getAssignments, getTask, getTaskHistory, listTasks } from "./task-reading.ts";

/** Demands that no task had before. */
const MAKE_DEMANDS = `IF @missing > 0
BEGIN
  ${DECLARE_DEMANDS}INSERT INTO @demands (capabilities_hash, capabilities)
  SELECT n.capabilities_hash, MIN(v.value)
  FROM OPENJSON(@items) AS i JOIN @new AS n ON n.place = CAST(i.[key] AS int) CROSS APPLY OPENJSON(i.value) AS v
  WHERE v.[key] = N'capabilities' AND n.demand_no IS NULL AND (n.becomes IS NULL OR n.becomes IN ('blocked', 'failed'))
  GROUP BY n.capabilities_hash;
  ${INTERN_DEMANDS}UPDATE n SET demand_no = d.demand_no
  FROM @new AS n JOIN dbo.demands AS d ON d.capabilities_hash = n.capabilities_hash;
END;
`;

/** One after the other: each that gets an agent takes room from the next. */
const PLAN = `SET @place = (SELECT MIN(place) FROM @new WHERE becomes IS NULL);
WHILE @place IS NOT NULL
BEGIN
  SELECT @demandNo = demand_no, @namedNo = named_no, @preferred = preferred FROM @new WHERE place = @place;
  ${weigh("@new")}IF @chosenNo IS NULL UPDATE @new SET becomes = 'pending' WHERE place = @place;
  ELSE UPDATE @new SET ${GIVE_TO_CHOSEN} WHERE place = @place;
  SET @place = (SELECT MIN(place) FROM @new WHERE becomes IS NULL);
END;
`;

/**
 * Locks what the tasks depend on, by writing to it: so either its end sees them, or this sees the end and has lost a race.
 * (A write that changes nothing would not do: under optimized locking it need not hold the row until the commit.)
 */
const LOCK_DEPENDENCIES = `IF @dependent > 0
BEGIN
  UPDATE t SET dependents = t.dependents + x.tasks
  FROM (SELECT d.task_no, COUNT(*) AS tasks FROM @dependencies AS d JOIN @new AS n ON n.place = d.place
    WHERE n.${WRITTEN} AND d.status NOT IN ('completed', 'failed', 'cancelled') GROUP BY d.task_no) AS x
  JOIN dbo.tasks AS t ON t.task_no = x.task_no
  WHERE t.ended_at IS NULL
  OPTION (LOOP JOIN, FORCE ORDER, ORDER GROUP);
  ${raceUnless(`(SELECT COUNT(DISTINCT d.task_no) FROM @dependencies AS d JOIN @new AS n ON n.place = d.place
    WHERE n.${WRITTEN} AND d.status NOT IN ('completed', 'failed', 'cancelled'))`)}END;
`;

/** A value of an item, from the rows `v` of its values: long ones are whole there only. */
function textOf(key: string): string {
  return `MAX(CASE WHEN v.[key] = N'${key}' THEN v.value END)`;
}

/** What happens to a task with its creation; that it fails with a dependency is nobody's doing. */
const NEW_EVENTS = `FROM @new AS n CROSS APPLY (VALUES (0, 'created', 0, NULL, NULL, n.actor), (1, 'assigned', 1, n.agent_no, NULL, n.actor),
  (1, 'failed', 0, NULL, CONCAT('DEPENDENCY_FAILED: ', n.lost, ' did not complete'), NULL)) AS e (step, event, attempt, agent_no, detail, actor)
WHERE n.${WRITTEN} AND (e.step = 0 OR e.event = n.becomes)`;

const INSERT_TASKS = `INSERT INTO dbo.tasks (task_no, task_id, supervisor_no, task_type, priority, status, demand_no, assign_to_no,
  agent_no, attempt, max_retries, timeout_milliseconds, unmet_dependencies, created_at, available_at, assigned_at, deadline_at,
  ended_at, parent_task_id, idempotency_key, request_hash, operation_id)
SELECT n.task_no, n.task_id, n.supervisor_no, n.task_type, n.priority, n.becomes, n.demand_no, n.named_no, n.agent_no,
  CASE WHEN n.agent_no IS NULL THEN 0 ELSE 1 END, n.max_retries, n.timeout_milliseconds, n.unmet, @now, @now,
  CASE WHEN n.agent_no IS NOT NULL THEN @now END, CASE WHEN n.agent_no IS NOT NULL THEN @now + n.timeout_milliseconds END,
  CASE WHEN n.becomes = 'failed' THEN @now END, n.parent_task_id, n.idempotency_key, n.request_hash, n.operation_id
FROM @new AS n WHERE n.${WRITTEN};
INSERT INTO dbo.task_bodies (task_no, description, parameters, key_version, traceparent, preferred_capabilities)
SELECT n.task_no, ${plainText(textOf("description"))}, ${plainJson(textOf("parameters"))},
  CAST(${textOf("keyVersion")} AS varchar(64)), CAST(${textOf("traceparent")} AS varchar(55)), ${textOf("preferred")}
FROM OPENJSON(@items) AS i JOIN @new AS n ON n.place = CAST(i.[key] AS int) CROSS APPLY OPENJSON(i.value) AS v
WHERE n.${WRITTEN} AND v.[key] IN (N'description', N'parameters', N'keyVersion', N'traceparent', N'preferred') GROUP BY n.task_no;
IF @dependent > 0
BEGIN
  INSERT INTO dbo.task_outcomes (task_no, error) SELECT n.task_no, N'DEPENDENCY_FAILED' FROM @new AS n WHERE n.becomes = 'failed';
  INSERT INTO dbo.task_dependencies (task_no, position, depends_on, settled)
  SELECT n.task_no, d.position, d.depends_on, CASE WHEN d.status IN ('completed', 'failed', 'cancelled') THEN 1 ELSE 0 END
  FROM @dependencies AS d JOIN @new AS n ON n.place = d.place WHERE n.${WRITTEN};
END;
INSERT INTO dbo.task_events (task_no, event, at, attempt, agent_no, detail)
SELECT n.task_no, e.event, @now, e.attempt, e.agent_no, e.detail
${NEW_EVENTS}
ORDER BY n.place, e.step;
${recordTaskEvents({
  actor: "e.actor",
  event: "e.event",
  taskId: "n.task_id",
  attempt: "e.attempt",
  agentId: "(SELECT a.agent_id FROM dbo.agents AS a WHERE a.agent_no = e.agent_no)",
  from: `${NEW_EVENTS}
ORDER BY n.place, e.step`,
})}`;

const COUNTED = `(CONCAT('tasks:', p.becomes), 1), ('tasks:failed_total', CASE WHEN p.becomes = 'failed' THEN 1 ELSE 0 END)`;

/** Writes the plan, or makes it again when an agent has lost its room since. */
const WRITE = `WHILE @open = 1
BEGIN
${PLAN}SELECT @planned = COUNT(*), @agents = COUNT(DISTINCT agent_no) FROM @new WHERE ${WRITTEN};
SET @open = CASE WHEN @planned > 0 THEN 1 ELSE 0 END;
IF @open = 1
BEGIN
  BEGIN TRANSACTION;
  SET @taken = 0;
  IF @agents > 0
  BEGIN
    ${takeRoom("@new")}SET @taken = @@ROWCOUNT;
  END;
  IF @taken < @agents
  BEGIN
    ROLLBACK TRANSACTION;
    SET @lostRounds = @lostRounds + 1;
    IF @lostRounds > ${LOST_ROUNDS_MAX} ${LOSE_RACE}
    UPDATE @new SET becomes = NULL, agent_no = NULL, set_no = NULL, fills = NULL, receiver_no = NULL
    WHERE becomes IN ('assigned', 'pending');
    SET @picks = 0;
  END;
  ELSE
  BEGIN
    ${LOCK_DEPENDENCIES}${INSERT_TASKS}${recordAssignments("@new", COUNTED)}COMMIT TRANSACTION;
    SET @open = 0;
  END;
END;
END;
`;

const RENEW = `IF @stale > 0 UPDATE h SET last_heartbeat_at = @now
FROM (SELECT DISTINCT supervisor_no FROM @new WHERE stale = 1) AS n JOIN dbo.agent_heartbeats AS h ON h.agent_no = n.supervisor_no
WHERE h.beating = 1 AND h.last_heartbeat_at < @now - @renewalMilliseconds
${BY_KEY};
`;

/**
 * `free`: the task waits, and somebody could take it: room was made after it was weighed, by a call that did not see it wait
 * yet. Read after the commit, so that of two such calls one sees the other.
 */
const OUTCOMES = `SELECT n.place AS item, n.code, n.subject, n.task_no, COALESCE(n.known_id, n.task_id) AS task_id, n.wakes,
  CASE WHEN n.becomes = 'repeat' THEN COALESCE(t.status, r.status) ELSE n.becomes END AS status,
  CASE WHEN n.becomes = 'repeat' THEN COALESCE(t.attempt, r.attempt) WHEN n.agent_no IS NULL THEN 0 ELSE 1 END AS attempt,
  COALESCE(a.agent_id, JSON_VALUE(r.task, '$.assignedTo') ${BIN2}) AS assigned_to,
  CASE WHEN n.becomes = 'repeat' AND n.own = 0 THEN 1 ELSE 0 END AS duplicate,
  CASE WHEN n.becomes = 'pending' AND EXISTS (SELECT 1 FROM dbo.demand_sets AS s
    JOIN dbo.agent_loads AS l ON l.set_no = s.set_no AND l.assignable = 1
    WHERE s.demand_no = n.demand_no AND (n.named_no IS NULL OR l.agent_no = n.named_no)) THEN 1 ELSE 0 END AS free,
  0 AS undecided
FROM @new AS n
LEFT JOIN dbo.tasks AS t ON t.task_id = n.known_id
LEFT JOIN dbo.task_archive AS r ON r.task_id = n.known_id
LEFT JOIN dbo.agents AS a ON a.agent_no = COALESCE(n.agent_no, CASE WHEN t.status <> 'pending' THEN t.agent_no END);
SELECT DISTINCT a.agent_id FROM @new AS n JOIN dbo.agents AS a ON a.agent_no = n.receiver_no;
`;

const SQL = sqlText(
  "assign-tasks",
  `${PROLOGUE}${DECLARE_NEW_TASKS}${DECLARE_PLAN}DECLARE @accepted bigint = 0, @second varchar(48), @open int = 1;
SET @taskNumbers = NEXT VALUE FOR dbo.task_numbers;
${CHECK_NEW_TASKS}${MAKE_DEMANDS}${WRITE}${RENEW}${OUTCOMES}`,
);

interface AssignedRow extends OutcomeRow {
  task_no: number;
  task_id: string;
  status: TaskStatus;
  attempt: number;
  assigned_to: string | null;
  duplicate: number;
  wakes: number;
  free: number;
  undecided: number;
}

/** What the batch says of a call. */
interface Assigned {
  reply: AssignTaskReply & { duplicate: boolean };
  /** The supervisor had fallen silent. */
  wakes: boolean;
  /** The task waits although somebody could take it. */
  free: number | undefined;
  /** The batch for lone tasks has left it to the other one. */
  undecided: boolean;
}

const BATCH: Batch<NewTaskCall, Assigned> = {
  name: "assign-tasks",
  sql: (calls) => (calls.length === 1 && calls[0]?.plain ? ASSIGN_LONE_TASK : SQL),
  encode: encodeNewTask,
  inputs: renewalInput,
  decode: (result, calls) =>
    outcomeRows<AssignedRow>(result, calls).map((row, item): Outcome<Assigned> => {
      const call = calls[item];
      const refusal = call && refusalOf(row, call.task);
      return refusal === undefined ? { value: readAssigned(row) } : { refusal };
    }),
  maxItems: 64,
  conflictKey: ({ task }) => task.idempotencyKey ?? task.taskId,
  wakes: true,
};

function readAssigned(row: AssignedRow): Assigned {
  const { task_id: taskId, status, attempt, assigned_to: assignedTo } = row;
  const reply = { taskId, status, attempt, duplicate: row.duplicate === 1 };
  return {
    reply: assignedTo === null ? reply : { ...reply, assignedTo },
    wakes: row.wakes === 1,
    free: row.free === 1 ? row.task_no : undefined,
    undecided: row.undecided === 1,
  };
}

/**
 * Creates the task and gives it to the best worker that can take it, or lets it wait; one that depends on a task that did
 * not complete fails at once.
 *
 * @throws AGENT_NOT_FOUND, AGENT_DEREGISTERED, FORBIDDEN, DEPENDENCY_INVALID, ID_TAKEN, IDEMPOTENCY_MISMATCH
 */
export async function assignTask(
  connection: Connection,
  task: NewTask,
): Promise<AssignTaskReply & { duplicate: boolean }> {
  const call = { task, operationId: newId(connection.clock.now()), plain: isPlain(task) };
  let assigned = await connection.run(BATCH, call);
  if (assigned.undecided) assigned = await connection.run(BATCH, { ...call, plain: false });
  if (assigned.wakes) await wakeAgent(connection, task.supervisor);
  if (assigned.free === undefined) return assigned.reply;
  return { ...assigned.reply, ...(await handOutTask(connection, assigned.free)) };
}
