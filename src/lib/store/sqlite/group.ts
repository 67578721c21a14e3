import { type AgentCommunicationError, isAgentCommunicationError } from "../../model/errors.ts";
import type { CallContext } from "../../trace/call-context.ts";
import { processorWatch } from "../../trace/processor-watch.ts";
import type { FollowUp, Transaction } from "./transaction.ts";

/** The calls that share one commit: which they are, and how long they may take together. */

/** Enough to make the fsync cheap, few enough that a group holds the event loop ~5 ms. */
export const GROUP_MAX = 256;
/** After so long what is left of a group goes into the next one: of 64 calls of 10 ms each, a heartbeat is not to wait for all. */
const GROUP_MAX_MILLISECONDS = 10;

/** A call that waits for its group. */
export interface Operation {
  /** On whose behalf it was asked for. */
  call: CallContext;
  /** Whether it takes a millisecond or more by what it is asked to do, or by the length of its request. */
  long: boolean;
  run(transaction: Transaction): unknown;
  resolve(value: unknown): void;
  reject(error: unknown): void;
  outcome?: { value: unknown } | { refusal: AgentCommunicationError };
  followUps?: FollowUp[];
}

/**
 * The oldest calls, as many as one commit may take, and of the long ones one: 4 MB take some 40 ms, for which a heartbeat that came
 * later is not to wait 64 times.
 */
export function takeGroup(queue: readonly Operation[]): { group: Operation[]; left: Operation[] } {
  const group: Operation[] = [];
  const left: Operation[] = [];
  let hasLong = false;
  for (const operation of queue) {
    if (group.length === GROUP_MAX || (operation.long && hasLong)) left.push(operation);
    else group.push(operation);
    hasLong ||= operation.long;
  }
  return { group, left };
}

/**
 * Runs the group in its order, the first of it in any case, and charges each caller for its time.
 *
 * @returns those that have run; the others are for the next group @throws what undoes the whole group
 */
export function runInTime(transaction: Transaction, group: Operation[]): Operation[] {
  const elapsed = processorWatch();
  let before = 0;
  for (const [place, operation] of group.entries()) {
    operation.outcome = runOperation(transaction, operation);
    const now = elapsed();
    operation.call.spend?.(Math.max(0, now - before));
    before = now;
    if (now > GROUP_MAX_MILLISECONDS) return group.slice(0, place + 1);
  }
  return group;
}

function runOperation(transaction: Transaction, operation: Operation): Operation["outcome"] {
  transaction.beginOperation(operation.call);
  try {
    const value = operation.run(transaction);
    operation.followUps = transaction.takeFollowUps();
    return { value };
  } catch (error) {
    // A refusal before the first write is an answer; anything else undoes the group, and each is tried alone.
    if (isAgentCommunicationError(error) && !transaction.dirty) return { refusal: error };
    throw error;
  }
}

/** Answers the caller. */
export function settle(operation: Operation): void {
  const outcome = operation.outcome;
  if (outcome === undefined) return;
  if ("refusal" in outcome) operation.reject(outcome.refusal);
  else operation.resolve(outcome.value);
}
