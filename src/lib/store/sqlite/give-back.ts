import type { GiveBack } from "../store.ts";
import { findAgent } from "./agent-rows.ts";
import { holds, LIVE_BY_ID, type LiveMessageRow } from "./message-rows.ts";
import type { Transaction } from "./transaction.ts";
import { rejoinTypedStream } from "./typed-streams.ts";

/** The attempt stays used, for it is the fencing number; so there is one more. */
const GIVE_BACK = `UPDATE messages SET status = 'queued', lease_expires_at = NULL, claim_id = NULL, available_at = ?,
  attempt_limit = attempt_limit + 1 WHERE arrival = ?`;

/** Returns leased messages that their receiver has not seen, to be due after a delay. It wakes nobody: nothing is due now. */
export function giveBackMessages(transaction: Transaction, { agentId, messages, delayMilliseconds }: GiveBack): void {
  const agent = findAgent(transaction, agentId);
  if (agent === undefined) return;
  for (const { messageId, attempt } of messages) {
    const message = transaction.get<LiveMessageRow>(LIVE_BY_ID, messageId);
    if (message?.status !== "leased" || message.attempt !== attempt || !holds(transaction, agent, message)) continue;
    transaction.run(GIVE_BACK, transaction.now + Math.ceil(delayMilliseconds), message.arrival);
    rejoinTypedStream(transaction, message.receiver_no, message.arrival);
    transaction.count("messages:leased", -1);
    transaction.count("messages:queued", 1);
  }
}
