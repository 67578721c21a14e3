import type { Agent, AgentRole, AgentStatus } from "../model/agent.ts";
import { iso } from "./instants.ts";

/** How the stored columns of an agent read, on both engines. */

/** Sorts before every agent's id, and after the `#name` of every channel's mailbox, whose rows are among those of agents. */
export const BEFORE_AGENTS = "/";

export interface StoredAgent {
  agent_id: string;
  role: AgentRole;
  status: AgentStatus;
  max_concurrent_tasks: number;
  active_tasks: number;
  registered_at: number;
  last_heartbeat_at: number;
  /** Its own; null: the setting. */
  heartbeat_timeout_seconds: number | null;
  completed: number;
  failed: number;
  /** By silence or timeout. */
  lost: number;
  /** Given back. */
  released: number;
  completed_milliseconds: number;
  p95_milliseconds: number | null;
}

/** @param capabilities its set, sorted  @param metadata as JSON text; nothing when it gave none */
export function readStoredAgent(row: StoredAgent, capabilities: string[], metadata: string | null | undefined): Agent {
  const agent: Agent = {
    agentId: row.agent_id,
    role: row.role,
    capabilities,
    maxConcurrentTasks: row.max_concurrent_tasks,
    status: row.status,
    activeTasks: row.active_tasks,
    registeredAt: iso(row.registered_at),
    lastHeartbeatAt: iso(row.last_heartbeat_at),
    performance: readPerformance(row),
  };
  if (row.heartbeat_timeout_seconds !== null) agent.heartbeatTimeoutSeconds = row.heartbeat_timeout_seconds;
  if (typeof metadata === "string") agent.metadata = JSON.parse(metadata) as NonNullable<Agent["metadata"]>;
  return agent;
}

function readPerformance(row: StoredAgent): Agent["performance"] {
  const ended = row.completed + row.failed + row.lost;
  return {
    completed: row.completed,
    failed: row.failed,
    lost: row.lost + row.released,
    released: row.released,
    successRate: ended === 0 ? null : row.completed / ended,
    meanDurationSeconds: row.completed === 0 ? null : row.completed_milliseconds / row.completed / 1_000,
    p95DurationSeconds: row.p95_milliseconds === null ? null : row.p95_milliseconds / 1_000,
  };
}
