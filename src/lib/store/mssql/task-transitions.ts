import { randomUUID } from "node:crypto";
import { HANDOUTS_PER_CALL } from "../../limits.ts";
import type { FailTask, ProgressTask, StartTask, TaskReply, TaskStatus } from "../../tasks/task.ts";
import { answerOfArchived } from "../archived-attempts.ts";
import { iso } from "../instants.ts";
import type { TaskCompletion } from "../store.ts";
import type { StoredAnswer, TaskCaller } from "../task-records.ts";
import { DECLARE_CALLERS, RENEW_HEARTBEATS, renewalInput, wakeAgent } from "./activity.ts";
import { type Batch, type BatchResult, type Outcome, type OutcomeRow, outcomeRows } from "./batch.ts";
import type { Connection } from "./connection.ts";
import { DECLARE_HAND_OUT, HAND_OUT } from "./hand-out.ts";
import { itemJson, itemText, plainJson, plainText } from "./item-text.ts";
import { COMPLETE_ASSIGNMENT_MESSAGES, DECLARE_MOVED_ON } from "./system-messages.ts";
import { ACCEPTED, type Call, encodeCaller, readCalls, refusal } from "./task-calls.ts";
import { DECLARE_ENDING_NEEDS, DECLARE_ENDINGS, END_TASKS, FINISH_TASKS, loseAttempts } from "./task-endings.ts";
import { ADD_EVENTS, DECLARE_EVENTS } from "./task-rows.ts";
import { sqlText } from "./texts.ts";
import { APPLY_COUNTS, BY_KEY, DECLARE_COUNTS, PROLOGUE, raceUnless, SELECT_DELIVERABLE } from "./transaction.ts";

/** What the agent that holds a task does with it. The attempt is the fencing number: any other is LEASE_LOST. */

/** Calls in one batch: their results may be 256 KiB each. */
const CALLS_PER_BATCH = 64;

/** assigned → running; the assignment message has done its work. */
const BEGIN_ATTEMPTS = `INSERT INTO @moved_on (task_no, task_attempt)
SELECT c.task_no, c.attempt FROM @calls AS c WHERE ${ACCEPTED} AND c.status = 'assigned';
SET @begun = @@ROWCOUNT;
IF @begun > 0
BEGIN
  UPDATE t SET status = 'running', started_at = @now
  FROM @moved_on AS m JOIN dbo.tasks AS t ON t.task_no = m.task_no
  WHERE t.status = 'assigned' AND t.attempt = m.task_attempt
  ${BY_KEY};
  ${raceUnless("@begun")}  INSERT INTO @events (task_no, event, attempt, agent_no, actor)
  SELECT c.task_no, 'started', c.attempt, c.agent_no, c.actor FROM @calls AS c WHERE ${ACCEPTED} AND c.status = 'assigned';
  INSERT INTO @counts (name, delta) VALUES ('tasks:assigned', -@begun), ('tasks:running', @begun);
END;
`;

const DECLARE_BEGIN = `DECLARE @begun int, @progressed int;
${DECLARE_CALLERS}${DECLARE_EVENTS}${DECLARE_MOVED_ON}${DECLARE_COUNTS}${DECLARE_HAND_OUT}`;

const START = sqlText(
  "start-tasks",
  `${PROLOGUE}${DECLARE_BEGIN}${readCalls({})}IF EXISTS (SELECT 1 FROM @calls AS c WHERE ${ACCEPTED} AND c.status = 'assigned')
BEGIN
BEGIN TRANSACTION;
${BEGIN_ATTEMPTS}${ADD_EVENTS}${COMPLETE_ASSIGNMENT_MESSAGES}${APPLY_COUNTS}COMMIT TRANSACTION;
END;
${RENEW_HEARTBEATS}SELECT c.item, c.code, NULL AS subject, c.inactive, c.cancel_requested, c.deadline_at FROM @calls AS c;
`,
);

const LATER = "CASE WHEN @now + c.extension > c.deadline_at THEN @now + c.extension ELSE c.deadline_at END";

/**
 * The task's row is written even for a note alone: it orders the events, and the note, of one task. It keeps the id of the
 * call, too: the repeat of a call whose answer was lost adds no second event.
 */
