import type { Walked } from "../upkeep-runs.ts";
import type { Connection } from "./connection.ts";
import { procedure } from "./procedures.ts";
import { upkeepStep } from "./upkeep-step.ts";

/**
 * How messages get into their ordering keys, and how the keys move on. Only the lowest unsettled number of a receiver and key
 * is delivered. A message with a first delay joins its key when it becomes due, with the number given then, so that it holds
 * up nothing before.
 */

/** Mailboxes with something to join are found by a loose walk of the index; one that fills the batch is visited again. */
const JOIN_DUE_MESSAGES = upkeepStep<{ after: number }, { done: number; next: number | null }>({
  name: "join-due-messages",
  encode: ({ after }) => ({ after }),
  sql: procedure("join_due_messages"),
});

/** Lets what has become due join its keys, mailbox by mailbox from `after` on. */
export async function joinDueMessages(connection: Connection, after: number): Promise<Walked> {
  const { done, next } = await connection.run(JOIN_DUE_MESSAGES, { after });
  return { done, next: next ?? undefined };
}
