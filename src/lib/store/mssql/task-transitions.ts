import { randomUUID } from "node:crypto";
import type { FailTask, ProgressTask, StartTask, TaskReply, TaskStatus } from "../../model/task.ts";
import type { Usage } from "../../model/usage.ts";
import { answerOfArchived } from "../archived-attempts.ts";
import { iso } from "../instants.ts";
import type { TaskCompletion } from "../store.ts";
import type { StoredAnswer, TaskCaller } from "../task-records.ts";
import { wakeAgent } from "./activity.ts";
import { type Batch, type BatchResult, type Inputs, type Outcome, type OutcomeRow, outcomeRows } from "./batch.ts";
import type { Connection } from "./connection.ts";
import { itemJson, itemText } from "./item-text.ts";
import { procedure } from "./procedures.ts";
import { type Call, encodeCaller, refusal } from "./task-calls.ts";
import { usageInput } from "./usage.ts";

/** What the agent that holds a task does with it. The attempt is the fencing number: any other is LEASE_LOST. */

/** Calls in one batch: their results may be 256 KiB each. */
const CALLS_PER_BATCH = 64;

const START = procedure("start_tasks");

/**
 * The task's row is written even for a note alone: it orders the events, and the note, of one task. It keeps the id of the
 * call, too: the repeat of a call whose answer was lost adds no second event.
 */
const PROGRESS = procedure("progress_tasks");

const COMPLETE = procedure("complete_tasks");

const FAIL = procedure("fail_tasks");

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
  const attention = result.byItem<{ item: number; urgent: number }>(1);
  return outcomeRows<HeldRow>(result, calls).map((row) => {
    const call = calls[row.item] as Call<TaskCaller>;
    if (row.code !== null) return refusal(row.code, call);
    const { cancel_requested: cancelRequested, deadline_at } = row;
    const reply: TaskReply = { taskId: call.taskId, status: "running", cancelRequested, deadline: iso(deadline_at) };
    // Of a progress alone.
    if ((attention.get(row.item)?.[0]?.urgent ?? 0) > 0) reply.attention = true;
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

function usageOfCalls(calls: readonly Call<{ usage?: Usage | undefined } & TaskCaller>[]): Inputs {
  return usageInput(calls.map(({ body }) => body.usage));
}

const STARTS: Batch<Call<StartTask>, Accepted> = {
  name: "start-tasks",
  sql: START,
  encode: encodeCaller,
  decode: decodeHeld,
  maxItems: CALLS_PER_BATCH,
  conflictKey: ({ taskId }) => taskId,
};

const PROGRESSES: Batch<Call<ProgressTask>, Accepted> = {
  ...STARTS,
  name: "progress-tasks",
  sql: PROGRESS,
  inputs: usageOfCalls,
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
  inputs: usageOfCalls,
  encode: ({ taskId, body }) => ({
    ...encodeCaller({ taskId, body }),
    result: body.result === undefined ? null : itemJson(body.result),
    key_version: body.keyVersion ?? null,
  }),
  decode: (result, calls) => decodeEnded(result, calls, ["completed"]),
};

const FAILS: Batch<Call<FailTask>, Accepted> = {
  ...STARTS,
  name: "fail-tasks",
  sql: FAIL,
  inputs: usageOfCalls,
  encode: ({ taskId, body }) => ({
    ...encodeCaller({ taskId, body }),
    error: itemText(body.error),
    retryable: body.retryable,
  }),
  decode: (result, calls) => decodeEnded(result, calls, ["failed", "cancelled"]),
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
