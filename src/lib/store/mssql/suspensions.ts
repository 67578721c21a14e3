import type { JsonValue } from "../../model/json.ts";
import type { SuspendReply } from "../../model/suspension.ts";
import { answerOfArchived } from "../archived-attempts.ts";
import { iso } from "../instants.ts";
import { askedOfNotFound, badWakeTime, suspensionMismatch, tooManySuspensions } from "../question-refusals.ts";
import type { NewQuestion, Sealed, Suspension } from "../store.ts";
import type { StoredAnswer } from "../task-records.ts";
import type { TaskValueName } from "../task-values.ts";
import { wakeAgent } from "./activity.ts";
import { type Batch, type Outcome, type OutcomeRow, outcomeRows } from "./batch.ts";
import type { Connection } from "./connection.ts";
import { itemJson } from "./item-text.ts";
import { procedure } from "./procedures.ts";
import { type Call, encodeCaller, refusal } from "./task-calls.ts";

/** How a task suspends itself. */

/** Calls in one batch: their contents may be 512 KiB each. */
export const CALLS_PER_BATCH = 16;

/** What @items has of values; what is not there is left out, for some servers read a null of JSON as a text. */
export function encodeValues(values: Partial<Record<TaskValueName, Sealed | undefined>>) {
  return {
    values: Object.entries(values).flatMap(([name, sealed]) =>
      sealed === undefined
        ? []
        : [
            {
              name,
              value: itemJson(sealed.value),
              ...(sealed.keyVersion === undefined ? {} : { key_version: sealed.keyVersion }),
            },
          ],
    ),
  };
}

function encodeSuspension({ taskId, body }: Call<Suspension>): { [key: string]: JsonValue } {
  const { checkpoint, until, untilHash } = body;
  const call = { ...encodeCaller({ taskId, body }), until_hash: untilHash };
  if ("at" in until) return { ...call, wake_at: until.at, shown_at: iso(until.at), ...encodeValues({ checkpoint }) };
  const { content, defaultAnswer, askedOf, timeoutMilliseconds }: NewQuestion = until.question;
  return {
    ...call,
    wake_at: null,
    shown_at: null,
    asked_of: [...askedOf],
    ...(timeoutMilliseconds === undefined ? {} : { timeout: timeoutMilliseconds }),
    ...encodeValues({ checkpoint, question: content, default_answer: defaultAnswer }),
  };
}

interface SuspendedRow extends OutcomeRow {
  inactive: boolean;
  answer: string | null;
  archived: string | null;
}

interface Suspended {
  reply: SuspendReply;
  wakes: boolean;
}

function decodeSuspension(row: SuspendedRow, call: Call<Suspension>): Outcome<Suspended> {
  const { taskId, body } = call;
  const answer = storedAnswer(row, body);
  if (answer !== undefined) {
    const { untilHash, ...reply } = answer;
    if (untilHash === body.untilHash) return { value: { reply: { taskId, ...reply }, wakes: row.inactive } };
    return { refusal: suspensionMismatch(taskId, body.attempt, untilHash ?? "") };
  }
  switch (row.code) {
    case "IDEMPOTENCY_MISMATCH":
      return { refusal: suspensionMismatch(taskId, body.attempt, row.subject ?? "") };
    case "SUSPENSION_LIMIT":
      return { refusal: tooManySuspensions(taskId) };
    case "ASKED_OF":
      return { refusal: askedOfNotFound(row.subject ?? "") };
    case "INVALID_REQUEST":
      return { refusal: badWakeTime() };
    default:
      return refusal(row.code ?? "LEASE_LOST", call);
  }
}

/** What the first call was answered; in the archive, too. */
function storedAnswer({ answer, archived }: SuspendedRow, caller: Suspension): StoredAnswer | undefined {
  if (answer !== null) return JSON.parse(answer);
  const known = archived === null ? undefined : answerOfArchived(archived, caller).answer;
  return known?.untilHash === undefined ? undefined : known;
}

const SUSPENDS: Batch<Call<Suspension>, Suspended> = {
  name: "suspend-tasks",
  sql: procedure("suspend_tasks"),
  encode: encodeSuspension,
  decode: (result, calls) =>
    outcomeRows<SuspendedRow>(result, calls).map((row) => decodeSuspension(row, calls[row.item] as Call<Suspension>)),
  maxItems: CALLS_PER_BATCH,
  conflictKey: ({ taskId }) => taskId,
};

/** Ends the attempt until an answer or a time wakes the task. Refusals are those of the contract (store.ts). */
export async function suspendTask(
  connection: Connection,
  taskId: string,
  suspension: Suspension,
): Promise<SuspendReply> {
  const { reply, wakes } = await connection.run(SUSPENDS, { taskId, body: suspension });
  if (wakes) await wakeAgent(connection, suspension.agentId);
  return reply;
}
