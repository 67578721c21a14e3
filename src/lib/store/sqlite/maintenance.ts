import { CREDENTIAL_USE_MILLISECONDS } from "../../model/credential.ts";
import { MAINTENANCE_BATCH_ROWS } from "../../model/limits.ts";
import { channelOf } from "../../model/values.ts";
import { SYSTEM_ACTOR } from "../../trace/call-context.ts";
import { DAY_MILLISECONDS } from "../instants.ts";
import type { PurgeStep, Step, Walked } from "../upkeep-runs.ts";
import { AGENT_COLUMNS, type AgentRow, changeAgent } from "./agent-rows.ts";
import { audit } from "./audit.ts";
import { leaveChannels } from "./channels.ts";
import { deleteMessage, purgeDeadLetter } from "./dead-letters.ts";
import type { Transaction } from "./transaction.ts";

/** The daily upkeep of messages and agents, in steps of at most MAINTENANCE_BATCH_ROWS rows. */

interface OldMessage {
  arrival: number;
  receiver_no: number;
  status: "queued" | "leased" | "completed" | "dead_lettered" | "expired";
  accepted_at: number;
  ended_at: number | null;
}

/** In order of arrival, so no index has to be kept for the purge: what is older than the cutoff is at the front. */
const OLDEST = `SELECT arrival, receiver_no, status, accepted_at, ended_at FROM messages
  WHERE arrival > ? ORDER BY arrival LIMIT ?`;

const ID = "SELECT message_id FROM message_bodies WHERE arrival = ?";

/** Purges completed and expired messages, and dead letters, past their retention. */
export function purgeMessages(transaction: Transaction, after: number): PurgeStep {
  const { messageRetentionDays, deadLetterRetentionDays } = transaction.settings;
  const ended = transaction.now - messageRetentionDays * DAY_MILLISECONDS;
  const dead = transaction.now - deadLetterRetentionDays * DAY_MILLISECONDS;
  const rows = transaction.all<OldMessage>(OLDEST, after, MAINTENANCE_BATCH_ROWS);
  const step: PurgeStep = { purged: 0, deadLetters: 0, next: undefined };
  for (const row of rows) {
    // Accepted later than both cutoffs, so it cannot have ended before them, nor can what came after it (redriven
    // messages have old acceptance times and are merely passed).
    if (row.accepted_at > Math.max(ended, dead)) return step;
    if ((row.status === "completed" || row.status === "expired") && (row.ended_at ?? 0) <= ended) {
      deleteMessage(transaction, row);
      step.purged += 1;
    } else if (row.status === "dead_lettered" && (row.ended_at ?? 0) <= dead) {
      const { message_id = "" } = transaction.get<{ message_id: string }>(ID, row.arrival) ?? {};
      purgeDeadLetter(transaction, { ...row, message_id });
      step.deadLetters += 1;
    }
  }
  const last = rows.at(-1);
  return rows.length < MAINTENANCE_BATCH_ROWS || last === undefined ? step : { ...step, next: last.arrival };
}

/** Named, for without statistics the planner prefers agents_by_status and sorts every inactive agent (100,000: 1.8 s). */
const LONG_INACTIVE = `SELECT ${AGENT_COLUMNS} FROM agents INDEXED BY agents_inactive
  WHERE status = 'inactive' AND active_tasks = 0 AND status_changed_at <= ? ORDER BY status_changed_at LIMIT ?`;

/** Deregisters agents that have been inactive for longer than the retention; the sweep has taken their tasks already. */
export function deregisterInactive(transaction: Transaction): Step {
  const limit = transaction.now - transaction.settings.inactiveRetentionDays * DAY_MILLISECONDS;
  const agents = transaction.all<AgentRow>(LONG_INACTIVE, limit, MAINTENANCE_BATCH_ROWS);
  for (const agent of agents) changeAgent(transaction, agent, { status: "deregistered" });
  return { done: agents.length, more: agents.length === MAINTENANCE_BATCH_ROWS };
}

