import { AgentCommunicationError } from "../../model/errors.ts";
import type { SettleReply } from "../../model/message.ts";
import { iso } from "../instants.ts";
import type { ChannelReader, Renewal } from "../store.ts";
import { countAsHeartbeat } from "./activity.ts";
import { type AgentRow, requireRegistered } from "./agent-rows.ts";
import { mayRead } from "./channels.ts";
import { holds, LIVE_BY_ID, type LiveMessageRow } from "./message-rows.ts";
import type { Transaction } from "./transaction.ts";

/** A work queue's message is held on by who may still read the queue. */
function mayHold(transaction: Transaction, agent: AgentRow, message: LiveMessageRow, reader?: ChannelReader): boolean {
  if (reader === undefined || message.receiver_no === agent.agent_no) return true;
  return mayRead(transaction, message.receiver_no, reader);
}

/**
 * Moves the end of a lease to now + `leaseMilliseconds`. A lease that has ended, but has not been taken back, is renewed.
 *
 * @throws MESSAGE_NOT_FOUND, LEASE_LOST, AGENT_NOT_FOUND, AGENT_DEREGISTERED
 */
export function renewLease(transaction: Transaction, renewal: Renewal): SettleReply {
  const agent = requireRegistered(transaction, renewal.agentId);
  const { messageId } = renewal;
  const message = transaction.get<LiveMessageRow>(LIVE_BY_ID, messageId);
  if (message === undefined) {
    throw new AgentCommunicationError("MESSAGE_NOT_FOUND", `There is no message ${messageId}.`);
  }
  const current = message.attempt === renewal.attempt && holds(transaction, agent, message);
  if (current && message.settlement === "task_ended") return { messageId, status: "completed" };
  if (!current || message.status !== "leased" || !mayHold(transaction, agent, message, renewal.reader)) {
    const detail = `Message ${messageId} is not leased by ${renewal.agentId} in attempt ${renewal.attempt}.`;
    throw new AgentCommunicationError("LEASE_LOST", detail);
  }
  const leaseExpiresAt = transaction.now + Math.ceil(renewal.leaseMilliseconds);
  transaction.run("UPDATE messages SET lease_expires_at = ? WHERE arrival = ?", leaseExpiresAt, message.arrival);
  countAsHeartbeat(transaction, agent);
  return { messageId, status: "leased", leaseExpiresAt: iso(leaseExpiresAt) };
}
