import type { TaskStatus } from "../../model/task.ts";

/**
 * What the outcome of an attempt means. The rules of both engines: SQLite decides by them, and a test finds them word for word
 * in the procedures of Azure SQL.
 */

/** States in which an attempt is under way: an agent has the task. */
export const LIVE_STATUSES = ["assigned", "running"] as const satisfies readonly TaskStatus[];

/**
 * How an attempt that ended without success counts for its agent: failed, because the agent said so; lost, by its silence or past the
 * deadline; released, given back when it left or did not start in time. Failed and lost ones weigh when a worker is chosen, released
 * ones do not; one that was called off, suspended or expired counts as none of them.
 */
export const FAILED_OUTCOMES: readonly string[] = ["failed"];
export const LOST_OUTCOMES: readonly string[] = ["timed_out", "agent_inactive"];
export const RELEASED_OUTCOMES: readonly string[] = ["released"];

/** Outcomes after which the task waits before it is tried again; after the others it keeps its place. */
export const BACK_OFF: readonly string[] = ["failed", "timed_out"];

/** Why an attempt was released that its agent did not start within the task's startTimeoutSeconds. */
export const NOT_STARTED = "NOT_STARTED";

/** A list of T-SQL and SQLite: 'assigned', 'running' */
export function sqlWords(words: readonly string[]): string {
  return words.map((word) => `'${word}'`).join(", ");
}
