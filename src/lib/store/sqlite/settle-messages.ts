import { backoffMilliseconds } from "../../model/backoff.ts";
import type { NewSettlement, SettleResult } from "../store.ts";
import { countAsHeartbeat } from "./activity.ts";
import { type AgentRow, requireRegistered } from "./agent-rows.ts";
import { auditMessage } from "./audit.ts";
import {
  endMessage,
  holds,
  LIVE_BY_ID,
  type LiveMessageRow,
  MAX_ATTEMPTS_REASON,
  requeueMessage,
  type StoredSettlement,
} from "./message-rows.ts";
import type { Transaction } from "./transaction.ts";

/** What a stored settlement answers when it is repeated, and which outcome repeats it. */
const REPEATS: Readonly<
  Record<
    StoredSettlement,
    { outcome: NewSettlement["outcome"] | "any"; status: "completed" | "queued" | "dead_lettered" }
  >
> = {
  complete: { outcome: "complete", status: "completed" },
  retry_queued: { outcome: "retry", status: "queued" },
  retry_dead_lettered: { outcome: "retry", status: "dead_lettered" },
  dead_letter: { outcome: "dead_letter", status: "dead_lettered" },
  // The task moved on and took its assignment message along: however the holder settles it, it is done.
  task_ended: { outcome: "any", status: "completed" },
};

/**
 * Settles one by one, in order, as if sent alone. Only the current attempt of the mailbox's own agent writes, or of the
 * member that holds the lease on a channel's message.
 *
 * @throws AGENT_NOT_FOUND, AGENT_DEREGISTERED
 */
export function settleMessages(
  transaction: Transaction,
  agentId: string,
  settlements: readonly NewSettlement[],
): SettleResult[] {
  const agent = requireRegistered(transaction, agentId);
  const results = settlements.map((settlement) => settleOne(transaction, agent, settlement));
  const accepted = results.some((result) => result.status !== "lease_lost" && result.status !== "not_found");
  if (accepted) countAsHeartbeat(transaction, agent);
  return results;
}

function settleOne(transaction: Transaction, agent: AgentRow, settlement: NewSettlement): SettleResult {
  const { messageId, outcome } = settlement;
  const message = transaction.get<LiveMessageRow>(LIVE_BY_ID, messageId);
  if (message === undefined) return { messageId, status: "not_found" };
  if (message.attempt !== settlement.attempt || !holds(transaction, agent, message))
    return { messageId, status: "lease_lost" };
  if (message.status !== "leased") {
    const repeat = message.settlement === null ? undefined : REPEATS[message.settlement];
    if (repeat === undefined || (repeat.outcome !== "any" && repeat.outcome !== outcome)) {
      return { messageId, status: "lease_lost" };
    }
    return { messageId, status: repeat.status };
  }
  const status = settleLeased(transaction, message, settlement);
  const detail = { attempt: message.attempt, agentId: agent.agent_id, status };
  auditMessage(transaction, "message.settled", { messageId, agentId: agent.agent_id, detail });
  return { messageId, status };
}

function settleLeased(
  transaction: Transaction,
  message: LiveMessageRow,
  settlement: NewSettlement,
): "completed" | "queued" | "dead_lettered" {
  switch (settlement.outcome) {
    case "complete":
      endMessage(transaction, message, "completed", { settlement: "complete" });
      return "completed";
    case "dead_letter":
      endMessage(transaction, message, "dead_lettered", { settlement: "dead_letter", reason: settlement.reason });
      return "dead_lettered";
    case "retry":
      return retry(transaction, message, settlement);
  }
}

function retry(
  transaction: Transaction,
  message: LiveMessageRow,
  settlement: NewSettlement,
): "queued" | "dead_lettered" {
  const { reason } = settlement;
  if (message.attempt >= message.attempt_limit) {
    const ending = { settlement: "retry_dead_lettered" as const, reason: reason ?? MAX_ATTEMPTS_REASON };
    endMessage(transaction, message, "dead_lettered", ending);
    return "dead_lettered";
  }
  const delay = settlement.delayMilliseconds ?? backoffMilliseconds(message.attempt);
  // Without a delay it returns to its old place.
  const availableAt = delay === 0 ? message.available_at : transaction.now + Math.ceil(delay);
  requeueMessage(transaction, message, availableAt, { settlement: "retry_queued", reason });
  return "queued";
}
