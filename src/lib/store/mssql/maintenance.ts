import { MAINTENANCE_BATCH_ROWS } from "../../model/limits.ts";
import type { PurgeStep, Step, Walked } from "../upkeep-runs.ts";
import type { Connection } from "./connection.ts";
import { procedure } from "./procedures.ts";
import { upkeepStep } from "./upkeep-step.ts";

/** The daily upkeep of messages and agents, in steps of at most MAINTENANCE_BATCH_ROWS rows. */

/** In order of arrival, so no index has to be kept for the purge: what is older than the cutoff is at the front. */
const PURGE = upkeepStep<{ after: number }, { purged: number; dead_letters: number; next: number | null }>({
  name: "purge-messages",
  encode: ({ after }) => ({ after }),
  // What was accepted later than both cutoffs cannot have ended before them, nor can what came after it (redriven messages
  // have old acceptance times and are merely passed).
  sql: procedure("purge_messages"),
});

/** Purges completed and expired messages, and dead letters, past their retention. */
export async function purgeMessages(connection: Connection, after: number): Promise<PurgeStep> {
  const { purged, dead_letters: deadLetters, next } = await connection.run(PURGE, { after });
  return { purged, deadLetters, next: next ?? undefined };
}

const DEREGISTER_INACTIVE = upkeepStep<object, { done: number; found: number }>({
  name: "deregister-inactive",
  sql: procedure("deregister_inactive"),
});

/** Deregisters agents that have been inactive for longer than the retention; the sweep has taken their tasks already. */
export async function deregisterInactive(connection: Connection): Promise<Step> {
  const { done, found } = await connection.run(DEREGISTER_INACTIVE, {});
  return { done, more: found === MAINTENANCE_BATCH_ROWS };
}

/** In order of issue; a key that is used up ended with its last use. What has ended does not come back. */
const DELETE_ENDED_CREDENTIALS = upkeepStep<{ after: number }, { done: number; next: number | null }>({
  name: "delete-ended-credentials",
  encode: ({ after }) => ({ after }),
  sql: procedure("delete_ended_credentials"),
});

/** Deletes credentials that ended longer ago than the retention. They are few: a walk once a day needs no index. */
export async function deleteEndedCredentials(connection: Connection, after: number): Promise<Walked> {
  const { done, next } = await connection.run(DELETE_ENDED_CREDENTIALS, { after });
  return { done, next: next ?? undefined };
}

/**
 * What they have in channels goes first, then the loads, as everywhere: who registers again at this moment waits there, finds
 * nothing, and tries again. What else belongs to an agent goes with its row. A reference that comes up meanwhile is a lost race (a foreign key). The mailboxes
 * of deleted channels go likewise, but are not counted.
 */
const DELETE_GONE = upkeepStep<{ after: number }, { done: number; next: number | null }>({
  name: "delete-gone",
  encode: ({ after }) => ({ after }),
  sql: procedure("delete_gone"),
});

/** Deletes agents deregistered for longer than the retention that no row names. */
export async function deleteGone(connection: Connection, after: number): Promise<Walked> {
  const { done, next } = await connection.run(DELETE_GONE, { after });
  return { done, next: next ?? undefined };
}
