import { FREE_SUSPENSIONS } from "../../model/limits.ts";

/** What becomes of a task that suspends itself. The rule of both engines; a test finds its words in suspend-tasks.sql. */

/** What a task fails with that suspended itself too often without an answer, and has no retry left. */
export const SUSPENSIONS_EXHAUSTED = "SUSPENSIONS_EXHAUSTED";
/** What a task fails with whose own time is over. */
export const EXPIRED = "EXPIRED";
/** What a task fails with whose question nobody answered in time, without a default. */
export const QUESTION_TIMEOUT = "QUESTION_TIMEOUT";
/** What a gate fails with when the answer says no. */
export const REJECTED = "REJECTED";

/** The part of a task that decides. */
export interface Suspending {
  cancelRequested: boolean;
  /** Suspensions since the last answer, without this one. */
  unanswered: number;
  retriesUsed: number;
  maxRetries: number;
}

/** `waits`: with the retries that it has used then. */
export type SuspensionFate = { becomes: "cancelled" | "failed" } | { becomes: "waits"; retriesUsed: number };

/**
 * A requested cancel wins. A task that suspends has got on, so its retries begin anew; past 100 suspensions without an answer it goes
 * round in circles, and each uses a retry.
 */
export function fateOfSuspension({ cancelRequested, unanswered, retriesUsed, maxRetries }: Suspending): SuspensionFate {
  if (cancelRequested) return { becomes: "cancelled" };
  if (unanswered < FREE_SUSPENSIONS) return { becomes: "waits", retriesUsed: 0 };
  return retriesUsed < maxRetries ? { becomes: "waits", retriesUsed: retriesUsed + 1 } : { becomes: "failed" };
}
