import { MAINTENANCE_BATCH_ROWS } from "../../model/limits.ts";
import { CHANNEL_HEARTBEAT_AT } from "../channel-reading.ts";
import {
  AHEAD_MILLISECONDS,
  type Correction,
  type CorrectionPosition,
  LEASE_END_MAX_MILLISECONDS,
  MESSAGE_DUE_MAX_MILLISECONDS,
  nextCorrection,
  TASK_DUE_MAX_MILLISECONDS,
} from "../clock-steps.ts";
import type { Transaction } from "./transaction.ts";

/** Finds and corrects times that a clock has left in the future. `?1` is now, `?2` and `?3` the range of rows. */

const RATE_AHEAD = "SELECT 1 FROM counters WHERE name > ? AND name < 'accepted;' LIMIT 1";
const HEARTBEAT_AHEAD = `SELECT 1 FROM agents INDEXED BY agents_beating
  WHERE status IN ('active', 'draining') AND last_heartbeat_at > ? AND last_heartbeat_at < ${CHANNEL_HEARTBEAT_AT} LIMIT 1`;

/** Whether something was recorded more than a minute ahead. Two seeks. */
export function findClockStep(transaction: Transaction): boolean {
  const ahead = transaction.now + AHEAD_MILLISECONDS;
  const second = `accepted:${Math.floor(ahead / 1_000)}`;
  return transaction.get(RATE_AHEAD, second) !== undefined || transaction.get(HEARTBEAT_AHEAD, ahead) !== undefined;
}

const ahead = (column: string) => `${column} > ?1 + ${AHEAD_MILLISECONDS}`;
/** For the SET of an UPDATE: now, where the column lies ahead. */
const past = (column: string) => `${column} = iif(${ahead(column)}, ?1, ${column})`;

const MESSAGE_DUE_AHEAD = `available_at > ?1 + ${MESSAGE_DUE_MAX_MILLISECONDS}`;
const LEASE_AHEAD = `lease_expires_at > ?1 + ${LEASE_END_MAX_MILLISECONDS}`;
/** A message without a delay is due when it was accepted, and a time to live counts from then. */
const MESSAGES = `UPDATE messages SET
    available_at = iif((${ahead("accepted_at")} AND available_at = accepted_at) OR ${MESSAGE_DUE_AHEAD}, ?1, available_at),
    expires_at = iif(${ahead("accepted_at")}, expires_at - (accepted_at - ?1), expires_at),
    lease_expires_at = iif(${LEASE_AHEAD}, ?1, lease_expires_at),
    ${past("accepted_at")}, ${past("ended_at")}, ${past("dead_at")}
  WHERE arrival > ?2 AND arrival <= ?3
    AND (${ahead("accepted_at")} OR ${ahead("ended_at")} OR ${MESSAGE_DUE_AHEAD} OR ${LEASE_AHEAD})`;

const TASK_DUE_AHEAD = `(status = 'pending' AND available_at > ?1 + ${TASK_DUE_MAX_MILLISECONDS})`;
const TASKS = `UPDATE tasks SET
    available_at = iif((${ahead("created_at")} AND available_at = created_at) OR ${TASK_DUE_AHEAD}, ?1, available_at),
    deadline_at = iif(${ahead("assigned_at")}, ?1 + timeout_milliseconds, deadline_at),
    ${["created_at", "assigned_at", "started_at", "ended_at"].map(past).join(", ")}
  WHERE task_no > ?2 AND task_no <= ?3
    AND (${["created_at", "assigned_at", "started_at", "ended_at"].map(ahead).join(" OR ")} OR ${TASK_DUE_AHEAD})`;
const ATTEMPTS = `UPDATE task_attempts SET ${past("assigned_at")}, ${past("ended_at")}
  WHERE task_no > ?2 AND task_no <= ?3 AND (${ahead("assigned_at")} OR ${ahead("ended_at")})`;
const EVENTS = `UPDATE task_events SET at = ?1 WHERE task_no > ?2 AND task_no <= ?3 AND ${ahead("at")}`;

const AGENT_TIMES = ["registered_at", "last_heartbeat_at", "status_changed_at", "last_assigned_at"];
/** The mailboxes of channels have a heartbeat that never grows old. */
const AGENTS = `UPDATE agents SET ${AGENT_TIMES.map(past).join(", ")}
  WHERE agent_no > ?2 AND agent_no <= ?3 AND last_heartbeat_at < ${CHANNEL_HEARTBEAT_AT} AND (${AGENT_TIMES.map(ahead).join(" OR ")})`;

/** By table: its number, and what corrects a range of it. */
const WALKS: Readonly<Record<CorrectionPosition["table"], { number: string; updates: readonly string[] }>> = {
  messages: { number: "arrival", updates: [MESSAGES] },
  tasks: { number: "task_no", updates: [TASKS, ATTEMPTS, EVENTS] },
  agents: { number: "agent_no", updates: [AGENTS] },
};

const FORGET_RATES = "DELETE FROM counters WHERE name > ? AND name < 'accepted;'";

/** Corrects the next rows of a walk; its last step forgets the rate's seconds that lie ahead. */
export function correctTimes(transaction: Transaction, { table, after }: CorrectionPosition): Correction {
  const { number, updates } = WALKS[table];
  const page = `SELECT count(*) AS read, max(no) AS last
    FROM (SELECT ${number} AS no FROM ${table} WHERE ${number} > ? ORDER BY ${number} LIMIT ${MAINTENANCE_BATCH_ROWS})`;
  const { read = 0, last = null } = transaction.get<{ read: number; last: number | null }>(page, after) ?? {};
  let corrected = 0;
  if (last !== null) {
    for (const update of updates) corrected += transaction.run(update, transaction.now, after, last).changes;
  }
  const next = nextCorrection(table, read === MAINTENANCE_BATCH_ROWS && last !== null ? last : undefined);
  if (next === undefined) {
    transaction.run(FORGET_RATES, `accepted:${Math.floor((transaction.now + AHEAD_MILLISECONDS) / 1_000)}`);
  }
  return { corrected, next };
}
