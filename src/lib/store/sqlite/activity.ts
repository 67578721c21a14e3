import { actorOf } from "../../trace/call-context.ts";
import { renewalMilliseconds } from "../rules/heartbeats.ts";
import { type AgentRow, changeAgent } from "./agent-rows.ts";
import { handOutToAgent } from "./hand-out.ts";
import type { Transaction } from "./transaction.ts";

/**
 * An accepted call of an agent (a send, a receive, a settlement, anything about a task) counts as a heartbeat, and makes an
 * inactive agent active again, which may hand it waiting work. Called after the last refusal of a verb: refused calls do not
 * count.
 */
export function countAsHeartbeat(transaction: Transaction, agent: AgentRow): void {
  const age = transaction.now - agent.last_heartbeat_at;
  const wakes = agent.status === "inactive";
  const { settings } = transaction;
  if (!wakes && age <= renewalMilliseconds({ own: agent.heartbeat_timeout_seconds, settings })) return;
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
