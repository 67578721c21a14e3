import type { AgentRow } from "./agent-rows.ts";
import type { Transaction } from "./transaction.ts";

export function releaseTasks(_transaction: Transaction, _agent: AgentRow, _outcome: "agent_inactive" | "released"): number {
  return 0;
}
