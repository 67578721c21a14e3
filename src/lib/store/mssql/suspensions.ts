import type { JsonValue } from "../../model/json.ts";
import type { SuspendReply } from "../../model/suspension.ts";
import { iso } from "../instants.ts";
import type { NewQuestion, Suspension } from "../store.ts";
import { wakeAgent } from "./activity.ts";
import { type Batch, outcomeRows } from "./batch.ts";
import { suspendForChildren } from "./children.ts";
import type { Connection } from "./connection.ts";
import { procedure } from "./procedures.ts";
import { decodeSuspension, encodeValues, type Suspended, type SuspendedRow } from "./suspension-calls.ts";
import { type Call, encodeCaller } from "./task-calls.ts";
import { usageInput } from "./usage.ts";

/** How a task suspends itself. */

/** Calls in one batch: their contents may be 512 KiB each. */
export const CALLS_PER_BATCH = 16;

function encodeSuspension({ taskId, body }: Call<Suspension>): { [key: string]: JsonValue } {
  const { checkpoint, until, untilHash } = body;
  const call = { ...encodeCaller({ taskId, body }), until_hash: untilHash };
  if ("at" in until) return { ...call, wake_at: until.at, shown_at: iso(until.at), ...encodeValues({ checkpoint }) };
  if ("tasks" in until) throw new Error("children are made by a procedure of their own");
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

const SUSPENDS: Batch<Call<Suspension>, Suspended> = {
  name: "suspend-tasks",
  sql: procedure("suspend_tasks"),
  encode: encodeSuspension,
  inputs: (calls) => usageInput(calls.map(({ body }) => body.usage)),
  decode: (result, calls) =>
    outcomeRows<SuspendedRow>(result, calls).map((row) => decodeSuspension(row, calls[row.item] as Call<Suspension>)),
  maxItems: CALLS_PER_BATCH,
  conflictKey: ({ taskId }) => taskId,
};

/** Ends the attempt until an answer, a time or the ends of children wake the task. Refusals are those of the contract (store.ts). */
export async function suspendTask(
  connection: Connection,
  taskId: string,
  suspension: Suspension,
): Promise<SuspendReply> {
  if ("tasks" in suspension.until) return suspendForChildren(connection, taskId, suspension, suspension.until.tasks);
  const { reply, wakes } = await connection.run(SUSPENDS, { taskId, body: suspension });
  if (wakes) await wakeAgent(connection, suspension.agentId);
  return reply;
}