interface AgingCredential {
  credential_no: number;
  ended_at: number;
}

/** When a credential ends or has ended: it expires, was revoked, not used or, an enrolment key, used up; else at ?1, never. */
const AGING = `SELECT credential_no, min(coalesce(expires_at, ?1), coalesce(revoked_at, ?1),
    iif(kind <> 'enrolment' AND idle_days IS NOT NULL,
      coalesce(last_used_at, created_at) + idle_days * ${DAY_MILLISECONDS} + ${CREDENTIAL_USE_MILLISECONDS}, ?1),
    iif(uses_left = 0, last_used_at, ?1)) AS ended_at
  FROM credentials WHERE credential_no > ?2 ORDER BY credential_no LIMIT ?3`;

/** Deletes credentials that ended longer ago than the retention. They are few: a walk once a day needs no index. */
export function deleteEndedCredentials(transaction: Transaction, after: number): Walked {
  const limit = transaction.now - transaction.settings.inactiveRetentionDays * DAY_MILLISECONDS;
  const rows = transaction.all<AgingCredential>(AGING, Number.MAX_SAFE_INTEGER, after, MAINTENANCE_BATCH_ROWS);
  const ended = rows.filter((row) => row.ended_at <= limit);
  for (const row of ended) transaction.run("DELETE FROM credentials WHERE credential_no = ?", row.credential_no);
  return { done: ended.length, next: rows.length === MAINTENANCE_BATCH_ROWS ? rows.at(-1)?.credential_no : undefined };
}

const LONG_GONE = `SELECT agent_no, agent_id FROM agents INDEXED BY agents_gone
  WHERE status = 'deregistered' AND status_changed_at <= ? AND agent_no > ? ORDER BY agent_no LIMIT ?`;

/**
 * Every reference to an agent has an index or is counted, so each probe is a seek. Events name agents of attempts, and of questions those
 * that have answered. Holders of messages of work queues are named by their ids: a name that were free while a message names it would make
 * its next bearer the holder.
 */
const NAMED = `SELECT 1 WHERE EXISTS (SELECT 1 FROM mailboxes WHERE agent_no = ?1 AND named > 0)
  OR EXISTS (SELECT 1 FROM messages WHERE holder = ?2)
  OR EXISTS (SELECT 1 FROM tasks WHERE supervisor_no = ?1)
  OR EXISTS (SELECT 1 FROM tasks WHERE agent_no = ?1)
  OR EXISTS (SELECT 1 FROM tasks WHERE assign_to_no = ?1)
  OR EXISTS (SELECT 1 FROM task_attempts WHERE agent_no = ?1)
  OR EXISTS (SELECT 1 FROM question_answerers WHERE agent_no = ?1)
  OR EXISTS (SELECT 1 FROM credentials WHERE agent_no = ?1)`;

/**
 * Deletes agents deregistered for longer than the retention that no row names; they leave their channels. The mailboxes of
 * deleted channels go likewise, but are not counted.
 */
export function deleteGone(transaction: Transaction, after: number): Walked {
  const limit = transaction.now - transaction.settings.inactiveRetentionDays * DAY_MILLISECONDS;
  const agents = transaction.all<Pick<AgentRow, "agent_no" | "agent_id">>(
    LONG_GONE,
    limit,
    after,
    MAINTENANCE_BATCH_ROWS,
  );
  let done = 0;
  for (const { agent_no: agentNo, agent_id: agentId } of agents) {
    if (transaction.get(NAMED, agentNo, agentId) !== undefined) continue;
    leaveChannels(transaction, agentNo, agentId);
    transaction.run("DELETE FROM agents WHERE agent_no = ?", agentNo);
    if (channelOf(agentId) !== undefined) continue;
    audit(transaction, { actor: SYSTEM_ACTOR, action: "agent.deleted", subjectKind: "agent", subjectId: agentId });
    done += 1;
  }
  return { done, next: agents.length === MAINTENANCE_BATCH_ROWS ? agents.at(-1)?.agent_no : undefined };
}
