import type { Agent } from "../../model/agent.ts";
import { readStoredAgent, type StoredAgent } from "../agent-reading.ts";

/** An agent with its load, heartbeat, set (as a JSON array) and metadata. */
export interface AgentRow extends StoredAgent {
  agent_no: number;
  capabilities: string;
  metadata: string | null;
}

/** The agent of a row. */
export function readAgent(row: AgentRow): Agent {
  return readStoredAgent(row, JSON.parse(row.capabilities) as string[], row.metadata);
}
