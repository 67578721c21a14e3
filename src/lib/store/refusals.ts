import { AgentCommunicationError } from "../errors.ts";

/** Refusals that many verbs of both engines share. */

/** No agent has this id. */
export function agentNotFound(agentId: string): AgentCommunicationError {
  return new AgentCommunicationError("AGENT_NOT_FOUND", `No agent ${agentId} is registered.`);
}

/** The agent has deregistered, or silence of many days has deregistered it. */
export function agentDeregistered(agentId: string): AgentCommunicationError {
  return new AgentCommunicationError("AGENT_DEREGISTERED", `Agent ${agentId} is deregistered; it must register again.`);
}

/** Why an agent may not do what only a registered agent may. */
export type AgentRefusalCode = "AGENT_NOT_FOUND" | "AGENT_DEREGISTERED";

/** The refusal of a code that a batch gave. */
export function agentRefusal(code: AgentRefusalCode, agentId: string): AgentCommunicationError {
  return code === "AGENT_NOT_FOUND" ? agentNotFound(agentId) : agentDeregistered(agentId);
}

/** Nothing has been sealed under that number. */
export function auditBlockNotFound(blockNo: number): AgentCommunicationError {
  return new AgentCommunicationError("NOT_FOUND", `The audit has no block ${blockNo}.`);
}

/** The store was closed in an orderly way: what comes too late may go to another process. */
export function storeClosed(): AgentCommunicationError {
  return new AgentCommunicationError("STORE_UNAVAILABLE", "The store is closed.", { retryAfterSeconds: 1 });
}
