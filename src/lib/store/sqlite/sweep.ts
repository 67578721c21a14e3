import { MAINTENANCE_BATCH_ROWS, RELEASES_PER_TRANSACTION } from "../../model/limits.ts";
import type { LeaseSweep, SilenceSweep, Step } from "../upkeep-runs.ts";
import { AGENT_COLUMNS, type AgentRow, changeAgent } from "./agent-rows.ts";
import { endMessage, LIVE_COLUMNS, type LiveMessageRow, takeBack } from "./message-rows.ts";
import { releaseTasks } from "./release-tasks.ts";
import type { Transaction } from "./transaction.ts";

/** What the sweep does to agents and messages, in transactions of bounded size. Each returns what it did and whether to go on. */

/** Agents inactivated in one transaction, and those whose tasks are looked at in one. */
const AGENTS_PER_TRANSACTION = 100;

/** By the setting. The index is named: the planner would rather sort every active agent, by status. */
const SILENT = `SELECT ${AGENT_COLUMNS} FROM agents INDEXED BY agents_beating
  WHERE status IN ('active', 'draining') AND heartbeat_timeout_seconds IS NULL AND last_heartbeat_at <= ?
  ORDER BY last_heartbeat_at LIMIT ?`;

/** By the agents' own timeouts. */
const FALLEN_SILENT = `SELECT ${AGENT_COLUMNS} FROM agents INDEXED BY agents_silent_at
  WHERE status IN ('active', 'draining') AND heartbeat_timeout_seconds IS NOT NULL AND silent_at <= ?
  ORDER BY silent_at LIMIT ?`;

/** Agents silent past their timeout, their own or the setting, become inactive; the next step takes back their tasks. */
export function inactivateSilentAgents(transaction: Transaction): Step {
  const { now, settings } = transaction;
  const limit = now - settings.heartbeatTimeoutSeconds * 1_000;
  const silent = transaction.all<AgentRow>(SILENT, limit, AGENTS_PER_TRANSACTION);
  silent.push(...transaction.all<AgentRow>(FALLEN_SILENT, now, AGENTS_PER_TRANSACTION));
  for (const agent of silent) changeAgent(transaction, agent, { status: "inactive" });
  return { done: silent.length, more: silent.length >= AGENTS_PER_TRANSACTION };
}

const LEFT = `SELECT ${AGENT_COLUMNS} FROM agents INDEXED BY agents_left
  WHERE status = 'inactive' AND active_tasks > 0 ORDER BY agent_no LIMIT ${AGENTS_PER_TRANSACTION}`;

/**
 * The tasks of inactive agents go to others, RELEASES_PER_TRANSACTION at a time however many one agent holds. All who fell
 * silent are inactive by then, so that none of them is handed the work of another; who comes back in between keeps what has
 * not been taken yet.
 */
export function releaseLeftTasks(transaction: Transaction): SilenceSweep {
  const agents = transaction.all<AgentRow>(LEFT);
  const sweep = { done: 0, requeued: 0, handedOut: 0, more: agents.length === AGENTS_PER_TRANSACTION };
  for (const agent of agents) {
    const left = RELEASES_PER_TRANSACTION - sweep.done;
    if (left === 0) return { ...sweep, more: true };
    const { released, requeued, handedOut } = releaseTasks(transaction, agent, "agent_inactive", left);
    sweep.done += released;
    sweep.requeued += requeued;
    sweep.handedOut += handedOut;
    if (agent.active_tasks > 0) sweep.more = true;
  }
  return sweep;
}

/** Mailboxes with leases, by a loose walk of the index: one seek per mailbox, for any number of messages. */
const NEXT_RECEIVER =
  "SELECT min(receiver_no) AS receiver_no FROM messages WHERE status = 'leased' AND receiver_no > ?";
const ENDED = `SELECT ${LIVE_COLUMNS} FROM messages
  WHERE receiver_no = ? AND status = 'leased' AND lease_expires_at <= ? ORDER BY lease_expires_at LIMIT ?`;

/** Ends the leases that have run out, mailbox by mailbox from `after` on. */
export function takeBackLeases(transaction: Transaction, after: number): LeaseSweep {
  const sweep: LeaseSweep = { ended: 0, deadLettered: 0, next: undefined };
  let receiverNo = after;
  for (let probed = 0; ; probed += 1) {
    const next = transaction.get<{ receiver_no: number | null }>(NEXT_RECEIVER, receiverNo)?.receiver_no;
    if (next === null || next === undefined) return sweep;
    if (sweep.ended >= MAINTENANCE_BATCH_ROWS || probed >= MAINTENANCE_BATCH_ROWS)
      return { ...sweep, next: receiverNo };
    const ended = transaction.all<LiveMessageRow>(ENDED, next, transaction.now, MAINTENANCE_BATCH_ROWS - sweep.ended);
    for (const message of ended) {
      if (takeBack(transaction, message) === "dead_lettered") sweep.deadLettered += 1;
    }
    sweep.ended += ended.length;
    receiverNo = next;
  }
}

const EXPIRED = `SELECT ${LIVE_COLUMNS} FROM messages
  WHERE status = 'queued' AND expires_at IS NOT NULL AND expires_at <= ? ORDER BY expires_at LIMIT ?`;

/** Records messages past their time to live. */
export function expireMessages(transaction: Transaction): Step {
  const expired = transaction.all<LiveMessageRow>(EXPIRED, transaction.now, MAINTENANCE_BATCH_ROWS);
  for (const message of expired) endMessage(transaction, message, "expired");
  return { done: expired.length, more: expired.length === MAINTENANCE_BATCH_ROWS };
}

/** Deregistered agents with something in their mailbox: the depth tells. */
const LEFT_BEHIND = `SELECT b.agent_no FROM mailboxes b JOIN agents a USING (agent_no)
  WHERE b.depth > 0 AND a.status = 'deregistered' LIMIT 1`;
const LEASED = `SELECT ${LIVE_COLUMNS} FROM messages WHERE receiver_no = ? AND status = 'leased' LIMIT ?`;
/** Those held behind an ordering key come up as the ones before them end. */
const READY = `SELECT ${LIVE_COLUMNS} FROM messages WHERE receiver_no = ? AND status = 'queued' AND held = 0 LIMIT ?`;
const NOT_JOINED = `SELECT ${LIVE_COLUMNS} FROM messages WHERE receiver_no = ? AND joined = 0 LIMIT ?`;

/** Dead-letters the mailboxes of deregistered agents. */
export function deadLetterLeftBehind(transaction: Transaction): Step {
  const agent = transaction.get<{ agent_no: number }>(LEFT_BEHIND);
  if (agent === undefined) return { done: 0, more: false };
  let messages: LiveMessageRow[] = [];
  for (const sql of [LEASED, READY, NOT_JOINED]) {
    if (messages.length > 0) break;
    messages = transaction.all<LiveMessageRow>(sql, agent.agent_no, MAINTENANCE_BATCH_ROWS);
  }
  for (const message of messages)
    endMessage(transaction, message, "dead_lettered", { reason: "RECEIVER_DEREGISTERED" });
  return { done: messages.length, more: messages.length > 0 };
}

/** Drops the rate's seconds that no minute looks at any more. */
export function dropOldRates(transaction: Transaction): void {
  const oldest = Math.floor(transaction.now / 1_000) - 120;
  transaction.run("DELETE FROM counters WHERE name >= 'accepted:' AND name < ?", `accepted:${oldest}`);
}
