import type { AgentRow } from "./agent-rows.ts";
import type { Transaction } from "./transaction.ts";

export function handOutToAgent(_transaction: Transaction, _agent: AgentRow): number {
  return 0;
}
