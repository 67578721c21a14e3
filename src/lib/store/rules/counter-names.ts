import type { AgentRole, AgentStatus } from "../../model/agent.ts";
import { MESSAGE_STATUSES, type MessageStatus } from "../../model/message.ts";
import { TASK_STATUSES, type TaskStatus } from "../../model/task.ts";

/**
 * Names of the counters from which statistics are read. Every transition adds to them in its own transaction. The names of
 * both engines stand here; a test finds in the procedures no other.
 */

/**
 * Of tasks beyond those of a status: assigned at least once, and all that ever completed, failed or were not needed, archived ones too;
 * of attempts, those that failed and those that were lost, released ones among them.
 */
const TASK_TOTALS = [
  "assigned_once",
  "completed_total",
  "failed_total",
  "not_needed_total",
  "attempts_failed_total",
  "attempts_lost_total",
] as const;

/** Both engines have these. */
export type SharedCounter =
  | `messages:${MessageStatus}`
  | `tasks:${TaskStatus | (typeof TASK_TOTALS)[number]}`
  /** Messages accepted in a second since the epoch. */
  | `accepted:${number}`;

/** Those of SQLite alone: agents by role and status, and how many workers with how many tasks have a capacity. */
export type CounterName =
  | SharedCounter
  | `agents:role:${AgentRole}`
  | `agents:status:${AgentStatus}`
  | `load:tasks:${number}`
  | `load:workers:${number}`;

/** Every name that is whole: accepted:<second>, and those of one mailbox or set, have a number in them. */
export const WHOLE_NAMES: ReadonlySet<string> = new Set([
  ...MESSAGE_STATUSES.map((status) => `messages:${status}`),
  ...[...TASK_STATUSES, ...TASK_TOTALS].map((name) => `tasks:${name}`),
]);

/** Azure SQL counts workers in all, and mailboxes and sets of capabilities by number, since assignments look at them. */
export const NAMES_OF_SQL = {
  whole: ["agents:workers"],
  beginnings: ["accepted:", "mailbox:", "messages:", "set:", "tasks:"],
  /** Of a set: agents that have it, that are active, that have room. */
  endings: [":workers", ":active", ":free"],
} as const;
