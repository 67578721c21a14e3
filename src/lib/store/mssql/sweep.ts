import { MAINTENANCE_BATCH_ROWS, RELEASES_PER_TRANSACTION } from "../../model/limits.ts";
import type { LeaseSweep, SilenceSweep, Step } from "../upkeep-runs.ts";
import type { Connection } from "./connection.ts";
import { procedure } from "./procedures.ts";
import { upkeepStep } from "./upkeep-step.ts";

/**
 * What the sweep does to agents and messages, in transactions of bounded size. Each returns what it did and whether to go on.
 *
 * Sweeps of several processes meet: each reads first what is due, so the later one finds rows that are no longer as it read
 * them, loses the race and reads again. What a step reports may be less than it did when its answer was lost on the way.
 */

/** Agents inactivated in one transaction, and those whose tasks are looked at in one. */
export const AGENTS_PER_TRANSACTION = 100;

const INACTIVATE = upkeepStep<object, { done: number; found: number }>({
  name: "inactivate-silent-agents",
  sql: procedure("inactivate_silent_agents"),
});

/** Agents whose last heartbeat is older than the timeout become inactive; the next step takes back their tasks. */
export async function inactivateSilentAgents(connection: Connection): Promise<Step> {
  const { done, found } = await connection.run(INACTIVATE, {});
  return { done, more: found >= AGENTS_PER_TRANSACTION };
}

/** As many agents as it takes for RELEASES_PER_TRANSACTION tasks; of the last one there may be as many again. */
const RELEASE_LEFT = upkeepStep<object, { released: number; found: number; requeued: number; handed_out: number }>({
  name: "release-left-tasks",
  sql: procedure("release_left_tasks"),
});

/**
 * The tasks of inactive agents go to others, RELEASES_PER_TRANSACTION at a time however many one agent holds. All who fell
 * silent are inactive by then, so that none of them is handed the work of another; who comes back in between keeps what has
 * not been taken yet.
 */
export async function releaseLeftTasks(connection: Connection): Promise<SilenceSweep> {
  const { released, found, requeued, handed_out: handedOut } = await connection.run(RELEASE_LEFT, {});
  const more = released >= RELEASES_PER_TRANSACTION || found === AGENTS_PER_TRANSACTION;
  return { done: released, requeued, handedOut, more };
}

/**
 * Mailboxes with leases are found by a loose walk of the index: one seek per mailbox, whatever the number of messages. A
 * mailbox that fills the batch is visited again.
 */
const TAKE_BACK_LEASES = upkeepStep<{ after: number }, { ended: number; dead_lettered: number; next: number | null }>({
  name: "take-back-leases",
  encode: ({ after }) => ({ after }),
  sql: procedure("take_back_leases"),
});

/** Ends the leases that have run out, mailbox by mailbox from `after` on. */
export async function takeBackLeases(connection: Connection, after: number): Promise<LeaseSweep> {
  const { ended, dead_lettered: deadLettered, next } = await connection.run(TAKE_BACK_LEASES, { after });
  return { ended, deadLettered, next: next ?? undefined };
}

const EXPIRE = upkeepStep<object, { done: number }>({
  name: "expire-messages",
  sql: procedure("expire_messages"),
});

/** Records messages past their time to live. */
export async function expireMessages(connection: Connection): Promise<Step> {
  const { done } = await connection.run(EXPIRE, {});
  return { done, more: done === MAINTENANCE_BATCH_ROWS };
}

/**
 * The rows of the agents are updated first, so that none of them registers again while its messages end. A mailbox counts as
 * emptied once nothing is in it and no send can be under way any more: senders do not lock their receiver.
 */
const LEFT_BEHIND = upkeepStep<object, { done: number; more: boolean }>({
  name: "dead-letter-left-behind",
  sql: procedure("dead_letter_left_behind"),
});

/** Dead-letters the mailboxes of deregistered agents. */
export async function deadLetterLeftBehind(connection: Connection): Promise<Step> {
  return connection.run(LEFT_BEHIND, {});
}

const DROP_OLD_RATES = upkeepStep<object, { done: number }>({
  name: "drop-old-rates",
  // Seconds have 10 digits until the year 2286, so their names order as the numbers do.
  sql: procedure("drop_old_rates"),
});

/** Drops the rate's seconds that no minute looks at any more, and answers that nobody asks for again. */
export async function dropOldRates(connection: Connection): Promise<void> {
  await connection.run(DROP_OLD_RATES, {});
}
