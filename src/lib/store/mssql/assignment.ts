import { newId } from "../../ids.ts";
import { ATTEMPTS_DEFAULT } from "../../limits.ts";
import type { Explanation } from "../../tasks/task.ts";
import type { NewTask } from "../store.ts";
import { int, text } from "./batch.ts";
import { DECLARE_WEIGHING, weigh } from "./candidates.ts";
import { setsThatMeet } from "./capability-sets.ts";
import type { Connection } from "./connection.ts";
import { readExplanation } from "./explanations.ts";
import { CHECK_NEW_TASKS, DECLARE_NEW_TASKS, encodeNewTask, type NewTaskRow, refusalOf } from "./new-tasks.ts";
import { ARRIVALS_PER_NUMBER, joinedBytes } from "./system-messages.ts";
import { sqlText } from "./texts.ts";
import { COUNT_ACCEPTED, ID, PROLOGUE, raceUnless } from "./transaction.ts";

/**
 * Who gets a task, and the one way in which an agent gets it. A batch first plans: it weighs one task after the other, each
 * as if those before it were assigned already. Then one transaction takes the room of all chosen agents and writes all
 * that follows; when an agent has lost its room since, the plan is made again. So a batch of 64 calls commits once.
 */

/** Scalars of a plan and its transaction. Beside them, DECLARE_COUNTS or at least @accepted and @second. */
export const DECLARE_PLAN = `${DECLARE_WEIGHING}DECLARE @place int, @planned int, @agents int, @taken int, @lostRounds int = 0;
DECLARE @messages int, @arrival bigint;
`;

/** What a row of the plan becomes when its task is written. (Others were refused, are repeats, or found nobody.) */
export const WRITTEN = "becomes IN ('assigned', 'pending', 'blocked', 'failed')";

/** Times that a plan is made again before the call has lost its race: each time, another call has got its agents. */
export const LOST_ROUNDS_MAX = 20;

const NEEDED = `DECLARE @needed TABLE (capability ${ID} NOT NULL PRIMARY KEY);
DECLARE @meeting TABLE (set_no int NOT NULL PRIMARY KEY);
INSERT INTO @needed (capability)
SELECT CAST(j.value AS varchar(128)) FROM OPENJSON(@items) AS i CROSS APPLY OPENJSON(i.value, '$.capabilities') AS j;
INSERT INTO @meeting (set_no) ${setsThatMeet("@needed")};
`;

const PREVIEW = sqlText(
  "preview-assignment",
  `${PROLOGUE}${DECLARE_NEW_TASKS}${DECLARE_WEIGHING}${CHECK_NEW_TASKS}${NEEDED}
-- A task that is there already is weighed as if it named nobody, as the embedded store does.
SELECT @namedNo = CASE WHEN becomes = 'repeat' THEN NULL ELSE named_no END, @preferred = preferred FROM @new;
${weigh("@new", "@meeting AS s")}SELECT code, subject, @explanation AS explanation FROM @new;
`,
);

/**
 * What assignTask would weigh and choose now, as if every dependency had completed; writes nothing.
 *
 * @throws what assignTask throws
 */
export async function previewAssignment(connection: Connection, task: NewTask): Promise<Explanation> {
  const item = { item: 0, ...encodeNewTask({ task, operationId: newId(connection.clock.now()), plain: false }) };
  // A preview does not count as a heartbeat: how old that is makes no difference.
  const inputs = { renewalMilliseconds: int(0), items: text(JSON.stringify([item])) };
  const result = await connection.query(PREVIEW, inputs);
  const [row] = result.rows<NewTaskRow & { explanation: string }>(0);
  if (row === undefined) throw new Error("the preview has no row");
  const refusal = refusalOf(row, task);
  if (refusal !== undefined) throw refusal;
  return readExplanation(row.explanation);
}

/**
 * The time as JSON shows it. Days and seconds of the day each fit the int that DATEADD takes; the milliseconds are put there
 * as digits, for not every server adds them exactly.
 */
export function isoText(milliseconds: string): string {
  return `CONCAT(REPLACE(CONVERT(varchar(19), DATEADD(SECOND, (${milliseconds}) / 1000 % 86400,
      DATEADD(DAY, (${milliseconds}) / 86400000, CONVERT(datetime2(3), '19700101'))), 120), ' ', 'T'), '.',
      RIGHT(CONCAT('00', (${milliseconds}) % 1000), 3), 'Z')`;
}

/** The payload of an assignment message. Description and parameters are joined when the message is read. */
export function payloadOf(taskId: string, attempt: string, taskType: string, deadline: string): string {
  return `CONCAT('{"taskId":"', ${taskId}, '","attempt":', ${attempt}, ',"taskType":"', ${taskType}, '","deadline":"', ${deadline}, '"}')`;
}

