import { actorOf } from "../../trace/call-context.ts";
import { type AgentRow, changeAgent } from "./agent-rows.ts";
import { handOutToAgent } from "./hand-out.ts";
import type { Transaction } from "./transaction.ts";

/** A stored heartbeat is renewed when it is older than this share of the interval: one write in many calls. */
const RENEWAL_SHARE = 0.25;

/**
 * An accepted receive, settlement or task call counts as a heartbeat, and makes an inactive agent active again, which
 * may hand it waiting work. Called after the last refusal of a verb: refused calls do not count.
 */
export function countAsHeartbeat(transaction: Transaction, agent: AgentRow): void {
  const age = transaction.now - agent.last_heartbeat_at;
  const wakes = agent.status === "inactive";
  if (!wakes && age <= transaction.settings.heartbeatIntervalSeconds * 1_000 * RENEWAL_SHARE) return;
  if (!wakes) {
    // No count depends on the time of the heartbeat, so the narrow update will do.
    transaction.runOnAgent(
      "UPDATE agents SET last_heartbeat_at = ? WHERE agent_no = ?",
      transaction.now,
      agent.agent_no,
    );
    agent.last_heartbeat_at = transaction.now;
    return;
  }
  const actor = actorOf(agent.agent_id, transaction.call);
  changeAgent(transaction, agent, { status: "active", last_heartbeat_at: transaction.now }, { actor });
  handOutToAgent(transaction, agent);
}