const PROGRESS = sqlText(
  "progress-tasks",
  `${PROLOGUE}${DECLARE_BEGIN}${readCalls({
    short: { done: "float", shown: "varchar(40)", extension: "bigint", operation: "uniqueidentifier" },
    long: { note: plainText },
  })}SET @progressed = (SELECT COUNT(*) FROM @calls AS c WHERE ${ACCEPTED});
IF @progressed > 0
BEGIN
BEGIN TRANSACTION;
${BEGIN_ATTEMPTS}INSERT INTO @events (task_no, event, attempt, agent_no, detail, actor)
SELECT c.task_no, 'progress', c.attempt, c.agent_no, COALESCE(c.note, c.shown), c.actor
FROM @calls AS c JOIN dbo.tasks AS t ON t.task_no = c.task_no
WHERE ${ACCEPTED} AND (t.progress_id IS NULL OR t.progress_id <> c.operation);
UPDATE t SET [percent] = COALESCE(c.done, t.[percent]), deadline_at = ${LATER}, progress_id = c.operation
FROM @calls AS c JOIN dbo.tasks AS t ON t.task_no = c.task_no
WHERE ${ACCEPTED} AND t.status = 'running' AND t.attempt = c.attempt AND t.deadline_at = c.deadline_at;
${raceUnless("@progressed")}UPDATE o SET note = c.note
FROM @calls AS c JOIN dbo.task_outcomes AS o ON o.task_no = c.task_no WHERE ${ACCEPTED} AND c.note IS NOT NULL;
INSERT INTO dbo.task_outcomes (task_no, note)
SELECT c.task_no, c.note FROM @calls AS c WHERE ${ACCEPTED} AND c.note IS NOT NULL
  AND NOT EXISTS (SELECT 1 FROM dbo.task_outcomes AS o WHERE o.task_no = c.task_no);
${ADD_EVENTS}${COMPLETE_ASSIGNMENT_MESSAGES}${APPLY_COUNTS}COMMIT TRANSACTION;
END;
${RENEW_HEARTBEATS}SELECT c.item, c.code, NULL AS subject, c.inactive, c.cancel_requested, ${LATER} AS deadline_at FROM @calls AS c;
`,
);

const DECLARE_END = `${DECLARE_CALLERS}${DECLARE_ENDINGS}${DECLARE_ENDING_NEEDS}${DECLARE_HAND_OUT}`;

/**
 * What both verbs do with the endings of their accepted calls, and what they answer. A repeat hands out, too: the first try
 * may have been cut, or lost a race, between its commit and its hand-out.
 */
function endAndAnswer(endTasks: string): string {
  return `IF EXISTS (SELECT 1 FROM @endings)
BEGIN
BEGIN TRANSACTION;
${endTasks}${APPLY_COUNTS}COMMIT TRANSACTION;
${RENEW_HEARTBEATS}END;
INSERT INTO @freed (agent_no) SELECT DISTINCT c.agent_no FROM @calls AS c WHERE c.code IS NULL AND c.agent_no IS NOT NULL;
SET @handOutLimit = ${HANDOUTS_PER_CALL} * (SELECT COUNT(*) FROM @calls AS c WHERE c.code IS NULL);
${HAND_OUT}SELECT c.item, c.code, NULL AS subject, c.inactive, c.answer, e.becomes, c.cancel_requested,
  (SELECT z.assignments FROM dbo.task_archive AS z JOIN dbo.agents AS w ON w.agent_no = c.agent_no
    WHERE c.task_no IS NULL AND z.task_id = c.task_id AND w.status <> 'deregistered' AND w.registered_at <= z.ended_at) AS archived
FROM @calls AS c LEFT JOIN @endings AS e ON e.task_no = c.task_no AND ${ACCEPTED};
${SELECT_DELIVERABLE}`;
}

const COMPLETE = sqlText(
  "complete-tasks",
  `${PROLOGUE}${DECLARE_END}${readCalls({ short: { key_version: "varchar(64)" }, long: { result: plainJson } }, ["completed"])}INSERT INTO @endings (task_no, task_id, attempt, was, cancel_requested, agent_no, assigned_at, outcome, becomes, answered, result,
  key_version, actor)
SELECT c.task_no, c.task_id, c.attempt, c.status, c.cancel_requested, c.agent_no, c.assigned_at, 'completed', 'completed', 1, c.result,
  c.key_version, c.actor
FROM @calls AS c WHERE ${ACCEPTED};
${endAndAnswer(FINISH_TASKS)}`,
);

const FAIL = sqlText(
  "fail-tasks",
  `${PROLOGUE}${DECLARE_END}${readCalls({ short: { retryable: "bit" }, long: { error: plainText } }, ["failed", "cancelled"])}${loseAttempts(
    `@calls AS t WHERE ${ACCEPTED.replaceAll("c.", "t.")}`,
    { outcome: "'failed'", error: "t.error", retryable: "t.retryable", answered: 1, actor: "t.actor" },
  )}${endAndAnswer(END_TASKS)}`,
);

interface HeldRow extends OutcomeRow {
  inactive: boolean;
  cancel_requested: boolean;
  deadline_at: number;
}

/** What the batch says of an accepted call. */
interface Accepted {
  reply: TaskReply;
  /** The agent had fallen silent, and its tasks were being taken back: the call makes it active again. */
  wakes: boolean;
}

interface EndedRow extends OutcomeRow {
  inactive: boolean;
  answer: string | null;
  becomes: TaskStatus | null;
  cancel_requested: boolean;
  archived: string | null;
}