/** What the row of a task in the plan becomes when @chosenNo gets it; SET clauses. */
export const GIVE_TO_CHOSEN = `becomes = 'assigned', agent_no = @chosenNo, set_no = @chosenSetNo, fills = @chosenFills,
  explanation = @explanation, receiver_no = @chosenNo, message_type = 'task_assignment',
  payload = ${payloadOf("task_id", "attempt", "task_type", isoText("@now + timeout_milliseconds"))}`;

/**
 * Takes the room of the chosen agents: first thing in the transaction, by key, in ascending order. The caller compares
 * @@ROWCOUNT with @agents: fewer means that an agent has no room left, and nothing may be written.
 */
export function takeRoom(plan: string): string {
  return `UPDATE l SET active_tasks = l.active_tasks + x.picks, last_assigned_at = @now
FROM (SELECT agent_no, COUNT(*) AS picks FROM ${plan} WHERE agent_no IS NOT NULL GROUP BY agent_no) AS x
JOIN dbo.agent_loads AS l ON l.agent_no = x.agent_no
WHERE l.working = 1 AND l.active_tasks + x.picks <= l.max_concurrent_tasks
OPTION (LOOP JOIN, FORCE ORDER, ORDER GROUP);
`;
}

/**
 * Writes what follows from the rows of the plan whose tasks are written already: attempts, messages, counts; the history is
 * the caller's. Counts are added here, and not through @counts: they follow from the plan alone.
 *
 * @param counted further counts of each row of the plan `p`: rows (name, delta)
 */
export function recordAssignments(plan: string, counted: string): string {
  const counts = `(SELECT n.name, SUM(n.delta) AS delta FROM (
    SELECT k.name, k.delta FROM ${plan} AS p CROSS APPLY (VALUES ${counted},
      ('messages:queued', CASE WHEN p.receiver_no IS NULL THEN 0 ELSE 1 END),
      (CONCAT('mailbox:', p.receiver_no), CASE WHEN p.receiver_no IS NULL THEN 0 ELSE 1 END),
      ('tasks:assigned_once', CASE WHEN p.agent_no IS NOT NULL AND p.attempt = 1 THEN 1 ELSE 0 END)) AS k (name, delta)
    WHERE p.${WRITTEN}
    UNION ALL
    SELECT CONCAT('set:', l.set_no, ':free'), -1
    FROM (SELECT DISTINCT agent_no FROM ${plan} WHERE agent_no IS NOT NULL) AS a
    JOIN dbo.agent_loads AS l ON l.agent_no = a.agent_no WHERE l.assignable = 0) AS n
  GROUP BY n.name HAVING SUM(n.delta) <> 0) AS d`;
  return `INSERT INTO dbo.task_attempts (task_no, attempt, agent_no, assigned_at, explanation)
SELECT p.task_no, p.attempt, p.agent_no, @now, p.explanation FROM ${plan} AS p WHERE p.agent_no IS NOT NULL;
${writeMessages(plan)}UPDATE c SET value = c.value + d.delta
FROM ${counts}
JOIN dbo.counters AS c ON c.name = d.name AND c.slot = @@SPID % 8;
${raceUnless(`(SELECT COUNT(*) FROM ${counts})`)}SET @accepted = @accepted + @messages;
${COUNT_ACCEPTED}`;
}

/** As WRITE_SYSTEM_MESSAGES, straight from the plan: one table variable and four statements less in every assignment. */
function writeMessages(plan: string): string {
  return `SET @messages = (SELECT COUNT(*) FROM ${plan} WHERE receiver_no IS NOT NULL);
IF @messages > 0
BEGIN
  SET @arrival = NEXT VALUE FOR dbo.message_arrivals;
  SET @arrival = @arrival * ${ARRIVALS_PER_NUMBER};
  INSERT INTO dbo.messages (arrival, message_id, receiver_no, type, priority, status, attempt_limit, max_attempts,
    accepted_at, available_at, task_no, task_attempt, traceparent, payload_bytes)
  SELECT @arrival + p.place, LOWER(CONVERT(varchar(36), NEWID())), p.receiver_no, p.message_type, p.priority, 'queued',
    ${ATTEMPTS_DEFAULT}, ${ATTEMPTS_DEFAULT}, @now, @now, CASE WHEN p.agent_no IS NOT NULL THEN p.task_no END,
    CASE WHEN p.agent_no IS NOT NULL THEN p.attempt END,
    CASE WHEN p.agent_no IS NULL THEN (SELECT b.traceparent FROM dbo.task_bodies AS b WHERE b.task_no = p.task_no) END,
    LEN(p.payload) + CASE WHEN p.agent_no IS NULL THEN 0 ELSE ${joinedBytes("p.task_no")} END
  FROM ${plan} AS p WHERE p.receiver_no IS NOT NULL;
  INSERT INTO dbo.message_payloads (arrival, payload)
  SELECT @arrival + p.place, p.payload FROM ${plan} AS p WHERE p.receiver_no IS NOT NULL;
END;
`;
}
