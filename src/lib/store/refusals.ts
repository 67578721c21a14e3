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