function decodeHeld(result: BatchResult, calls: readonly Call<TaskCaller>[]): Outcome<Accepted>[] {
  return outcomeRows<HeldRow>(result, calls).map((row) => {
    const call = calls[row.item] as Call<TaskCaller>;
    if (row.code !== null) return refusal(row.code, call);
    const { cancel_requested: cancelRequested, deadline_at } = row;
    const reply: TaskReply = { taskId: call.taskId, status: "running", cancelRequested, deadline: iso(deadline_at) };
    return { value: { reply, wakes: row.inactive } };
  });
}

function decodeEnded(
  result: BatchResult,
  calls: readonly Call<TaskCaller>[],
  outcomes: readonly string[],
): Outcome<Accepted>[] {
  return outcomeRows<EndedRow>(result, calls).map((row) => {
    const call = calls[row.item] as Call<TaskCaller>;
    const answer = storedAnswer(row, call.body, outcomes);
    if (answer !== undefined) return { value: { reply: { taskId: call.taskId, ...answer }, wakes: false } };
    if (row.becomes === null) return refusal(row.code ?? "LEASE_LOST", call);
    const reply = { taskId: call.taskId, status: row.becomes, cancelRequested: row.cancel_requested };
    return { value: { reply, wakes: row.inactive } };
  });
}

/** What the first call was answered; in the archive, too, unless the caller was registered after the end. */
function storedAnswer(row: EndedRow, caller: TaskCaller, outcomes: readonly string[]): StoredAnswer | undefined {
  if (row.answer !== null) return JSON.parse(row.answer);
  if (row.archived === null) return undefined;
  const archived = answerOfArchived(row.archived, caller);
  return outcomes.includes(archived.outcome ?? "") ? archived.answer : undefined;
}

const STARTS: Batch<Call<StartTask>, Accepted> = {
  name: "start-tasks",
  sql: START,
  encode: encodeCaller,
  inputs: renewalInput,
  decode: decodeHeld,
  maxItems: CALLS_PER_BATCH,
  conflictKey: ({ taskId }) => taskId,
  wakes: false,
};

const PROGRESSES: Batch<Call<ProgressTask>, Accepted> = {
  ...STARTS,
  name: "progress-tasks",
  sql: PROGRESS,
  encode: ({ taskId, body }) => {
    const { percent, note, extendSeconds } = body;
    return {
      ...encodeCaller({ taskId, body }),
      done: percent ?? null,
      note: note === undefined ? null : itemText(note),
      shown: percent === undefined ? null : `${percent} %`,
      extension: extendSeconds === undefined ? null : Math.ceil(extendSeconds * 1_000),
      operation: randomUUID(),
    };
  },
};

const COMPLETES: Batch<Call<TaskCompletion>, Accepted> = {
  ...STARTS,
  name: "complete-tasks",
  sql: COMPLETE,
  encode: ({ taskId, body }) => ({
    ...encodeCaller({ taskId, body }),
    result: body.result === undefined ? null : itemJson(body.result),
    key_version: body.keyVersion ?? null,
  }),
  decode: (result, calls) => decodeEnded(result, calls, ["completed"]),
  wakes: true,
};

const FAILS: Batch<Call<FailTask>, Accepted> = {
  ...STARTS,
  name: "fail-tasks",
  sql: FAIL,
  encode: ({ taskId, body }) => ({
    ...encodeCaller({ taskId, body }),
    error: itemText(body.error),
    retryable: body.retryable,
  }),
  decode: (result, calls) => decodeEnded(result, calls, ["failed", "cancelled"]),
  wakes: true,
};

async function call<Body extends TaskCaller>(
  connection: Connection,
  batch: Batch<Call<Body>, Accepted>,
  item: Call<Body>,
): Promise<TaskReply> {
  const { reply, wakes } = await connection.run(batch, item);
  if (wakes) await wakeAgent(connection, item.body.agentId);
  return reply;
}

/** assigned → running; the assignment message has done its work. Repeating it changes nothing. */
export function startTask(connection: Connection, taskId: string, start: StartTask): Promise<TaskReply> {
  return call(connection, STARTS, { taskId, body: start });
}

/** Records percent and note, and moves the deadline to now + `extendSeconds` if that is later. */
export function progressTask(connection: Connection, taskId: string, progress: ProgressTask): Promise<TaskReply> {
  return call(connection, PROGRESSES, { taskId, body: progress });
}

/** assigned or running → completed, with its result message, dependents and counters. */
export function completeTask(connection: Connection, taskId: string, completion: TaskCompletion): Promise<TaskReply> {
  return call(connection, COMPLETES, { taskId, body: completion });
}

/** → pending with backoff; failed past maxRetries or when not retryable; cancelled when that was requested. */
export function failTask(connection: Connection, taskId: string, failure: FailTask): Promise<TaskReply> {
  return call(connection, FAILS, { taskId, body: failure });
}
