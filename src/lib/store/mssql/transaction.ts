/**
 * What every procedure of a verb obeys. It takes any number of calls ("items"), reads first, then writes in the one lock
 * order, each write naming the state that it expects; when it finds another state it gives up (returns 1, a lost race), and
 * the connection calls it again. So nothing depends on a lock that a read would have to hold.
 *
 * The lock order: channels, their members and grants; agent_loads, agents, agent_heartbeats, agent_metadata; credentials; schedules; tasks
 * (each group by number), their outcomes, attempts, dependencies, events, suspensions, values, questions, usage; usage_hours; workflows; ordering_keys, messages, message_payloads; counters.
 * Hand-outs are transactions of their own, after the commit of the call that made room.
 */

/** Tables in the order in which a transaction writes them; those of a group in any order, each by its key. */
export const LOCK_ORDER: readonly (readonly string[])[] = [
  ["capability_sets", "set_capabilities", "demands", "demand_sets"],
  ["channels"],
  ["channel_members", "channel_grants"],
  ["agent_loads"],
  ["agents"],
  ["agent_heartbeats"],
  ["agent_metadata"],
  ["credentials"],
  ["schedules"],
  ["tasks"],
  [
    "task_bodies",
    "task_outcomes",
    "task_attempts",
    "task_dependencies",
    "ended_dependencies",
    "ended_parents",
    "reopened_tasks",
    "task_events",
    "task_suspensions",
    "task_values",
    "task_questions",
    "question_answerers",
    "task_usage",
  ],
  ["usage_hours"],
  ["usage_totals"],
  ["workflows"],
  ["workflow_tasks"],
  ["task_archive"],
  ["task_archive_values"],
  ["ordering_keys"],
  ["messages"],
  ["message_payloads"],
  ["message_types"],
  ["counters"],
  ["operation_answers"],
];

/** Rows are only ever added here, anywhere in a transaction: nobody waits for them, so they have no place in the order. */
export const APPEND_ONLY: readonly string[] = ["audit.entries", "audit.blocks", "audit.block_entries"];

/**
 * Byte-wise comparison: ids, names and states. Also for comparing with a column of OPENJSON, which has the collation of the
 * database (error 468 on SQL Server without it).
 */
export const BIN2 = "COLLATE Latin1_General_100_BIN2";
/** From the table variable to the table, row by row, by its key: whatever is estimated, and however small the table was then. */
export const BY_KEY = "OPTION (LOOP JOIN, FORCE ORDER)";
/** Column types for table variables and OPENJSON: the same as the tables', or an index seek becomes a scan. */
export const ID = `varchar(128) ${BIN2}`;
export const TYPE = `varchar(64) ${BIN2}`;
export const HASH = `varchar(64) ${BIN2}`;
/** A state, role, outcome, settlement or error code. */
export const WORD = `varchar(24) ${BIN2}`;
export const COUNTER = `varchar(48) ${BIN2}`;
/** The version of an encryption key. */
export const KEY_VERSION = `varchar(64) ${BIN2}`;
/** A W3C traceparent. */
export const TRACEPARENT = `varchar(55) ${BIN2}`;
