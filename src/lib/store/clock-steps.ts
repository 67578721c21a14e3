import { LONGEST_MILLISECONDS as LONGEST_BACKOFF_MILLISECONDS } from "../model/backoff.ts";
import { DURATION_MAX_SECONDS, LEASE_MAX_SECONDS } from "../model/limits.ts";

/**
 * A clock that was ahead and is set back leaves times in the future: messages and tasks that are not handed out until then, agents that
 * cannot fall silent, rows that are kept too long. The sweep finds that out by two seeks (a second of the rate or a heartbeat that
 * lies ahead) and then walks the tables once, in bounded steps. Times that record the past count as now when they lie ahead; times at
 * which something is due are what callers asked for, and stay unless no caller could have asked for them.
 */

/** Clocks of machines that share a database differ by less. */
export const AHEAD_MILLISECONDS = 60_000;

/** A message is due at most a year after it was sent. */
export const MESSAGE_DUE_MAX_MILLISECONDS = DURATION_MAX_SECONDS * 1_000 + AHEAD_MILLISECONDS;
/** A lease ends at most 12 hours after it was given or renewed. */
export const LEASE_END_MAX_MILLISECONDS = LEASE_MAX_SECONDS * 1_000 + AHEAD_MILLISECONDS;
/** A pending task waits at most for the longest backoff. */
export const TASK_DUE_MAX_MILLISECONDS = LONGEST_BACKOFF_MILLISECONDS + AHEAD_MILLISECONDS;

/** Where a walk goes on: after the row of that number. Agents come last: their heartbeats say that a walk is needed. */
export interface CorrectionPosition {
  table: "messages" | "tasks" | "agents";
  after: number;
}

export const FIRST_CORRECTION: CorrectionPosition = { table: "messages", after: 0 };

/** One step of the walk. */
export interface Correction {
  /** Rows whose times were ahead. */
  corrected: number;
  /** Where the next step goes on; undefined at the end. */
  next: CorrectionPosition | undefined;
}

/** What a step that has read up to row `last` goes on with. @param last undefined when it has read the end of the table */
export function nextCorrection(table: CorrectionPosition["table"], last: number | undefined): Correction["next"] {
  if (last !== undefined) return { table, after: last };
  if (table === "messages") return { table: "tasks", after: 0 };
  return table === "tasks" ? { table: "agents", after: 0 } : undefined;
}
